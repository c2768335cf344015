//! `/problems`: every kind is listed and explained.

use std::fmt::Write as _;

use sqlx::PgPool;
use switchboard::http::problem::ProblemKind;

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_kind_of_problem_has_a_page(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let index = anonymous.get("problems").await?;
    assert_eq!(index.status, 200);
    for kind in ProblemKind::ALL {
        let path = format!("/problems/{}", kind.name());
        assert!(index.text.contains(&format!("href=\"{path}\"")), "{path} is not listed");
        let page = anonymous.get(&path).await?;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        let status = kind.status().as_u16().to_string();
        assert!(page.text.contains(kind.name()) && page.text.contains(&status), "{path}");
    }
    anonymous.get("problems/none").await?.problem(404, "route_not_found");
    Ok(())
}

/// The types are stable: callers depend on them. A line may be added; none may change or be removed.
#[test]
fn kinds_have_stable_names_and_statuses() {
    let mut kinds = String::new();
    for kind in ProblemKind::ALL {
        let (name, status) = (kind.name(), kind.status().as_u16());
        let _ = writeln!(kinds, "{status} {name}: {}", kind.title());
    }
    insta::assert_snapshot!(kinds, @r"
    401 unauthorized: Valid key required
    429 too_many_wrong_keys: Too many failed authentication attempts
    403 insufficient_scope: Insufficient scope
    403 method_forbidden: Provider method not allowed
    403 address_not_allowed: Client address not allowed
    403 cross_site_request: Cross-site request
    404 route_not_found: Route not found
    405 method_not_allowed: HTTP method not allowed
    400 invalid_query: Invalid query parameter
    422 invalid_body: Invalid request body
    413 body_too_large: Request body too large
    415 unsupported_media_type: Unsupported media type
    408 request_timeout: Request timeout
    503 overloaded: Gateway overloaded
    503 environment_overloaded: Environment overloaded
    403 quota_exceeded: Environment quota exceeded
    400 account_required: Account not specified
    404 account_not_found: Account not found
    400 ambiguous_account: Ambiguous account
    409 account_needs_reauth: Account requires reauthorization
    409 not_refreshable: Account not refreshable
    429 refresh_too_soon: Token refresh too soon
    409 account_disconnected: Account disconnected
    409 no_provider_app: Provider app not configured
    409 provider_app_refused: Provider app credentials rejected
    409 provider_app_in_use: Provider app in use
    409 sync_disabled: Directory sync not enabled
    409 sync_in_progress: Sync run in progress
    409 sync_not_active: Sync run not in progress
    409 sync_wrong_status: Invalid status of sync run
    422 invalid_desired_state: Invalid desired state
    409 not_synced: No synced copy
    400 as_of_out_of_range: Time outside the stored history
    400 invalid_cursor: Invalid cursor
    410 cursor_expired: Cursor expired
    410 event_expired: Event no longer stored
    409 violation_not_open: Violation not open
    409 nothing_to_fix: Violation without a fix
    409 fix_in_progress: Fix or evaluation in progress
    409 reconciliation_wrong_status: Invalid status of reconciliation
    409 plan_hash_mismatch: Hash of another plan
    409 too_many_removals: Too many removals
    409 reconciliation_in_progress: Reconciliation in progress
    409 webhook_inactive: Webhook not active
    409 test_not_resendable: Test delivery not resendable
    409 too_many_replays: Too many replays in progress
    404 not_found: Resource not found
    409 already_exists: Resource already exists
    400 idempotency_key_invalid: Invalid idempotency key
    422 idempotency_key_reused: Idempotency key reused
    409 idempotency_key_in_flight: Original request still in progress
    409 idempotency_in_doubt: Outcome of original request unknown
    409 secret_shown_once: Secret no longer available
    422 role_not_assignable: Role not assignable
    409 step_skipped: Step not attempted
    413 batch_too_large: Batch response too large
    404 unknown_provider_path: Unknown provider path
    501 unsupported_by_provider: Not supported by the provider
    422 provider_invalid_argument: Argument rejected by the provider
    404 provider_not_found: Not found at the provider
    403 provider_missing_scope: Missing scope at the provider
    403 provider_forbidden: Forbidden by the provider
    409 provider_conflict: Conflict at the provider
    429 rate_limited: Provider rate limit reached
    502 provider_error: Provider error
    504 provider_timeout: Provider timeout
    502 provider_outcome_unknown: Outcome of the change unknown
    500 internal: Internal error
    503 unavailable: Service unavailable
    ");
}
