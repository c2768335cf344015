//! The names of all metrics. `docs/METRICS.md` documents each; a test keeps both in step.

/// Completed requests, by `route`, `method` and `status` class.
pub const HTTP_REQUESTS: &str = "switchboard_http_requests";
/// Duration of requests, by `route` and `method`.
pub const HTTP_DURATION: &str = "switchboard_http_request_duration_seconds";
/// Requests in flight.
pub const HTTP_IN_FLIGHT: &str = "switchboard_http_requests_in_flight";
/// Open connections of callers.
pub const HTTP_CONNECTIONS: &str = "switchboard_http_connections";
/// Calls sent to providers, by `provider`, `method` and `outcome`.
pub const PROVIDER_CALLS: &str = "switchboard_provider_calls";
/// Duration of provider calls, by `provider` and `method`.
pub const PROVIDER_DURATION: &str = "switchboard_provider_call_duration_seconds";
/// Calls rejected by the rate limiter, by `provider` and `method`.
pub const LIMITER_REFUSALS: &str = "switchboard_limiter_refusals";
/// Wait of calls for their permit, by `provider` and `method`.
pub const LIMITER_WAITS: &str = "switchboard_limiter_wait_duration_seconds";
/// Calls that wait for a permit.
pub const LIMITER_WAITING: &str = "switchboard_limiter_waiting_calls";
/// Rate-limit buckets in memory.
pub const LIMITER_BUDGETS: &str = "switchboard_limiter_budgets";
/// Buckets blocked until a provider's pause is over.
pub const LIMITER_BLOCKED: &str = "switchboard_limiter_blocked_budgets";
/// Whether buckets are shared through Redis: 1, 0 while it is unavailable, NaN with the local backend.
pub const LIMITER_SHARED: &str = "switchboard_limiter_shared";
/// Attempts to refresh a token pair, by `outcome`.
pub const TOKEN_REFRESHES: &str = "switchboard_token_refreshes";
/// Duration of attempts to refresh.
pub const TOKEN_REFRESH_DURATION: &str = "switchboard_token_refresh_duration_seconds";
/// Finished links, by `outcome`.
pub const LINKS: &str = "switchboard_links";
/// Requests rejected by a `quota` of their environment.
pub const QUOTA_REFUSALS: &str = "switchboard_quota_refusals";
/// Integrated accounts, by `status`.
pub const ACCOUNTS: &str = "switchboard_accounts";
/// Age of the access token that expires next.
pub const TOKEN_AGE: &str = "switchboard_oldest_token_age_seconds";
/// Time until the next access token expires; negative when one has expired.
pub const NEXT_TOKEN_EXPIRY: &str = "switchboard_next_token_end_seconds";
/// Background jobs, by `state`.
pub const JOBS: &str = "switchboard_jobs";
/// Runs of the directory sync that are held.
pub const HELD_SYNCS: &str = "switchboard_held_syncs";
/// Objects that were reported as changed and wait to be read again.
pub const PENDING_RECHECKS: &str = "switchboard_pending_rechecks";
/// Age of the last event of the feed, by `origin`.
pub const LAST_EVENT_AGE: &str = "switchboard_last_event_age_seconds";
/// Duration of evaluations of policies, by `scope`.
pub const POLICY_EVALUATIONS: &str = "switchboard_policy_evaluation_duration_seconds";
/// Attempts to deliver events to webhooks, by `outcome`.
pub const WEBHOOK_DELIVERIES: &str = "switchboard_webhook_deliveries";
/// Deliveries to webhooks that wait for their next attempt.
pub const WEBHOOK_PENDING: &str = "switchboard_webhook_pending_deliveries";
/// Age of the oldest event that an active webhook has not received.
pub const WEBHOOK_OLDEST_EVENT: &str = "switchboard_webhook_oldest_event_age_seconds";
/// Webhooks that were disabled because their endpoint failed.
pub const WEBHOOKS_DISABLED: &str = "switchboard_webhooks_disabled";
/// Credential uses lost for the audit log.
pub const AUDIT_LOST: &str = "switchboard_audit_rows_lost";

/// Audit rows that wait to be written.
pub const AUDIT_WAITING: &str = "switchboard_audit_rows_waiting";
/// Background tasks.
pub const TASKS: &str = "switchboard_tasks";
/// Connections to the database, by `state`.
pub const DATABASE_CONNECTIONS: &str = "switchboard_database_connections";
/// Maximum connections to the database.
pub const DATABASE_MAX_CONNECTIONS: &str = "switchboard_database_connections_max";
/// Cached rows, by `cache`.
pub const CACHE_ROWS: &str = "switchboard_cache_rows";
/// Cache lookups, by `cache` and `outcome`.
pub const CACHE_LOOKUPS: &str = "switchboard_cache_lookups";
/// The `version` of the program.
pub const BUILD: &str = "switchboard_build";
/// Resident memory of the process.
pub const RESIDENT_MEMORY: &str = "process_resident_memory_bytes";

/// All names.
pub const ALL: [&str; 37] = [
    HTTP_REQUESTS,
    HTTP_DURATION,
    HTTP_IN_FLIGHT,
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
    NEXT_TOKEN_EXPIRY,
    JOBS,
    HELD_SYNCS,
    PENDING_RECHECKS,
    LAST_EVENT_AGE,
    POLICY_EVALUATIONS,
    WEBHOOK_DELIVERIES,
    WEBHOOK_PENDING,
    WEBHOOK_OLDEST_EVENT,
    WEBHOOKS_DISABLED,
    AUDIT_LOST,
    AUDIT_WAITING,
    TASKS,
    DATABASE_CONNECTIONS,
    DATABASE_MAX_CONNECTIONS,
    CACHE_ROWS,
    CACHE_LOOKUPS,
    BUILD,
    RESIDENT_MEMORY,
];
