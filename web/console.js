// The live parts of the console: results while typing, progress, copies. Every form works without this script.
"use strict";

document.documentElement.classList.add("scripted");

/** Replaces an element of this page by the same element of another page of this server, unless `signal` aborts it. */
async function load(url, id, signal) {
  const response = await fetch(url, { headers: { accept: "text/html" }, signal });
  if (response.redirected) return location.assign(url);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById(id);
  const old = document.getElementById(id);
  if (!fresh || !old) return;
  old.replaceChildren(...fresh.childNodes);
  const lead = page.querySelector(".lead");
  if (lead) document.querySelector(".lead")?.replaceChildren(...lead.childNodes);
  history.replaceState(null, "", url);
}

function formUrl(form) {
  const url = new URL(form.action, location.href);
  for (const [name, value] of new FormData(form)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  return url.href;
}

for (const form of document.querySelectorAll("form[data-live-form]")) {
  let timer;
  let running;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    // The result of an older query must not replace that of a newer one.
    running?.abort();
    timer = setTimeout(async () => {
      const own = new AbortController();
      running = own;
      const target = document.getElementById(form.dataset.liveForm);
      target.setAttribute("aria-busy", "true");
      try {
        await load(formUrl(form), form.dataset.liveForm, own.signal);
      } catch (error) {
        if (!own.signal.aborted) throw error;
      } finally {
        if (own === running) target.removeAttribute("aria-busy");
      }
    }, 150);
  });
}

for (const form of document.querySelectorAll("form[data-auto]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
    button.textContent = "Copied";
  });
}

/** Replaces a live part whenever it changes, until it is settled. */
function follow(part) {
  const source = new EventSource(part.dataset.live);
  const end = () => source.close();
  addEventListener("pagehide", end);
  source.addEventListener("message", (event) => {
    // What a person is reading or confirming is not replaced.
    if (part.contains(document.activeElement) || part.querySelector("details[open]")) return;
    part.replaceChildren(...new DOMParser().parseFromString(event.data, "text/html").body.childNodes);
    if (part.querySelector("[data-settled]")) end();
  });
  source.addEventListener("error", () => {
    // The browser itself opens a stream again that ended, but none that the server refused.
    if (source.readyState !== EventSource.CLOSED) return;
    removeEventListener("pagehide", end);
    setTimeout(() => follow(part), 15_000);
  });
}

for (const part of document.querySelectorAll("[data-live]")) follow(part);

for (const form of document.querySelectorAll("form[data-preview]")) {
  let timer;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const frame = document.getElementsByName(form.dataset.preview)[0];
      const url = new URL(frame.src);
      for (const [name, value] of new FormData(form)) {
        if (name !== "csrf" && name !== "origins") url.searchParams.set(name, value);
      }
      frame.src = url.href;
    }, 400);
  });
}

// Only one question is open at a time; Escape closes it.
document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.confirm[open]")) return;
  for (const other of document.querySelectorAll("details.confirm[open]")) {
    if (other !== event.target) other.open = false;
  }
}, true);
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.confirm[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// Beside the content the navigation is always open; above it, it opens by its button.
const menu = document.querySelector(".menu");
const isWide = matchMedia("(min-width: 801px)");
if (menu) {
  const fit = () => { menu.open = isWide.matches; };
  isWide.addEventListener("change", fit);
  fit();
}

// The page of a link presses its only button.
document.querySelector("form[data-submit]")?.requestSubmit();
