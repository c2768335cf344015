//! `/link/{token}` and `/oauth/callback`, with a customer's browser.

use std::fmt::Write as _;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use url::Url;

use crate::support::{Browser, TestApp, link_url};

const APPROVE: &str = "decision=approve&install=org";

async fn accounts(app: &TestApp) -> anyhow::Result<usize> {
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    Ok(list.get("result").and_then(Value::as_array).context("no rows")?.len())
}

/// Permits pages of these origins to embed the link page.
pub(super) async fn permit_origins(app: &TestApp, origins: &[&str]) -> anyhow::Result<()> {
    let path = format!("environments/{}", app.home.environment_id);
    app.home.admin.patch(&path, &json!({"link_page": {"origins": origins}})).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_customer_who_approves_is_linked(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let body = json!({"tenant_id": "acme", "context": {"plan": "gold"}});
    let url = link_url(&app.home, &body).await?;
    let mut browser = Browser::new()?;
    let page = browser.get(&url).await?;
    assert!(page.text.contains("Connect") && page.text.contains("admin.users:read"));
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let end = browser.get(&back).await?;
    let name = app.sandbox.with_org(|org| org.name.clone());
    assert_eq!(end.status, 200);
    assert!(end.text.contains("Connected") && end.text.contains(&name), "{}", end.text);

    let list = app.home.api.get("integrated-accounts").await?.success()?;
    let account = &list["result"][0];
    let (organization, owner) = app.sandbox.with_org(|org| {
        (org.id.clone(), org.primary_owner().map(|owner| owner.id.clone()).unwrap_or_default())
    });
    assert_eq!(list["result_count"], 1);
    assert_eq!(account["tenant_id"], "acme");
    assert_eq!(account["status"], "active");
    assert_eq!(account["context"], json!({"plan": "gold"}));
    assert_eq!(account["organization"]["id"], organization);
    assert_eq!(account["installer_id"], owner);
    assert_eq!(account["missing_scopes"], json!([]));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_works_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    assert_eq!(Browser::new()?.complete_link(&url).await?.status, 200);
    let mut browser = Browser::new()?;
    for page in [browser.get(&url).await?, browser.post(&url, "").await?] {
        assert_eq!(page.status, 410);
        assert!(page.text.contains("already been used"), "{}", page.text);
    }
    assert_eq!(accounts(&app).await?, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_old_link_and_an_unknown_one_are_explained(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let body = json!({"tenant_id": "acme", "expires_in_s": 60});
    let url = link_url(&app.home, &body).await?;
    let mut browser = Browser::new()?;
    app.clock.advance(Duration::seconds(59));
    assert_eq!(browser.get(&url).await?.status, 200);
    app.clock.advance(Duration::seconds(1));
    for page in [browser.get(&url).await?, browser.post(&url, "").await?] {
        assert_eq!(page.status, 410);
        assert!(page.text.contains("expired"), "{}", page.text);
    }
    let unknown = app.base_url.join("link/sb_link_nobody-made-this")?;
    for page in [browser.get(&unknown).await?, browser.post(&unknown, "").await?] {
        assert_eq!(page.status, 404);
        assert!(page.text.contains("not found"), "{}", page.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_that_expires_during_the_consent_creates_no_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let body = json!({"tenant_id": "acme", "expires_in_s": 60});
    let url = link_url(&app.home, &body).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    app.clock.advance(Duration::minutes(10));
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let page = browser.get(&back).await?;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("expired or was already used"), "{}", page.text);
    assert_eq!(accounts(&app).await?, 0);
    assert_eq!(browser.get(&url).await?.status, 410);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_customer_who_cancels_can_start_again(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, "decision=cancel").await?;
    let page = browser.get(&back).await?;
    assert!(page.text.contains("not approved"), "{}", page.text);
    assert!(page.text.contains("access_denied"), "{}", page.text);
    assert_eq!(accounts(&app).await?, 0);
    assert_eq!(browser.complete_link(&url).await?.status, 200);
    assert_eq!(accounts(&app).await?, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_install_on_one_workspace_with_advice(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, "decision=approve&install=workspace").await?;
    let page = browser.get(&back).await?;
    assert_eq!(page.status, 409);
    assert!(page.text.contains("whole organization"), "{}", page.text);
    assert_eq!(accounts(&app).await?, 0);
    assert_eq!(browser.complete_link(&url).await?.status, 200, "the link stays good");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_browser_can_not_finish_a_link(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut victim = Browser::new()?;
    let consent = victim.start_consent(&url).await?;
    let back = victim.submit_consent(&consent, APPROVE).await?;
    let page = Browser::new()?.get(&back).await?;
    assert_eq!(page.status, 400);
    assert!(page.text.contains("Session started in another browser"), "{}", page.text);

    let mut other = Browser::new()?;
    let consent = other.start_consent(&url).await?;
    let back = other.submit_consent(&consent, APPROVE).await?;
    assert_eq!(victim.get(&back).await?.status, 400, "a cookie of an earlier session");
    assert_eq!(accounts(&app).await?, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_state_is_valid_for_one_callback(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    assert_eq!(browser.get(&back).await?.status, 200);
    let exchanges = app.calls("oauth.v2.access");
    let made_up = app.base_url.join("oauth/callback?state=made-up&code=made-up")?;
    assert_eq!(browser.get(&made_up).await?.status, 400);
    assert_eq!(app.calls("oauth.v2.access"), exchanges, "no code was tried");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_cookie_is_sent_only_to_the_callback(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let left = browser.post(&url, "").await?;
    let cookie = left.cookie.context("no cookie")?;
    for part in ["Path=/oauth", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let consent = left.location.context("no consent page")?;
    let parameters: Vec<String> = consent.query_pairs().map(|(name, _)| name.into()).collect();
    for name in ["state", "user_scope"] {
        assert!(parameters.iter().any(|one| one == name), "{name} of {consent}");
    }
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let end = browser.get(&back).await?;
    assert!(end.cookie.is_some_and(|cookie| cookie.contains("Max-Age=600")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reload_after_success_shows_success_to_the_same_browser_for_a_while(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let first = browser.get(&back).await?;
    let exchanges = app.calls("oauth.v2.access");
    app.clock.advance(Duration::minutes(9));
    for _ in 0..2 {
        let again = browser.get(&back).await?;
        assert_eq!((again.status, again.text), (200, first.text.clone()));
    }
    assert_eq!(app.calls("oauth.v2.access"), exchanges, "the code was sent again");
    let metrics = app.anonymous()?.get("metrics").await?.text;
    assert!(metrics.contains("switchboard_links_total{outcome=\"linked\"} 1"), "{metrics}");
    let stranger = Browser::new()?.get(&back).await?;
    assert!(stranger.status == 400 && stranger.text.contains("other_browser"), "{}", stranger.text);

    app.clock.advance(Duration::minutes(2));
    let late = browser.get(&back).await?;
    assert!(
        late.status == 400 && late.text.contains("expired or was already used"),
        "{}",
        late.text
    );
    assert_eq!(accounts(&app).await?, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn speculative_loads_change_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let exchanges = app.calls("oauth.v2.access");
    for (method, header, value) in [
        (Method::HEAD, "accept", "*/*"),
        (Method::GET, "sec-purpose", "prefetch"),
        (Method::GET, "sec-purpose", "prefetch;prerender"),
        (Method::GET, "purpose", "prefetch"),
        (Method::GET, "x-purpose", "preview"),
        (Method::GET, "x-moz", "prefetch"),
    ] {
        let loaded = browser.load(method, &back, header, value).await?;
        assert_eq!((loaded.text.as_str(), loaded.location), ("", None), "{header}: {value}");
        assert_eq!(loaded.cookie, None, "{header}: {value}");
        let page = browser.load(Method::GET, &url, "sec-purpose", value).await?;
        assert!(page.status == 200 || page.text.is_empty(), "{}", page.text);
    }
    assert_eq!((app.calls("oauth.v2.access"), accounts(&app).await?), (exchanges, 0));
    assert_eq!(browser.get(&back).await?.status, 200);
    assert_eq!(accounts(&app).await?, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failing_flow_leaves_another_tabs_cookie(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let one = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let two = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    let (mut first, mut second) = (Browser::new()?, Browser::new()?);
    let consent = first.start_consent(&one).await?;
    let failing = first.submit_consent(&consent, "decision=cancel").await?;
    let consent = second.start_consent(&two).await?;
    let back = second.submit_consent(&consent, APPROVE).await?;
    // Both are tabs of one browser.
    let mut browser = first.with_cookies_of(&second);
    let page = browser.get(&failing).await?;
    assert!(page.text.contains("not approved"), "{}", page.text);
    let cleared = page.cookie.context("no cookie is cleared")?;
    let name = cleared.split('=').next().context("no name")?;
    assert!(!second.has_cookie(name) && first.has_cookie(name), "{cleared}");
    assert_eq!(second.get(&back).await?.status, 200);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn over_tls_the_cookie_is_host_only(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.server.public_url = "https://switchboard.example/".to_owned();
    })
    .await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let url = app.base_url.join(url.path())?;
    let left = Browser::new()?.post(&url, "").await?;
    let cookie = left.cookie.context("no cookie")?;
    assert!(cookie.starts_with("__Host-sb_link_"), "{cookie}");
    for part in ["Path=/;", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let consent = left.location.context("no consent page")?;
    let state = consent.query_pairs().find(|(name, _)| name == "state").context("no state")?.1;
    let back = app.base_url.join(&format!("oauth/callback?state={state}&error=access_denied"))?;
    // A sibling host could set the old cookie name: it is not accepted as a session.
    let value = cookie.split(['=', ';']).nth(1).context("no value")?;
    let mut tossed = Browser::with_cookie(&format!("sb_link={value}"))?;
    let page = tossed.get(&back).await?;
    assert!(page.text.contains("other_browser"), "{}", page.text);
    // A browser that left with an earlier version can still return.
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let left = Browser::new()?.post(&app.base_url.join(url.path())?, "").await?;
    let consent = left.location.context("no consent page")?;
    let state = consent.query_pairs().find(|(name, _)| name == "state").context("no state")?.1;
    let again = app.base_url.join(&format!("oauth/callback?state={state}&error=access_denied"))?;
    let earlier = "an-earlier-secret";
    let digest = switchboard::domain::sealed::Digest::of(earlier).0.to_vec();
    sqlx::query("update link_tokens set browser_digest = $1")
        .bind(digest)
        .execute(&app.pool)
        .await?;
    let mut returning = Browser::with_cookie(&format!("sb_link={earlier}.sb_link_x"))?;
    let page = returning.get(&again).await?;
    assert!(page.text.contains("not approved"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn redirects_the_customer_to_the_saas_with_the_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = "https://saas.example/done?step=3";
    permit_origins(&app, &["https://saas.example"]).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme", "redirect_uri": home})).await?;
    let end = Browser::new()?.complete_link(&url).await?;
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    let id = list["result"][0]["id"].as_str().context("no account")?;
    let expected = format!("{home}&result=success&integrated_account_id={id}");
    assert_eq!(end.location, Some(Url::parse(&expected)?));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn linking_again_preserves_the_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let named = json!({"tenant_id": "acme", "integrated_account_id": id});
    for body in [json!({"tenant_id": "acme"}), named] {
        let url = link_url(&app.home, &body).await?;
        assert_eq!(Browser::new()?.complete_link(&url).await?.status, 200);
    }
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(list["result_count"], 1);
    assert_eq!(list["result"][0]["id"], id);
    app.client_for(&id)?.get("users?limit=1").await?.success()?;
    assert_ne!(app.link("globex").await?, id, "another tenant has an account of its own");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_relink_an_account_of_another_tenant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let id = app.link("acme").await?;
    let body = json!({"tenant_id": "globex", "integrated_account_id": id});
    app.home.api.post("link-tokens", &body).await?.problem(404, "account_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_a_failed_code_exchange(pool: PgPool) -> anyhow::Result<()> {
    use switchboard::sandbox::{Fault, FaultKind};

    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::ServerError, 1));
    let page = Browser::new()?.complete_link(&url).await?;
    assert_eq!(page.status, 502);
    assert_eq!(Browser::new()?.complete_link(&url).await?.status, 200, "the link stays good");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_secret_is_stored_in_plain_text(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.linked_client().await?;
    let waiting = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    Browser::new()?.start_consent(&waiting).await?;
    let token = waiting.path().trim_start_matches("/link/").to_owned();
    let secrets = ["xox", switchboard::sandbox::DEFAULT_CLIENT_SECRET, "sb_live_", &token];
    let tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
            where table_schema = 'public' and table_type = 'BASE TABLE'",
    )
    .fetch_all(&app.pool)
    .await?;
    let mut rows = 0;
    for table in &tables {
        // Binary columns are hexadecimal digits.
        let dump = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
        let dump: String =
            sqlx::query_scalar(sqlx::AssertSqlSafe(dump)).fetch_one(&app.pool).await?;
        rows += usize::from(!dump.is_empty());
        for secret in secrets {
            let mut hex = String::new();
            for byte in secret.bytes() {
                write!(hex, "{byte:02x}")?;
            }
            assert!(!dump.contains(secret), "{table} holds {secret}");
            assert!(!dump.contains(&hex), "{table} holds {secret} as bytes");
        }
    }
    assert!(rows > 6, "most tables have a row: {tables:?}");
    Ok(())
}
