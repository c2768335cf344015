//! `/problems`: every kind is listed and explained.

use std::fmt::Write as _;

use sqlx::PgPool;
use switchboard::http::problem::ProblemKind;

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_kind_of_problem_has_a_page(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let nobody = app.nobody()?;
    let index = nobody.get("problems").await?;
    assert_eq!(index.status, 200);
    for kind in ProblemKind::ALL {
        let path = format!("/problems/{}", kind.name());
        assert!(index.text.contains(&format!("href=\"{path}\"")), "{path} is not listed");
        let page = nobody.get(&path).await?;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        let status = kind.status().as_u16().to_string();
        assert!(page.text.contains(kind.name()) && page.text.contains(&status), "{path}");
    }
    nobody.get("problems/none").await?.problem(404, "route_not_found");
    Ok(())
}

/// The types are a promise: callers branch on them. A line may be added; none may change or go.
#[test]
fn kinds_keep_their_names_and_statuses() {
    let mut kinds = String::new();
    for kind in ProblemKind::ALL {
        let (name, status) = (kind.name(), kind.status().as_u16());
        let _ = writeln!(kinds, "{status} {name}: {}", kind.title());
    }
    insta::assert_snapshot!(kinds, @r"
    401 unauthorized: A valid key is needed
    429 too_many_wrong_keys: Too many wrong keys came from this address
    403 insufficient_scope: The key lacks a scope
    403 method_forbidden: The key may not call this method
    403 address_not_allowed: The key may not be used from this address
    404 route_not_found: There is nothing at this path
    405 method_not_allowed: The path has other methods
    400 invalid_query: A query parameter is wrong
    422 invalid_body: The body can't be used
    413 body_too_large: The body is too large
    415 unsupported_media_type: The body is not JSON
    408 request_timeout: The request came too slowly
    503 overloaded: The gateway has too much to do
    503 environment_overloaded: Environment has too many requests
    403 quota_exceeded: Quota of the environment is used up
    400 account_required: The request names no account
    404 account_not_found: There is no such account
    400 ambiguous_account: More than one account fits
    409 account_needs_reauth: The account must be linked again
    409 no_refresh_token: The account has no refresh token
    429 refresh_too_soon: Tokens are too new to refresh
    409 account_disconnected: The account is disconnected
    409 no_provider_app: The environment has no app for this provider
    409 provider_app_refused: The provider refuses the environment's app
    409 provider_app_in_use: Accounts were linked through this app
    400 invalid_cursor: The cursor can't be used here
    404 not_found: There is nothing with that id
    409 already_exists: It is there already
    400 idempotency_key_invalid: The idempotency key can't be used
    422 idempotency_key_reused: The idempotency key was used for another request
    409 idempotency_key_in_flight: The first request with this key still runs
    409 idempotency_in_doubt: Nobody knows how the first request with this key ended
    409 secret_shown_once: Secret was shown once
    422 role_not_assignable: Role not assignable here
    409 step_skipped: Step not tried
    413 batch_too_large: The batch's answers are too large
    404 unknown_provider_path: The provider has no such path
    501 unsupported_by_provider: The provider can't do that
    422 provider_invalid_argument: The provider refused an argument
    404 provider_not_found: The provider does not know it
    403 provider_missing_scope: The customer's grant lacks a scope
    403 provider_forbidden: The provider does not permit it
    409 provider_conflict: The provider can't do it in the present state
    429 rate_limited: The provider's limit is used up
    502 provider_error: The provider failed
    504 provider_timeout: The provider did not answer in time
    502 provider_outcome_unknown: Outcome of the change unknown
    500 internal: Something failed on our side
    503 unavailable: The service is not ready
    ");
}
