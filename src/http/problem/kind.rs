//! The kinds of problem: name, status, title, and what to do. A kind's name never changes.

use axum::http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $status:ident, $title:literal, $advice:literal;)*) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)*
        }

        impl ProblemKind {
            /// Every kind, in the order of the pages.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The last part of its type: stable, in `snake_case`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Its HTTP status.
            #[must_use]
            pub fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// The kind in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// What it means and what to do, for its page.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    /// No key, or none that is good.
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid key is needed",
        "Send `Authorization: Bearer KEY` with an API key (`sb_live_…`) or an account token (`sb_acct_…`). Keys end when they expire or are revoked.";
    /// Too many bad keys came from there.
    TooManyWrongKeys = "too_many_wrong_keys", TOO_MANY_REQUESTS, "Too many wrong keys came from this address",
        "Retry after `Retry-After` seconds with a valid key. Keys in the current format (`sb_live_v1_…`, `sb_acct_v1_…`) are not affected by failures of other callers at the same address. The operator sets the allowance as `server.failed_auth_per_minute`.";
    /// The key lacks a scope.
    InsufficientScope = "insufficient_scope", FORBIDDEN, "The key lacks a scope",
        "Use a key with the scope that the detail names: `read`, `write`, `proxy` or `admin`.";
    /// The key may not call that method of the provider.
    MethodForbidden = "method_forbidden", FORBIDDEN, "The key may not call this method",
        "The key was made for some of the provider's methods only. Use one whose `allowed_methods` has this one, or make such a token.";
    /// The key may not be used from there.
    AddressNotAllowed = "address_not_allowed", FORBIDDEN, "The key may not be used from this address",
        "The key was made for some addresses only: its `allowed_addresses`. Call from one of them. Behind a proxy, the operator names it in `server.trusted_proxies`, so that the address in front of it counts.";
    /// No such route.
    RouteNotFound = "route_not_found", NOT_FOUND, "There is nothing at this path",
        "Check the path. `/openapi.json` lists every route.";
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path has other methods",
        "`/openapi.json` lists the methods of every route.";
    /// A query parameter is wrong.
    InvalidQuery = "invalid_query", BAD_REQUEST, "A query parameter is wrong",
        "Each entry of `errors` names a parameter and what is wrong with it. Unknown parameters are an error, so that a misspelt filter is never ignored.";
    /// The body is no JSON, or too far from what is wanted.
    InvalidBody = "invalid_body", UNPROCESSABLE_ENTITY, "The body can't be used",
        "Send JSON as the reference describes it. Each entry of `errors` points at a mistake. Unknown fields are an error.";
    /// The body is too large.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "Send less at once. The operator sets the limit as `server.max_body_bytes`.";
    /// The body has the wrong type.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON",
        "Send `Content-Type: application/json`.";
    /// The body did not come in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request came too slowly",
        "Send the whole body within the time that the operator sets as `server.body_timeout_s`.";
    /// Too many requests are inside.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The gateway has too much to do",
        "Send the same again after `Retry-After` seconds. The operator sets how many requests are taken at the same time as `server.max_requests`, and how much memory bodies and responses take as `server.max_bytes_in_flight` and, for one environment, `server.max_environment_bytes_in_flight`.";
    /// The environment has too many requests inside, or too many calls that wait.
    EnvironmentOverloaded = "environment_overloaded", SERVICE_UNAVAILABLE, "Environment has too many requests",
        "Send the request again after `Retry-After` seconds, and fewer at the same time. The operator sets how many requests of one environment are served at the same time as `quotas.request_share`, and how many of its calls wait for a permit, a refresh or a retry as `quotas.waiting_share`; other environments are not affected.";
    /// The environment has as many rows as it may have.
    QuotaExceeded = "quota_exceeded", FORBIDDEN, "Quota of the environment is used up",
        "The environment stores as many objects of one kind as it may; the detail names the quota. Delete those that are not needed. Ended keys and tokens count until they are deleted, `database.ended_retention_days` after their end; responses stored for idempotency keys until they expire. The operator sets the quotas in `[quotas]`.";
    /// No account was named.
    AccountRequired = "account_required", BAD_REQUEST, "The request names no account",
        "Name the account with `integrated_account_id` in the query, with the header `X-Integrated-Account-Id`, or with `tenant_id` and `provider`; or use an account token.";
    /// There is no such account in this environment.
    AccountNotFound = "account_not_found", NOT_FOUND, "There is no such account",
        "The account is not in the environment of this key. `/integrated-accounts` lists those that are.";
    /// More than one account fits.
    AmbiguousAccount = "ambiguous_account", BAD_REQUEST, "More than one account fits",
        "Several accounts have this tenant and provider: name one by `integrated_account_id`.";
    /// The account's grant is lost.
    AccountNeedsReauth = "account_needs_reauth", CONFLICT, "The account must be linked again",
        "The provider refuses the account's tokens for good. Create a link token with this `integrated_account_id` and send the customer to its page: the account keeps its id.";
    /// The account's grant has no refresh token.
    NoRefreshToken = "no_refresh_token", CONFLICT, "The account has no refresh token",
        "The provider gave this account an access token that can't be renewed, and it is used as it is. Refresh accounts whose `token_expires_at` is not null.";
    /// An account token asks for new tokens too soon.
    RefreshTooSoon = "refresh_too_soon", TOO_MANY_REQUESTS, "Tokens are too new to refresh",
        "With an account token, tokens are refreshed when they are at least a minute old. Retry after `Retry-After` seconds, or use an API key. Calls need no refresh: the gateway refreshes tokens before they expire.";
    /// The account was disconnected.
    AccountDisconnected = "account_disconnected", CONFLICT, "The account is disconnected",
        "Its tokens are erased. Link the customer anew.";
    /// The environment has no OAuth client.
    NoProviderApp = "no_provider_app", CONFLICT, "The environment has no app for this provider",
        "Register an OAuth client at the provider and add it with `POST /provider-apps`.";
    /// The provider does not accept the environment's OAuth client.
    ProviderAppRefused = "provider_app_refused", CONFLICT, "The provider refuses the environment's app",
        "The provider does not accept the client id or secret of the environment's app, so no token can be renewed. Look at the app at the provider; customers need not link again.";
    /// Accounts were linked through the OAuth client.
    ProviderAppInUse = "provider_app_in_use", CONFLICT, "Accounts were linked through this app",
        "An app stays as long as accounts that were linked through it, disconnected ones too: their history names it. Give it another secret with `PATCH /provider-apps/{id}`, or add a second app, which new links use.";
    /// A cursor is wrong.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "The cursor can't be used here",
        "A cursor is good for the list, the account and the filters it came from, and only as long as the provider keeps it. Begin again without a cursor.";
    /// There is nothing with that id.
    NotFound = "not_found", NOT_FOUND, "There is nothing with that id",
        "Check the id. What another environment owns is not found either.";
    /// A row like this is there already.
    AlreadyExists = "already_exists", CONFLICT, "It is there already",
        "Another object of this environment has the same name or key.";
    /// The idempotency key is none.
    IdempotencyKeyInvalid = "idempotency_key_invalid", BAD_REQUEST, "The idempotency key can't be used",
        "Send one header `Idempotency-Key` of 1 to 255 visible ASCII characters, such as a UUID.";
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY, "The idempotency key was used for another request",
        "A key belongs to one request: method, path, query, account and body. Make a new key for each new request, and keep it for repetitions.";
    /// The first request with the key still runs.
    IdempotencyKeyInFlight = "idempotency_key_in_flight", CONFLICT, "The first request with this key still runs",
        "Send the same again after `Retry-After` seconds: it gets the answer of the first request.";
    /// Nobody knows how the first request with the key ended.
    IdempotencyInDoubt = "idempotency_in_doubt", CONFLICT, "Nobody knows how the first request with this key ended",
        "The service stopped in the middle of it. `known` lists what was written down about the request `first_request_id`: look at the provider whether the rest was done. Nothing is done again under this key; to do it, send the request with a new key.";
    /// The first request with the key showed a secret, which is not stored.
    SecretShownOnce = "secret_shown_once", CONFLICT, "Secret was shown once",
        "The first request with this idempotency key was done, and its response showed a secret, which is not stored. If that response was lost, revoke what was created and send a new request with another idempotency key.";
    /// A role that can't be assigned or removed as requested.
    RoleNotAssignable = "role_not_assignable", UNPROCESSABLE_ENTITY, "Role not assignable here",
        "The gateway refused the change of the role; nothing was sent to the provider. The detail says why and what to do instead.";
    /// A step that was not tried.
    StepSkipped = "step_skipped", CONFLICT, "Step not tried",
        "An earlier step of the same request left nothing to do this one with; nothing was sent to the provider for it. The detail says what to do.";
    /// The answers of a batch are too large.
    BatchTooLarge = "batch_too_large", PAYLOAD_TOO_LARGE, "The batch's answers are too large",
        "This operation was not begun, because the answers before it are too large together. Send it in another batch, and ask for smaller pages.";
    /// The path is none of the provider's.
    UnknownProviderPath = "unknown_provider_path", NOT_FOUND, "The provider has no such path",
        "The part behind `/proxy/` is the provider's own path, for example `api/users.info` or `scim/v2/Users`.";
    /// The provider can't do that.
    UnsupportedByProvider = "unsupported_by_provider", NOT_IMPLEMENTED, "The provider can't do that",
        "The provider of this account has no such resource.";
    /// The provider did not like an argument.
    ProviderInvalidArgument = "provider_invalid_argument", UNPROCESSABLE_ENTITY, "The provider refused an argument",
        "`provider.error` is the provider's own code.";
    /// The provider does not know the thing.
    ProviderNotFound = "provider_not_found", NOT_FOUND, "The provider does not know it",
        "`provider.error` is the provider's own code.";
    /// The grant lacks a scope.
    ProviderMissingScope = "provider_missing_scope", FORBIDDEN, "The customer's grant lacks a scope",
        "`provider.needed_scope` names it. Add it to the provider app and let the customer link again.";
    /// The person who installed may not do this.
    ProviderForbidden = "provider_forbidden", FORBIDDEN, "The provider does not permit it",
        "The person who installed the app may not do this, or the organization's plan does not have it. `provider.error` tells which.";
    /// It can't be done in the present state.
    ProviderConflict = "provider_conflict", CONFLICT, "The provider can't do it in the present state",
        "`provider.error` is the provider's own code.";
    /// The turn would come too late.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "The provider's limit is used up",
        "Come back after `Retry-After` seconds, or let the request wait longer with `Prefer: wait=N`.";
    /// The provider failed.
    ProviderError = "provider_error", BAD_GATEWAY, "The provider failed",
        "The provider answered with a failure of its own, or with something that can't be read. Reading again is safe.";
    /// The provider did not answer in time.
    ProviderTimeout = "provider_timeout", GATEWAY_TIMEOUT, "The provider did not answer in time",
        "What was asked may or may not have been done. Reading again is safe.";
    /// It is not known whether a change was done.
    ProviderOutcomeUnknown = "provider_outcome_unknown", BAD_GATEWAY, "Outcome of the change unknown",
        "The provider's response to a change was lost, and reading back did not show whether it was done. Look at the provider before you repeat it. With an idempotency key the change is not tried again under that key.";
    /// We failed.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something failed on our side",
        "The log has the cause under the request's id.";
    /// The database is away.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The service is not ready",
        "The database can't be reached at the moment. Come back after `Retry-After` seconds.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_advice() {
        for kind in ProblemKind::ALL {
            let same = ProblemKind::ALL.iter().filter(|other| other.name() == kind.name()).count();
            assert_eq!(same, 1, "{}", kind.name());
            assert!(kind.advice().ends_with(['.', '`']), "{}", kind.name());
            assert!(kind.status().is_client_error() || kind.status().is_server_error());
        }
    }
}
