//! The names of all metrics. `docs/METRICS.md` tells what each counts; a test holds both together.

/// Requests answered, by `route`, `method` and `status` class.
pub const HTTP_REQUESTS: &str = "switchboard_http_requests";
/// How long requests took, by `route` and `method`.
pub const HTTP_DURATION: &str = "switchboard_http_request_duration_seconds";
/// Calls sent to providers, by `provider`, `method` and `outcome`.
pub const PROVIDER_CALLS: &str = "switchboard_provider_calls";
/// How long providers took for the head of their answer, by `provider` and `method`.
pub const PROVIDER_DURATION: &str = "switchboard_provider_call_duration_seconds";
/// Calls that were not sent because their turn would have come too late, by `provider` and `method`.
pub const LIMITER_REFUSALS: &str = "switchboard_limiter_refusals";
/// Attempts to renew a pair of tokens, by `outcome`.
pub const TOKEN_REFRESHES: &str = "switchboard_token_refreshes";
/// How long providers took to answer an attempt to renew.
pub const TOKEN_REFRESH_DURATION: &str = "switchboard_token_refresh_duration_seconds";
/// Links that came to an end, by `outcome`.
pub const LINKS: &str = "switchboard_links";
/// Integrated accounts, by `status`.
pub const ACCOUNTS: &str = "switchboard_accounts";
/// How long ago the access token that ends next was got.
pub const TOKEN_AGE: &str = "switchboard_oldest_token_age_seconds";
/// How long until the next access token ends; below zero when one has ended.
pub const TOKEN_NEXT_END: &str = "switchboard_next_token_end_seconds";
/// Uses of credentials that are not in the audit log.
pub const AUDIT_LOST: &str = "switchboard_audit_rows_lost";

/// All of them.
pub const ALL: [&str; 12] = [
    HTTP_REQUESTS,
    HTTP_DURATION,
    PROVIDER_CALLS,
    PROVIDER_DURATION,
    LIMITER_REFUSALS,
    TOKEN_REFRESHES,
    TOKEN_REFRESH_DURATION,
    LINKS,
    ACCOUNTS,
    TOKEN_AGE,
    TOKEN_NEXT_END,
    AUDIT_LOST,
];
