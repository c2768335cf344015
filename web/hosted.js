// What the hosted link pages run: it tells the web page that opened them how the link ended.
"use strict";

const facts = document.getElementById("switchboard").dataset;
const told = JSON.parse(facts.told);
const isFramed = window.parent !== window;

function tell(message) {
  const reader = isFramed ? window.parent : window.opener;
  if (!reader) return;
  for (const origin of [...told, location.origin]) {
    // A window of another origin never sees it: the browser compares, and only notes the difference.
    reader.postMessage(message, origin);
  }
}

function finish(message) {
  tell(message);
  // The frame or the popup has done its work; a frame is taken away by the page around it.
  if (!isFramed && window.opener && message.result === "success") setTimeout(() => window.close(), 1200);
}

const message = facts.message && JSON.parse(facts.message);
// Whoever got less than was asked for reads so first: the page is not taken away before it is closed.
const isHeld = message?.missing_scopes?.length > 0;
const parting = isHeld ? message : { source: "switchboard-link", is_truto: true, result: "closed" };

for (const link of document.querySelectorAll("[data-close]")) {
  const canClose = isFramed || window.opener;
  link.hidden = !canClose;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    tell(parting);
    if (!isFramed) window.close();
  });
}

/** Follows in a frame what happens in the window that the provider's page was opened in. */
function follow() {
  const waiting = document.querySelector(".waiting");
  waiting.hidden = false;
  let last = "";
  const timer = setInterval(look, 1500);
  async function look() {
    let state;
    try {
      state = await (await fetch(facts.status, { cache: "no-store" })).json();
    } catch {
      return; // The next look may reach it.
    }
    if (state.status === "linked") {
      end({ source: "switchboard-link", is_truto: true, result: "success", integration: state.provider,
            integrated_account_id: state.integrated_account_id, missing_scopes: state.missing_scopes });
    } else if (state.status === "failed" && state.code !== last) {
      last = state.code;
      waiting.textContent = "That did not work. The other window says why; you can try again here.";
    } else if (state.status === "expired") {
      end({ source: "switchboard-link", is_truto: true, result: "error", code: "expired",
            error: "This link has expired", error_type: "invalid_token" });
    }
  }
  function end(message) {
    clearInterval(timer);
    window.removeEventListener("message", listen);
    waiting.textContent = message.result === "success" ? "Connected." : message.error;
    tell(message);
  }
  function listen(event) {
    if (event.origin === location.origin && event.data?.source === "switchboard-link"
        && event.data.result === "success") end(event.data);
  }
  window.addEventListener("message", listen);
}

if (message) {
  if (!isHeld) finish(message);
} else {
  const form = document.querySelector("form");
  form?.addEventListener("submit", () => {
    if (form.target) {
      follow();
    } else {
      form.querySelector("button").classList.add("busy");
    }
  });
  // Back from the provider's page by the browser's own button.
  window.addEventListener("pageshow", () => form?.querySelector("button").classList.remove("busy"));
}
