// The script of the API reference: search, languages of the samples, and requests. Without it the pages are complete,
// except for the forms. Loads nothing from elsewhere and stores nothing but the language.
"use strict";

const page = document.documentElement;
const LANGUAGE = "switchboard.docs.language";
const TIMEOUT_MS = 120000;
const MAX_BODY_BYTES = 1048576;
// What the page shows of a response without being asked.
const SHOWN_HEADERS = [
  "x-request-id", "content-type", "retry-after", "ratelimit", "ratelimit-policy", "ratelimit-limit",
  "ratelimit-remaining", "ratelimit-reset", "idempotency-replayed", "location",
];

// Before the first paint: nothing moves afterwards.
page.classList.add("scripted");
page.dataset.language = storedLanguage() ?? "curl";

function storedLanguage() {
  try {
    const language = localStorage.getItem(LANGUAGE);
    return ["curl", "python", "typescript"].includes(language) ? language : undefined;
  } catch {
    return undefined;
  }
}

document.addEventListener("DOMContentLoaded", () => {
  forwardOldAnchor();
  addMenu();
  addSearch();
  addTabs();
  addCopying();
  followSections();
  addForms();
});

const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// The overview had all operations once; its anchors now lead to the page of the tag.
function forwardOldAnchor() {
  if (location.pathname !== "/docs" || location.hash === "") return;
  const entry = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const link = entry?.closest(".index li")?.querySelector("a");
  if (link) location.replace(link.href);
}

// On a narrow screen the navigation is closed at first.
function addMenu() {
  const menu = document.querySelector(".menu");
  const isWide = matchMedia("(min-width: 901px)");
  const fit = () => { menu.open = isWide.matches; };
  isWide.addEventListener("change", fit);
  fit();
  menu.addEventListener("click", (event) => {
    if (event.target.closest("a") && !isWide.matches) menu.open = false;
  });
}

function addSearch() {
  const input = document.getElementById("search");
  const found = document.getElementById("found");
  const menu = document.querySelector(".menu");
  const groups = all(".group").map((group) => ({
    group,
    isCurrent: group.hasAttribute("data-current"),
    entries: all("li", group).map((item) => ({
      item,
      link: item.querySelector("a"),
      words: `${item.dataset.words ?? ""} ${item.textContent.toLowerCase()}`,
    })),
  }));
  const matches = () => all("#navigation .group li:not([hidden]) a").filter((link) => link.closest("li").dataset.words);
  const search = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { group, isCurrent, entries } of groups) {
      let here = 0;
      for (const { item, words: text } of entries) {
        const isMatch = words.every((word) => text.includes(word)) && (words.length === 0 || item.dataset.words);
        item.hidden = !isMatch;
        if (isMatch) here += 1;
      }
      count += here;
      group.hidden = here === 0;
      group.open = words.length > 0 ? here > 0 : isCurrent;
    }
    if (words.length > 0) menu.open = true;
    found.textContent = words.length === 0 ? "" : count === 1 ? "1 operation" : `${count || "No"} operations`;
  };
  input.addEventListener("input", search);
  input.form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim() !== "") matches()[0]?.click();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      input.value = "";
      search();
    } else if (event.key === "ArrowDown") {
      event.preventDefault();
      (input.value.trim() === "" ? document.querySelector("#navigation a") : matches()[0])?.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest("input, textarea, select, dialog");
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    input.focus();
    input.select();
  });
}

function addTabs() {
  const tabs = all(".tabs button");
  const show = (language) => {
    page.dataset.language = language;
    for (const tab of tabs) {
      const isShown = tab.dataset.language === language;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
    }
  };
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      // Samples above the button may change their height: the button stays where it is.
      const before = tab.getBoundingClientRect().top;
      show(tab.dataset.language);
      scrollBy({ top: tab.getBoundingClientRect().top - before, behavior: "instant" });
      try {
        localStorage.setItem(LANGUAGE, tab.dataset.language);
      } catch {
        // Without storage the language lasts as long as the page.
      }
    });
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const siblings = all("button", tab.parentElement);
      const next = siblings[(siblings.indexOf(tab) + step + siblings.length) % siblings.length];
      next.click();
      next.focus();
    });
  }
  show(page.dataset.language);
}

function addCopying() {
  for (const button of all(".copy")) {
    button.addEventListener("click", async () => {
      const samples = all(".sample", button.closest(".samples"));
      const sample = samples.find((one) => one.dataset.language === page.dataset.language);
      try {
        await navigator.clipboard.writeText(sample.querySelector("pre").textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Not copied";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

// Marks the operation that is on the screen in the navigation.
function followSections() {
  const sections = all(".operation");
  const side = document.querySelector(".side");
  const links = new Map(all("#navigation .group[data-current] li[data-words] a").map((link) => [link.hash.slice(1), link]));
  let current;
  const mark = () => {
    const passed = sections.filter((section) => section.getBoundingClientRect().top < innerHeight / 3);
    const link = links.get(passed.at(-1)?.id);
    if (link === current) return;
    current?.removeAttribute("aria-current");
    link?.setAttribute("aria-current", "location");
    current = link;
    if (!link || link.offsetParent === null || side.contains(document.activeElement)) return;
    const [box, frame] = [link.getBoundingClientRect(), side.getBoundingClientRect()];
    if (box.top < frame.top + 60 || box.bottom > frame.bottom - 20) {
      side.scrollTop += box.top - frame.top - frame.height / 3;
    }
  };
  let isDue = false;
  const schedule = () => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => { isDue = false; mark(); });
  };
  addEventListener("scroll", schedule, { passive: true });
  addEventListener("resize", schedule, { passive: true });
  mark();
}

// The key and the account are typed once. They are in the fields of this page and nowhere else.
function addForms() {
  for (const role of ["key", "account"]) {
    const fields = all(`[data-role="${role}"]`);
    for (const field of fields) {
      field.addEventListener("input", () => {
        for (const other of fields) other.value = field.value;
      });
    }
    // The browser may keep the page to go back to, or restore its fields.
    const clear = () => { for (const field of fields) field.value = ""; };
    addEventListener("pagehide", clear);
    clear();
  }
  for (const form of all(".try form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
}

// Builds the request of a form; throws an error with a text for people.
function requestOf(form) {
  const headers = { Accept: "application/json, */*;q=0.5" };
  const query = new URLSearchParams();
  let path = form.dataset.path;
  for (const field of all("[data-in]", form)) {
    const [name, value] = [field.dataset.name, field.value.trim()];
    if (field.dataset.in === "path") {
      // A browser would resolve these before it sends them.
      if (value === "." || value === "..") throw new Error(`${name} must not be “${value}”.`);
      path = path.replace(`{${name}}`, encodeURIComponent(value));
    } else if (value !== "" && field.dataset.in === "header") {
      headers[name] = value;
    } else if (value !== "" && field.hasAttribute("data-object")) {
      for (const [key, one] of new URLSearchParams(value)) query.append(`${name}[${key}]`, one);
    } else if (value !== "") {
      const values = field.hasAttribute("data-list") ? value.split(",").map((one) => one.trim()) : [value];
      for (const one of values) query.append(name, one);
    }
  }
  const own = (role) => form.querySelector(`[data-role="${role}"]`)?.value.trim() ?? "";
  if (own("key") !== "") headers.Authorization = `Bearer ${own("key")}`;
  if (own("account") !== "") headers["X-Integrated-Account-Id"] = own("account");
  let body;
  if (own("body") !== "") {
    try {
      JSON.parse(own("body"));
    } catch (error) {
      throw new Error(`The body is not JSON: ${error.message}`);
    }
    headers["Content-Type"] = "application/json";
    body = own("body");
  }
  const target = query.size === 0 ? path : `${path}?${query}`;
  return { target, options: { method: form.dataset.method, headers, body } };
}

// Asks before a request that changes something.
function confirmed(form, target) {
  if (!form.hasAttribute("data-change")) return Promise.resolve(true);
  const dialog = document.getElementById("confirmation");
  document.getElementById("confirmation-request").textContent = `${form.dataset.method} ${target}`;
  return new Promise((resolve) => {
    dialog.returnValue = "";
    for (const button of all("[data-choice]", dialog)) {
      button.onclick = () => dialog.close(button.dataset.choice);
    }
    dialog.onclose = () => resolve(dialog.returnValue === "send");
    dialog.showModal();
  });
}

async function send(form) {
  const result = form.querySelector(".result");
  const [submit, cancel] = [form.querySelector(".primary"), form.querySelector(".cancel")];
  const abort = new AbortController();
  const timer = { id: 0 };
  try {
    const { target, options } = requestOf(form);
    if (!await confirmed(form, target)) return;
    submit.disabled = true;
    cancel.hidden = false;
    cancel.onclick = () => abort.abort(new Error("The request was canceled."));
    timer.id = setTimeout(() => abort.abort(new Error("No response within two minutes.")), TIMEOUT_MS);
    result.replaceChildren(element("p", { className: "note", textContent: "Waiting for the response…" }));
    const started = performance.now();
    const response = await fetch(target, {
      ...options, signal: abort.signal, credentials: "omit", cache: "no-store", redirect: "error",
      referrerPolicy: "no-referrer",
    });
    const body = await readBody(response);
    result.replaceChildren(...described(response, body, performance.now() - started, `${options.method} ${target}`));
  } catch (error) {
    const text = (abort.signal.aborted ? abort.signal.reason : error).message;
    result.replaceChildren(element("p", { className: "badge bad", textContent: text }));
  } finally {
    result.scrollIntoView({ block: "nearest" });
    clearTimeout(timer.id);
    submit.disabled = false;
    cancel.hidden = true;
  }
}

// Reads a body up to a limit; a longer one is cut.
async function readBody(response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let [text, size] = ["", 0];
  while (reader && size < MAX_BODY_BYTES) {
    const { done, value } = await reader.read();
    if (done) return { text: text + decoder.decode(), size, isCut: false };
    size += value.length;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return { text, size, isCut: Boolean(reader) };
}

// Renders a response. Its texts are texts: nothing in them becomes markup.
function described(response, body, took, request) {
  const status = element("span", {
    className: response.ok ? "badge" : "badge bad",
    textContent: `${response.status} ${response.statusText}`.trim(),
  });
  const facts = element("dl", { className: "facts" });
  const others = element("dl", { className: "facts" });
  for (const [name, value] of response.headers) {
    const list = SHOWN_HEADERS.includes(name) ? facts : others;
    list.append(element("dt", { textContent: name }), element("dd", { textContent: value }));
  }
  const size = body.isCut ? `more than ${body.size} bytes, cut` : `${body.size} bytes`;
  const pre = element("pre", { tabIndex: 0 }, element("code", { textContent: pretty(body.text) }));
  pre.setAttribute("aria-label", "Body of the response");
  pre.setAttribute("role", "group");
  return [
    element("p", { className: "line" }, status, element("span", { className: "note", textContent: `${Math.round(took)} ms · ${size}` }),
      element("code", { textContent: request })),
    facts,
    element("details", { className: "optional" }, element("summary", { textContent: "Other headers" }), others),
    pre,
  ];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), undefined, 2);
  } catch {
    return text === "" ? "(no body)" : text;
  }
}
