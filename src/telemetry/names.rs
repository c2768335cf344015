//! The names of all metrics. `docs/METRICS.md` tells what each counts; a test holds both together.

/// Requests answered, by `route`, `method` and `status` class.
pub const HTTP_REQUESTS: &str = "switchboard_http_requests";
/// How long requests took, by `route` and `method`.
pub const HTTP_DURATION: &str = "switchboard_http_request_duration_seconds";
/// Requests that are being answered.
pub const HTTP_INSIDE: &str = "switchboard_http_requests_inside";
/// Connections of callers.
pub const HTTP_CONNECTIONS: &str = "switchboard_http_connections";
/// Calls sent to providers, by `provider`, `method` and `outcome`.
pub const PROVIDER_CALLS: &str = "switchboard_provider_calls";
/// How long providers took to answer, by `provider` and `method`.
pub const PROVIDER_DURATION: &str = "switchboard_provider_call_duration_seconds";
/// Calls that were not sent because their turn would have come too late, by `provider` and `method`.
pub const LIMITER_REFUSALS: &str = "switchboard_limiter_refusals";
/// How long calls waited for their turn, by `provider` and `method`.
pub const LIMITER_WAITS: &str = "switchboard_limiter_wait_duration_seconds";
/// Calls that wait for their turn.
pub const LIMITER_WAITING: &str = "switchboard_limiter_waiting_calls";
/// Budgets that are remembered.
pub const LIMITER_BUDGETS: &str = "switchboard_limiter_budgets";
/// Budgets of which nothing is given until the provider's pause is over.
pub const LIMITER_BLOCKED: &str = "switchboard_limiter_blocked_budgets";
/// Whether budgets are shared through Redis: 1, 0 while it is away, NaN when they are not meant to be.
pub const LIMITER_SHARED: &str = "switchboard_limiter_shared";
/// Attempts to renew a pair of tokens, by `outcome`.
pub const TOKEN_REFRESHES: &str = "switchboard_token_refreshes";
/// How long providers took to answer an attempt to renew.
pub const TOKEN_REFRESH_DURATION: &str = "switchboard_token_refresh_duration_seconds";
/// Links that came to an end, by `outcome`.
pub const LINKS: &str = "switchboard_links";
/// Requests refused because the environment used all of a `quota`.
pub const QUOTA_REFUSALS: &str = "switchboard_quota_refusals";
/// Integrated accounts, by `status`.
pub const ACCOUNTS: &str = "switchboard_accounts";
/// How long ago the access token that ends next was got.
pub const TOKEN_AGE: &str = "switchboard_oldest_token_age_seconds";
/// How long until the next access token ends; below zero when one has ended.
pub const TOKEN_NEXT_END: &str = "switchboard_next_token_end_seconds";
/// Uses of credentials that are not in the audit log.
pub const AUDIT_LOST: &str = "switchboard_audit_rows_lost";

/// Rows that wait to be in the audit log.
pub const AUDIT_WAITING: &str = "switchboard_audit_rows_waiting";
/// Work that goes on without a caller.
pub const TASKS: &str = "switchboard_tasks";
/// Connections to the database, by `state`.
pub const DATABASE_CONNECTIONS: &str = "switchboard_database_connections";
/// The most connections to the database.
pub const DATABASE_MOST: &str = "switchboard_database_connections_max";
/// Rows that are kept in memory, by `cache`.
pub const CACHE_ROWS: &str = "switchboard_cache_rows";
/// Looks at what is kept in memory, by `cache` and `outcome`.
pub const CACHE_LOOKUPS: &str = "switchboard_cache_lookups";
/// The program's `version`.
pub const BUILD: &str = "switchboard_build";
/// What the process has of the machine's memory.
pub const RESIDENT_MEMORY: &str = "process_resident_memory_bytes";

/// All of them.
pub const ALL: [&str; 28] = [
    HTTP_REQUESTS,
    HTTP_DURATION,
    HTTP_INSIDE,
    HTTP_CONNECTIONS,
    PROVIDER_CALLS,
    PROVIDER_DURATION,
    LIMITER_REFUSALS,
    LIMITER_WAITS,
    LIMITER_WAITING,
    LIMITER_BUDGETS,
    LIMITER_BLOCKED,
    LIMITER_SHARED,
    TOKEN_REFRESHES,
    TOKEN_REFRESH_DURATION,
    LINKS,
    QUOTA_REFUSALS,
    ACCOUNTS,
    TOKEN_AGE,
    TOKEN_NEXT_END,
    AUDIT_LOST,
    AUDIT_WAITING,
    TASKS,
    DATABASE_CONNECTIONS,
    DATABASE_MOST,
    CACHE_ROWS,
    CACHE_LOOKUPS,
    BUILD,
    RESIDENT_MEMORY,
];
