//! No wait is unbounded: `wait` bounds everything a caller waits for, and every response has limits.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use url::form_urlencoded::Serializer;

use crate::support::{Browser, Script, TestApp, link_url};

/// Longer than a loaded machine adds to any of these waits.
const MARGIN: Duration = Duration::from_secs(8);

fn advance_clocks(app: &TestApp, hours: i64) {
    app.clock.advance(time::Duration::hours(hours));
    app.sandbox.advance_clock(time::Duration::hours(hours));
}

fn trickle(content_type: &'static str, length: Option<usize>) -> Script {
    Script::Trickle { content_type, every: Duration::from_millis(20), length }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unresponsive_token_endpoint_blocks_no_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url).with("prefer", "wait=1")?;
    advance_clocks(&app, 13);
    provider.set("/api/oauth.v2.access", Script::Hang);
    let refresh = format!("integrated-accounts/{account}/refresh");
    let began = Instant::now();
    let body = json!({"email": "a@b.example"});
    let (list, raw, write, refreshed) = tokio::join!(
        api.get("users?limit=1"),
        api.get("proxy/api/auth.test"),
        api.post("users", &body),
        api.send(Method::POST, &refresh, None),
    );
    for response in [list?, raw?, write?, refreshed?] {
        response.api_error(504, "provider_timeout");
        assert_eq!(response.header("retry-after"), "1", "{}", response.text);
    }
    assert!(began.elapsed() < Duration::from_secs(1) + MARGIN, "{:?}", began.elapsed());
    assert_eq!(provider.calls("/api/oauth.v2.access"), 1, "all wait for one refresh");
    assert_eq!(provider.calls("/api/admin.users.list"), 0, "no other call was sent");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_wait_bounds_retries_and_pauses(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) =
        app.through_fault_proxy(|config| config.upstream.response_timeout_s = 0.3).await?;
    let api = app.client_for(&account)?.at(url);
    let hasty = api.clone().with("prefer", "wait=0")?;
    let path = "/api/admin.teams.list";
    for (script, status, kind) in [
        (Script::Hang, 504, "provider_timeout"),
        (Script::Respond { status: 500, headers: vec![], body: "" }, 502, "provider_error"),
    ] {
        provider.set(path, script);
        let before = provider.calls(path);
        hasty.get("workspaces?limit=1").await?.problem(status, kind);
        assert_eq!(provider.calls(path) - before, 1, "{kind}: one attempt needs no wait");
        let before = provider.calls(path);
        api.get("workspaces?limit=1").await?.problem(status, kind);
        assert_eq!(provider.calls(path) - before, 4, "{kind}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn ends_a_response_that_trickles(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, provider) = app
        .through_fault_proxy(|config| {
            config.upstream.whole_response_timeout_s = 0.3;
            config.upstream.response_timeout_s = 0.9;
        })
        .await?;
    let api = app.client_for(&account)?.at(url).with("prefer", "wait=0")?;
    let began = Instant::now();
    for path in ["/api/admin.users.list", "/scim/v2/Groups", "/api/users.list"] {
        provider.set(path, trickle("application/json", None));
    }
    for path in [
        "users?limit=1",
        "groups?limit=1",
        "proxy/api/users.list",
        "proxy/api/users.list?paginate=true",
    ] {
        let failed = api.get(path).await?;
        failed.api_error(504, "provider_timeout");
    }
    assert!(began.elapsed() < Duration::from_secs(4) + MARGIN, "{:?}", began.elapsed());

    // A response that is passed on unread may take longer than both limits as long as bytes arrive.
    let began = Instant::now();
    provider.set("/api/users.list", trickle("text/plain", Some(50)));
    let raw = api.open(Method::GET, "proxy/api/users.list", None).await?;
    assert_eq!(raw.bytes().await?.len(), 50);
    assert!(began.elapsed() > Duration::from_secs(1));
    // It ends when they don't.
    let silent = Script::Trickle {
        content_type: "text/plain",
        every: Duration::from_hours(1),
        length: None,
    };
    provider.set("/api/users.list", silent);
    let raw = api.open(Method::GET, "proxy/api/users.list", None).await?;
    let rest = tokio::time::timeout(MARGIN, raw.bytes_stream().next()).await?;
    assert!(rest.context("a whole body")?.is_err(), "it breaks off");

    provider.clear();
    provider.set("/api/oauth.v2.access", trickle("application/json", None));
    advance_clocks(&app, 13);
    let began = Instant::now();
    let patient = api.with("prefer", "wait=60")?;
    let lost = patient.get("users?limit=1").await?;
    let problem = lost.problem(502, "provider_error");
    assert_eq!(problem.pointer("/provider/error"), Some(&"provider_timeout".into()), "{problem}");
    assert!(began.elapsed() < Duration::from_secs(4) + MARGIN, "{:?}", began.elapsed());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_check_that_trickles_blocks_no_form(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.upstream.response_timeout_s = 0.3;
    })
    .await?;
    let (_, provider) = app.through_fault_proxy(|_| {}).await?;
    let link = link_url(&app.home, &json!({"tenant_id": "acme", "provider": "scim"})).await?;
    for script in [trickle("application/scim+json", None), Script::Hang] {
        provider.set("/scim/v2", script);
        let base_url = format!("{}/scim/v2", provider.url);
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("provider", "scim"), ("base_url", &*base_url), ("token", "x")]);
        let began = Instant::now();
        let page = Browser::new()?.post(&link, &form.finish()).await?;
        assert_eq!(page.status, 422, "{}", page.text);
        assert!(began.elapsed() < MARGIN, "{:?}", began.elapsed());
    }
    Ok(())
}
