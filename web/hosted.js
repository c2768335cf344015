// The script of the hosted link pages: sends the result of a link to the web page that opened them.
"use strict";

const pageData = document.getElementById("switchboard").dataset;
const targets = JSON.parse(pageData.targets);
const isFramed = window.parent !== window;

function send(message) {
  const receiver = isFramed ? window.parent : window.opener;
  if (!receiver) return;
  for (const origin of [...targets, location.origin]) {
    // The browser delivers it only to a window of that origin.
    receiver.postMessage(message, origin);
  }
}

function finish(message) {
  send(message);
  // The popup closes itself; a frame is removed by the page around it.
  if (!isFramed && window.opener && message.result === "success") setTimeout(() => window.close(), 1200);
}

const message = pageData.message && JSON.parse(pageData.message);
// With missing scopes the result is sent when the customer closes the page, so that it can be read first.
const isDeferred = message?.missing_scopes?.length > 0;
const closingMessage = isDeferred ? message : { source: "switchboard-link", is_truto: true, result: "closed" };

for (const link of document.querySelectorAll("[data-close]")) {
  const canClose = isFramed || window.opener;
  link.hidden = !canClose;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    send(closingMessage);
    if (!isFramed) window.close();
  });
}

/** Polls, in a frame, the status of a link whose consent page was opened in another window. */
function pollStatus() {
  const waiting = document.querySelector(".waiting");
  waiting.hidden = false;
  let last = "";
  const timer = setInterval(poll, 1500);
  async function poll() {
    let state;
    try {
      state = await (await fetch(pageData.status, { cache: "no-store" })).json();
    } catch {
      return; // Retried by the next poll.
    }
    if (state.status === "linked") {
      end({ source: "switchboard-link", is_truto: true, result: "success", integration: state.provider,
            integrated_account_id: state.integrated_account_id, missing_scopes: state.missing_scopes });
    } else if (state.status === "failed" && state.code !== last) {
      last = state.code;
      waiting.textContent = "The connection failed. The other window shows the reason; you can try again here.";
    } else if (state.status === "expired") {
      end({ source: "switchboard-link", is_truto: true, result: "error", code: "expired",
            error: "This link has expired", error_type: "invalid_token" });
    }
  }
  function end(message) {
    clearInterval(timer);
    window.removeEventListener("message", listen);
    waiting.textContent = message.result === "success" ? "Connected." : message.error;
    send(message);
  }
  function listen(event) {
    if (event.origin === location.origin && event.data?.source === "switchboard-link"
        && event.data.result === "success") end(event.data);
  }
  window.addEventListener("message", listen);
}

if (message) {
  if (!isDeferred) finish(message);
} else {
  const form = document.querySelector("form");
  form?.addEventListener("submit", () => {
    if (form.target) {
      pollStatus();
    } else {
      form.querySelector("button").classList.add("busy");
    }
  });
  // Restored by the browser's back button.
  window.addEventListener("pageshow", () => form?.querySelector("button").classList.remove("busy"));
}
