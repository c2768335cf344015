// Switchboard's browser SDK: opens the hosted link page and returns the result.

const FRAME_STYLE = "position:fixed;inset:0;width:100%;height:100%;border:0;z-index:2147483647;background:rgba(10,14,20,.55);color-scheme:normal";
const POLL_INTERVAL_MS = 1000;
// Maximum polls of a popup whose opener relation was cut, before it counts as closed.
const MAX_DETACHED_POLLS = 600;

/** A failed link. `code` is the reason; see `LinkErrorCode`. */
export class LinkError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = "LinkError";
    this.code = code;
    Object.assign(this, details);
  }
}

/**
 * Lets a customer connect a directory.
 *
 * @param {string} linkToken the token, or the whole `link_url`, of `POST /link-tokens`
 * @param {{mode?: "popup"|"iframe"|"redirect", baseUrl?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<{result: "success", integrated_account_id: string}>} rejects with a `LinkError`
 */
export function connect(linkToken, options = {}) {
  const mode = options.mode ?? "popup";
  let page;
  try {
    page = address(linkToken, options.baseUrl, mode);
  } catch {
    return Promise.reject(new LinkError("invalid_options", "The link token or the base URL is invalid."));
  }
  if (mode === "redirect") {
    window.location.assign(page.href);
    return new Promise(() => {});
  }
  if (mode !== "popup" && mode !== "iframe") {
    return Promise.reject(new LinkError("invalid_options", `Unknown mode "${mode}".`));
  }
  const surface = mode === "popup" ? popup(page) : frame(page);
  return surface ? follow(page, surface, options.signal)
    : Promise.reject(new LinkError("blocked", "The browser blocked the popup: call connect from a click handler."));
}

/**
 * Opens the hosted directory view of an account.
 *
 * @param {string} portalUrl the `portal_url` of `POST /portal-links`
 * @param {{mode?: "iframe"|"popup"|"redirect", container?: Element}} [options] a frame needs a container
 * @returns {{close: () => void}} throws a `LinkError`
 */
export function openPortal(portalUrl, options = {}) {
  const mode = options.mode ?? "iframe";
  if (!/^https?:/.test(portalUrl)) throw new LinkError("invalid_options", "The portal URL is invalid.");
  if (mode === "redirect") {
    window.location.assign(portalUrl);
    return { close() {} };
  }
  if (mode === "popup") {
    const opened = window.open(portalUrl, "switchboard-portal", "popup,width=1200,height=860");
    if (!opened) throw new LinkError("blocked", "The browser blocked the popup: call openPortal from a click handler.");
    return { close: () => opened.close() };
  }
  if (mode !== "iframe" || !options.container) {
    throw new LinkError("invalid_options", "Use popup, redirect, or iframe with a container.");
  }
  const element = document.createElement("iframe");
  element.src = portalUrl;
  element.title = "Directory";
  element.style.cssText = "width:100%;height:100%;border:0;color-scheme:normal";
  options.container.append(element);
  return { close: () => element.remove() };
}

/** Returns the URL of the hosted page. */
function address(linkToken, baseUrl, mode) {
  const isUrl = /^https?:/.test(linkToken);
  const base = baseUrl ?? new URL("..", import.meta.url).href;
  const page = new URL(isUrl ? linkToken : `link/${encodeURIComponent(linkToken)}`, base.endsWith("/") ? base : `${base}/`);
  page.searchParams.set("display", mode);
  page.searchParams.set("origin", window.location.origin);
  return page;
}

function popup(page) {
  const [width, height] = [620, 780];
  const left = Math.max(0, window.screenX + (window.outerWidth - width) / 2);
  const top = Math.max(0, window.screenY + (window.outerHeight - height) / 2);
  const opened = window.open(page.href, "switchboard-link", `popup,width=${width},height=${height},left=${left},top=${top}`);
  if (!opened) return null;
  return { window: opened, close: () => opened.close(), isGone: () => opened.closed };
}

function frame(page) {
  const element = document.createElement("iframe");
  element.src = page.href;
  element.title = "Connect your directory";
  element.style.cssText = FRAME_STYLE;
  document.body.append(element);
  return { window: element.contentWindow, close: () => element.remove(), isGone: () => !element.isConnected };
}

/** Waits for the page's message, and polls the link status for a popup that the provider's page has detached. */
function follow(page, surface, signal) {
  return new Promise((resolve, reject) => {
    let [goneFor, isDetached, failure] = [0, false, null];
    const timer = setInterval(poll, POLL_INTERVAL_MS);
    window.addEventListener("message", listen);
    signal?.addEventListener("abort", abort);

    function end(settle, value) {
      clearInterval(timer);
      window.removeEventListener("message", listen);
      signal?.removeEventListener("abort", abort);
      surface.close();
      settle(value);
    }
    function abort() {
      end(reject, new LinkError("aborted", "The link was aborted."));
    }
    function listen(event) {
      const data = event.data;
      if (event.origin !== page.origin || event.source !== surface.window || data?.source !== "switchboard-link") return;
      if (data.result === "success") end(resolve, success(data));
      else if (data.result === "closed") end(reject, failure ?? closed());
      // The customer sees the reason and may try again: the promise settles at the end.
      else failure = new LinkError(data.code, data.error);
    }
    async function poll() {
      if (!surface.isGone()) return void (goneFor = 0);
      goneFor += 1;
      const state = await status(page);
      // A provider's page detaches the popup as soon as it loads.
      if (goneFor === 1) isDetached = state.status === "in_progress" && state.for_s < 10;
      if (state.status === "linked") end(resolve, success(state));
      else if (goneFor < 3 || (isDetached && state.status === "in_progress" && goneFor < MAX_DETACHED_POLLS)) return;
      else if (state.status === "failed") end(reject, failure ?? new LinkError(state.code, "The link failed."));
      else if (state.status === "expired") end(reject, new LinkError("expired", "The link has expired."));
      else end(reject, failure ?? closed());
    }
  });
}

function success({ integrated_account_id, integration, provider = integration, missing_scopes = [] }) {
  return { result: "success", provider, integrated_account_id, missing_scopes };
}

function closed() {
  return new LinkError("closed", "The window was closed before the link was complete.");
}

async function status(page) {
  try {
    const response = await fetch(`${page.origin}${page.pathname}/status`, { cache: "no-store", credentials: "omit" });
    return await response.json();
  } catch {
    return { status: "unavailable" };
  }
}

/**
 * The signature of Truto's SDK, for migrations; its default is `iframe`.
 *
 * @param {string} linkToken
 * @param {{baseUrl?: string, iframe?: boolean, sameWindow?: boolean, integration?: string}} [options]
 */
export default async function authenticate(linkToken, options = {}) {
  const mode = options.sameWindow ? "redirect" : options.iframe === false ? "popup" : "iframe";
  try {
    const { integrated_account_id, provider } = await connect(linkToken, { mode, baseUrl: options.baseUrl });
    return { result: "success", integration: provider, integrated_account_id };
  } catch (error) {
    if (error.code === "closed") throw "closed";
    throw Object.assign(error, { is_truto: true, result: "error", error: error.message, error_type: typeOf(error.code) });
  }
}

function typeOf(code) {
  if (["unknown_link", "expired", "used"].includes(code)) return "invalid_token";
  if (code === "other_provider") return "invalid_integration";
  return code === "not_accepted" ? "validation_error" : "connection_error";
}
