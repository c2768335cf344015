//! Security headers of every response, and CORS: no page of another origin can read a response.

use http::Method;
use sqlx::PgPool;

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn responses_are_not_cached_framed_or_sniffed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        "https://switchboard.example".clone_into(&mut setup.config.server.public_url);
    })
    .await?;
    let api = &app.home.api;
    for path in [
        "users?limit=1",
        "integrated-accounts",
        "api-keys/nothing",
        "nothing/here",
        "openapi.json",
        "healthz",
    ] {
        let response = api.get(path).await?;
        // The document is the same for everybody.
        let cached = if path == "openapi.json" { "no-cache" } else { "no-store" };
        assert_eq!(response.header("cache-control"), cached, "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(response.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(response.header("strict-transport-security"), "max-age=31536000", "{path}");
        let policy = response.header("content-security-policy").to_owned();
        assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{path}");
    }
    for path in ["", "docs", "problems/unauthorized"] {
        let policy = app.anonymous()?.get(path).await?.header("content-security-policy").to_owned();
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-eval") && !policy.contains('*'), "{path}: {policy}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_of_other_origins_can_not_read_the_api(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("origin", "https://elsewhere.example")?;
    for path in ["users?limit=1", "proxy/api/auth.test", "integrated-accounts"] {
        let response = api.get(path).await?;
        assert_eq!(response.status, 200, "{path}");
        let allowed = response.headers.get("access-control-allow-origin");
        assert!(allowed.is_none(), "{path}: {allowed:?}");
    }
    let cors = api.with("access-control-request-method", "GET")?;
    let preflight = cors.send(Method::OPTIONS, "users", None).await?;
    preflight.problem(405, "method_not_allowed");
    assert!(preflight.headers.get("access-control-allow-origin").is_none());
    Ok(())
}
