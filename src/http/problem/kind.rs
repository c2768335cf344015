//! The problem types: name, status, title and advice. The name of a type never changes.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:ident, $title:literal, $advice:literal;)*) => {
        /// Type of a problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
        }

        impl ProblemKind {
            /// All types, in the order of the pages.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the last segment of its `type` URI: stable, in `snake_case`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Returns its HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// Returns its title: a noun phrase of at most six words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// Returns the meaning and the next action, for its page.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    /// The key is missing, unknown, expired or revoked.
    Unauthorized = "unauthorized", UNAUTHORIZED, "Valid key required",
        "Send `Authorization: Bearer KEY` with an API key (`sb_live_…`) or an account token (`sb_acct_…`). Expired and revoked keys are rejected.";
    /// Too many failed authentications came from the address.
    TooManyWrongKeys = "too_many_wrong_keys", TOO_MANY_REQUESTS, "Too many failed authentication attempts",
        "Retry after `Retry-After` seconds with a valid key. Keys in the current format (`sb_live_v1_…`, `sb_acct_v1_…`) are not affected by failures of other callers at the same address. The operator sets the allowance as `server.failed_auth_per_minute`.";
    /// The key lacks a scope.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "Insufficient scope",
        "Use a key with the scope named in `detail`: `read`, `write`, `proxy` or `admin`.";
    /// The key is restricted to other methods of the provider.
    MethodForbidden = "method_forbidden", FORBIDDEN, "Provider method not allowed",
        "The key is restricted to some of the provider's methods. Use a key whose `allowed_methods` includes this one, or create an account token that does.";
    /// The key is restricted to other client addresses.
    AddressNotAllowed = "address_not_allowed", FORBIDDEN, "Client address not allowed",
        "The key is restricted to the networks in its `allowed_addresses`. Call from one of them. Behind a reverse proxy, the operator lists the proxy in `server.trusted_proxies`, so that the address it forwards is used.";
    /// A form was not sent by a page of this server, or not in the session that it was shown in.
    CrossSiteRequest = "cross_site_request", FORBIDDEN, "Cross-site request",
        "Forms of the console and of the hosted directory view are accepted from their own pages only, in the session that the page was shown in. Reload the page and send the form again. Behind a reverse proxy, forward the `Host` header, or set `server.public_url` to the address in the browser.";
    /// No route matches the path.
    RouteNotFound = "route_not_found", NOT_FOUND, "Route not found",
        "Check the path. `/openapi.json` lists every route.";
    /// The route does not support the HTTP method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "HTTP method not allowed",
        "`/openapi.json` lists the methods of every route.";
    /// A query parameter is unknown or invalid.
    InvalidQuery = "invalid_query", BAD_REQUEST, "Invalid query parameter",
        "Each entry of `errors` names a parameter and the rule it violates. Unknown parameters are rejected, so that a misspelt filter is never ignored.";
    /// The body is not valid JSON or violates the schema.
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "Invalid request body",
        "Send JSON that matches the schema in the API reference. Each entry of `errors` points at an invalid value. Unknown fields are rejected.";
    /// The body exceeds the size limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "Request body too large",
        "Split the request into smaller ones. The operator sets the limit as `server.max_body_bytes`.";
    /// The content type is not JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type",
        "Send `Content-Type: application/json`.";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "Request timeout",
        "Send the whole body within the time that the operator sets as `server.body_timeout_s`.";
    /// The gateway has reached a limit of requests or memory in flight.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Gateway overloaded",
        "Retry after `Retry-After` seconds. The operator sets the number of concurrent requests as `server.max_requests`, and the memory for bodies and responses as `server.max_bytes_in_flight` and, for one environment, `server.max_environment_bytes_in_flight`.";
    /// The environment has too many requests in flight, or too many calls that wait.
    EnvironmentOverloaded = "environment_overloaded", SERVICE_UNAVAILABLE, "Environment overloaded",
        "Retry after `Retry-After` seconds, with fewer concurrent requests. The operator sets the share of concurrent requests of one environment as `quotas.request_share`, and the share of its calls that wait for a permit, a refresh or a retry as `quotas.waiting_share`. Other environments are not affected.";
    /// The environment has reached a quota of stored objects.
    QuotaExceeded = "quota_exceeded", FORBIDDEN, "Environment quota exceeded",
        "The environment stores the maximum number of objects of one kind; `quota` names it. Delete objects that are not needed. Expired and revoked keys and tokens count until they are deleted, `database.ended_retention_days` after their end; responses stored for idempotency keys count until they expire. The operator sets the quotas in `[quotas]`.";
    /// The request names no account.
    AccountRequired = "account_required", BAD_REQUEST, "Account not specified",
        "Specify the account with `integrated_account_id` in the query, with the header `X-Integrated-Account-Id`, or with `tenant_id` and `provider`; or use an account token.";
    /// No such account exists in this environment.
    AccountNotFound = "account_not_found", NOT_FOUND, "Account not found",
        "The account is not in the environment of this key. `GET /integrated-accounts` lists the environment's accounts.";
    /// Several accounts match.
    AmbiguousAccount = "ambiguous_account", BAD_REQUEST, "Ambiguous account",
        "Several accounts have this tenant and provider. Specify one with `integrated_account_id`.";
    /// The account's grant is revoked or expired.
    AccountNeedsReauth = "account_needs_reauth", CONFLICT, "Account requires reauthorization",
        "The provider permanently rejects the account's tokens. Create a link token with this `integrated_account_id` and send the customer to its page. The account keeps its id.";
    /// The account's credentials can't be refreshed.
    NotRefreshable = "not_refreshable", CONFLICT, "Account not refreshable",
        "The account's credentials can't be refreshed: an access token without a refresh token, or a user name with a password. They are used as they are, and nothing was changed. Refresh only accounts whose `token_expires_at` is not null.";
    /// An account token requests a refresh too soon.
    RefreshTooSoon = "refresh_too_soon", TOO_MANY_REQUESTS, "Token refresh too soon",
        "An account token can refresh tokens that are at least one minute old. Retry after `Retry-After` seconds, or use an API key. Calls need no explicit refresh: the gateway refreshes tokens before they expire.";
    /// The account was disconnected.
    AccountDisconnected = "account_disconnected", CONFLICT, "Account disconnected",
        "The account's tokens are deleted. Create a link token and let the customer connect again.";
    /// The environment has no OAuth client.
    NoProviderApp = "no_provider_app", CONFLICT, "Provider app not configured",
        "Register an OAuth client at the provider and add it with `POST /provider-apps`.";
    /// The provider rejects the environment's OAuth client.
    ProviderAppRefused = "provider_app_refused", CONFLICT, "Provider app credentials rejected",
        "The provider rejects the client id or secret of the environment's app, so no token can be refreshed. Check the app at the provider and update it with `PATCH /provider-apps/{id}`. Customers need not link again.";
    /// Accounts were linked through the OAuth client.
    ProviderAppInUse = "provider_app_in_use", CONFLICT, "Provider app in use",
        "An app can't be deleted while accounts linked through it exist, disconnected ones included: their history refers to it. Change its secret with `PATCH /provider-apps/{id}`, or add a second app, which new links use.";
    /// The directory sync of the account is not enabled.
    SyncDisabled = "sync_disabled", CONFLICT, "Directory sync not enabled",
        "The settings of the account and its environment do not enable the directory sync. Enable it with `PATCH /integrated-accounts/{id}` and the body `{\"sync\": {\"enabled\": true}}`, or for all accounts with `PATCH /environments/{id}`.";
    /// Another run of the account is queued or running.
    SyncInProgress = "sync_in_progress", CONFLICT, "Sync run in progress",
        "At most one run of an account is queued or running. `GET /syncs` lists it. Wait until it ends, or cancel it with `POST /syncs/{id}/cancel`.";
    /// The run is neither queued nor running.
    SyncNotActive = "sync_not_active", CONFLICT, "Sync run not in progress",
        "Only a queued or running run can be cancelled; `detail` names the run's status. End a held run with `POST /syncs/{id}/reject`.";
    /// The run has a status that the request does not apply to.
    SyncWrongStatus = "sync_wrong_status", CONFLICT, "Invalid status of sync run",
        "`detail` names the run's status and the valid ones. Runs that are failed or cancelled can be resumed; held runs can be accepted or rejected.";
    /// The desired state of a reconciliation can't be used.
    InvalidDesiredState = "invalid_desired_state", UNPROCESSABLE_ENTITY, "Invalid desired state",
        "Each entry of `errors` names a row, its column or field, and the rule it violates; the first 100 are listed. No plan was made. Correct the rows, or leave them out with `skip_bad_rows`. Rows can't be left out of a plan that removes people who are not in the desired state.";
    /// No complete copy of the resource exists yet.
    NotSynced = "not_synced", CONFLICT, "No synced copy",
        "No run of the directory sync has read this resource completely yet. Request a run with `POST /syncs` and wait until it has succeeded, or read from the provider with `source=live`.";
    /// The requested time is not in the history of the copy.
    AsOfOutOfRange = "as_of_out_of_range", BAD_REQUEST, "Time outside the stored history",
        "The time is before the history of the synced copy begins, or in the future. `detail` names the limit. The history begins with the first complete run and is limited by the setting `history_days`.";
    /// A cursor is invalid or expired.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "Invalid cursor",
        "A cursor is valid for the list, the account and the filters it was issued for, and until the provider expires it. Start again without a cursor.";
    /// Events after the cursor were deleted.
    CursorExpired = "cursor_expired", GONE, "Cursor expired",
        "Events after the cursor were deleted, because events are stored for 30 days. Start again without `next_cursor`, at the oldest stored event, and read the current state of the directories.";
    /// The event or the beginning of a replay is older than the stored events.
    EventExpired = "event_expired", GONE, "Event no longer stored",
        "Events are stored for 30 days; `detail` names the limit. Replay later events, or read the current state of the directories.";
    /// The violation is neither open nor acknowledged.
    ViolationNotOpen = "violation_not_open", CONFLICT, "Violation not open",
        "Only open and acknowledged violations can be acknowledged or fixed. A pending one is open after the grace period of its policy; a resolved one is open again if it returns.";
    /// There is no operation that would end the violation.
    NothingToFix = "nothing_to_fix", CONFLICT, "Violation without a fix",
        "What ends the violation is a decision: who gets or loses a role, which of two accounts is the right one. Change the directory with the unified API; the violation is resolved with the next evaluation.";
    /// Another fix or evaluation of the account is in progress.
    FixInProgress = "fix_in_progress", CONFLICT, "Fix or evaluation in progress",
        "One fix or evaluation of an account runs at a time. Retry after `Retry-After` seconds.";
    /// The reconciliation has a status that the request is not valid for.
    ReconciliationWrongStatus = "reconciliation_wrong_status", CONFLICT, "Invalid status of reconciliation",
        "A plan is applied while the reconciliation is `planned`, paused while it is `applying`, resumed while it is `paused`. A plan expires 24 hours after it was made: request another one with `POST /reconciliations`.";
    /// The hash is not that of the plan.
    PlanHashMismatch = "plan_hash_mismatch", CONFLICT, "Hash of another plan",
        "A plan is applied with the `hash` that the reviewed plan has, so that no other plan is applied than the reviewed one. Read the plan again.";
    /// The plan takes access from more people than its guards allow.
    TooManyRemovals = "too_many_removals", CONFLICT, "Too many removals",
        "The plan takes more access than `guards.max_removals` allows. Check the desired state: a file that lacks rows looks like this. To apply the plan once all the same, send the exact number of removals as `override_removals`; it is recorded in the audit log.";
    /// Another reconciliation of the account is being applied.
    ReconciliationInProgress = "reconciliation_in_progress", CONFLICT, "Reconciliation in progress",
        "One plan of an account is applied at a time. Wait until it ends, or cancel it with `POST /reconciliations/{id}/cancel`.";
    /// The webhook is inactive.
    WebhookInactive = "webhook_inactive", CONFLICT, "Webhook not active",
        "The webhook was set inactive, or was disabled because it failed for 72 hours or returned 410 Gone: see its `disabled_reason`. Activate it with `PATCH /webhooks/{id}` and the body `{\"is_active\": true}`. `POST /webhooks/{id}/test` works for inactive webhooks too.";
    /// A test was to be delivered again.
    TestNotResendable = "test_not_resendable", CONFLICT, "Test delivery not resendable",
        "The event of a test is not stored. Send another one with `POST /webhooks/{id}/test`.";
    /// The webhook has too many replays.
    TooManyReplays = "too_many_replays", CONFLICT, "Too many replays in progress",
        "A webhook has at most 10 replays that have not ended. Wait until one ends.";
    /// No resource has that id.
    NotFound = "not_found", NOT_FOUND, "Resource not found",
        "Check the id. Resources of other environments are not found either.";
    /// A resource with the same name or key exists.
    AlreadyExists = "already_exists", CONFLICT, "Resource already exists",
        "Another resource of this environment has the same name or key.";
    /// The idempotency key is malformed.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST, "Invalid idempotency key",
        "Send one header `Idempotency-Key` of 1 to 255 visible ASCII characters, such as a UUID.";
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "Idempotency key reused",
        "A key belongs to one request: method, path, query, account and body. Generate a new key for each new request, and reuse it for retries only.";
    /// The original request with the key is in progress.
    IdempotencyKeyInFlight = "idempotency_key_in_flight", CONFLICT, "Original request still in progress",
        "Retry after `Retry-After` seconds: the retry returns the response of the original request.";
    /// The outcome of the original request with the key is unknown.
    IdempotencyInDoubt = "idempotency_in_doubt", CONFLICT, "Outcome of original request unknown",
        "The process that handled the original request stopped before it finished. `recorded_actions` lists the audit entries of the request `first_request_id`; check at the provider whether the rest was applied. The request is not executed again under this key. To execute it, send it with a new key.";
    /// The response to the original request with the key contained a secret, which is not stored.
    SecretShownOnce = "secret_shown_once", CONFLICT, "Secret no longer available",
        "The original request with this idempotency key succeeded, and its response contained a secret, which is not stored. If that response was lost, revoke what was created and send a new request with another idempotency key.";
    /// A role that can't be assigned or removed as requested.
    RoleNotAssignable = "role_not_assignable", UNPROCESSABLE_ENTITY, "Role not assignable",
        "The gateway rejected the role change; nothing was sent to the provider. `detail` gives the reason and the alternative.";
    /// A step that was not attempted.
    StepSkipped = "step_skipped", CONFLICT, "Step not attempted",
        "An earlier step of the same request did not provide what this one needs; nothing was sent to the provider for it. `detail` gives the next action.";
    /// The responses of a batch exceed the size limit.
    BatchTooLarge = "batch_too_large", PAYLOAD_TOO_LARGE, "Batch response too large",
        "This operation was not started, because the responses of the operations before it exceed the size limit. Send it in another batch, and request smaller pages.";
    /// The path does not exist at the provider.
    UnknownProviderPath = "unknown_provider_path", NOT_FOUND, "Unknown provider path",
        "The part behind `/proxy/` is the provider's own path, for example `api/users.info` or `scim/v2/Users`.";
    /// The provider has no such resource or operation.
    UnsupportedByProvider = "unsupported_by_provider", NOT_IMPLEMENTED, "Not supported by the provider",
        "The provider of this account has no such resource or operation.";
    /// The provider rejected an argument.
    ProviderInvalidArgument = "provider_invalid_argument", UNPROCESSABLE_ENTITY, "Argument rejected by the provider",
        "`provider.error` is the provider's own code.";
    /// The resource does not exist at the provider.
    ProviderNotFound = "provider_not_found", NOT_FOUND, "Not found at the provider",
        "`provider.error` is the provider's own code.";
    /// The grant lacks a scope.
    ProviderMissingScope = "provider_missing_scope", FORBIDDEN, "Missing scope at the provider",
        "`provider.needed_scope` names the scope. Add it to the provider app and let the customer link again.";
    /// The user who installed the app lacks the permission.
    ProviderForbidden = "provider_forbidden", FORBIDDEN, "Forbidden by the provider",
        "The user who installed the app lacks the permission, or the organization's plan does not include the feature. `provider.error` is the provider's own code.";
    /// The current state at the provider does not permit the operation.
    ProviderConflict = "provider_conflict", CONFLICT, "Conflict at the provider",
        "The current state at the provider does not permit the operation. `provider.error` is the provider's own code.";
    /// No permit is available within the wait.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Provider rate limit reached",
        "Retry after `Retry-After` seconds, or let the request wait longer with `Prefer: wait=N`.";
    /// The provider failed.
    ProviderError = "provider_error", BAD_GATEWAY, "Provider error",
        "The provider returned an error of its own, or a response that can't be parsed. Reads can be retried.";
    /// The provider did not respond in time.
    ProviderTimeout = "provider_timeout", GATEWAY_TIMEOUT, "Provider timeout",
        "A change may or may not have been applied. Reads can be retried.";
    /// The outcome of a change is unknown.
    ProviderOutcomeUnknown = "provider_outcome_unknown", BAD_GATEWAY, "Outcome of the change unknown",
        "The provider's response to a change was lost, and reading back did not show whether it was applied. Check at the provider before you retry. With an idempotency key, the change is not attempted again under that key.";
    /// The gateway failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "The gateway's log has the cause under the request id.";
    /// The database is unavailable.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "Service unavailable",
        "The database is unavailable. Retry after `Retry-After` seconds.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_advice() {
        for kind in ProblemKind::ALL {
            let same = ProblemKind::ALL.iter().filter(|other| other.name() == kind.name()).count();
            assert_eq!(same, 1, "{}", kind.name());
            assert!(kind.title().split_whitespace().count() <= 6, "{}", kind.name());
            assert!(!kind.title().ends_with('.'), "{}", kind.name());
            assert!(kind.advice().ends_with(['.', '`']), "{}", kind.name());
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
    }
}
