/** Where the hosted link page is shown. */
export type LinkMode = "popup" | "iframe" | "redirect";

/** The reason of a failed link. */
export type LinkErrorCode =
  | "aborted" | "blocked" | "closed" | "invalid_options"
  | "unknown_link" | "expired" | "used" | "other_provider" | "origin_not_allowed"
  | "refused" | "not_organization_wide" | "other_organization" | "account_not_found" | "unusable_grant" | "not_accepted"
  | "not_the_provider" | "unusable_base_url" | "unusable_token_url" | "unusable_credentials" | "no_token_endpoint"
  | "stale_session" | "other_browser" | "still_connecting" | "too_many_attempts" | "quota_exceeded"
  | "provider_refused" | "provider_unavailable" | "unavailable" | "internal";

export interface LinkOptions {
  /** Default: `"popup"`. Call `connect` from a click, or browsers block the popup. */
  mode?: LinkMode;
  /** The base URL of the gateway, if this module is not imported from it. */
  baseUrl?: string;
  /** Aborts, and closes the popup or removes the frame. */
  signal?: AbortSignal;
}

export interface LinkSuccess {
  result: "success";
  /** The provider that was connected, such as `slack_enterprise`. */
  provider: string;
  integrated_account_id: string;
  /** Requested scopes that were not granted. */
  missing_scopes: string[];
}

export class LinkError extends Error {
  readonly name: "LinkError";
  readonly code: LinkErrorCode;
}

/**
 * Lets a customer connect a directory. Rejects with a `LinkError`. With `mode: "redirect"` the page navigates away
 * and the promise never settles: the customer returns to the link token's `redirect_uri`.
 *
 * @param linkToken the `link_token`, or the `link_url`, of `POST /link-tokens`
 */
export function connect(linkToken: string, options?: LinkOptions): Promise<LinkSuccess>;

export interface PortalOptions {
  /** Default: `"iframe"`. Call `openPortal` from a click, or browsers block the popup. */
  mode?: LinkMode;
  /** The element that the frame fills; required by `"iframe"`. */
  container?: Element;
}

/**
 * Opens the hosted directory view of an account. Throws a `LinkError`.
 *
 * @param portalUrl the `portal_url` of `POST /portal-links`
 */
export function openPortal(portalUrl: string, options?: PortalOptions): { close(): void };

export interface AuthenticateOptions {
  baseUrl?: string;
  /** Default: `true`. */
  iframe?: boolean;
  sameWindow?: boolean;
  integration?: string;
}

/** The signature of Truto's link SDK, for migrations. Rejects with `"closed"` or an error with `error_type`. */
export default function authenticate(
  linkToken: string,
  options?: AuthenticateOptions,
): Promise<{ result: "success"; integration: string; integrated_account_id: string }>;
