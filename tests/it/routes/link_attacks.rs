//! Attacks on the link flow: each is rejected with a page that says why, and nothing is created.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::SlackApp;
use time::Duration;
use url::Url;

use super::link::permit_origins;
use crate::support::{Browser, TestApp, link_url};

const APPROVE: &str = "decision=approve&install=org";

/// Returns a customer that has approved, and the callback URL that the provider redirects to.
async fn approved(app: &TestApp, tenant: &str) -> anyhow::Result<(Browser, Url)> {
    let url = link_url(&app.home, &json!({"tenant_id": tenant})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    Ok((browser, back))
}

/// Starts a gateway whose app uses PKCE, at the provider and here.
async fn with_pkce(pool: PgPool) -> anyhow::Result<TestApp> {
    let app = TestApp::new(pool).await?;
    app.sandbox.register_app(SlackApp { public: true, ..SlackApp::default_app() });
    let apps = app.home.admin.get("provider-apps").await?.success()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    let changed = app.home.admin.patch(&path, &json!({"pkce": true})).await?.success()?;
    assert_eq!(changed.pointer("/result/pkce"), Some(&json!(true)));
    Ok(app)
}

/// Returns the URL with another value of a parameter.
fn with(url: &Url, name: &str, value: &str) -> Url {
    let stored: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(stored).append_pair(name, value);
    changed
}

fn parameter(url: &Url, name: &str) -> anyhow::Result<String> {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(other, _)| other == name);
    Ok(found.with_context(|| format!("{url} has no {name}"))?.1.into_owned())
}

async fn no_account_is_linked(app: &TestApp) -> anyhow::Result<()> {
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(list.get("result"), Some(&json!([])));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_tampered_callback_creates_no_account(pool: PgPool) -> anyhow::Result<()> {
    let app = with_pkce(pool).await?;
    let (_, attackers) = approved(&app, "mallory").await?;
    let (code, state) = (parameter(&attackers, "code")?, parameter(&attackers, "state")?);
    // What is changed in the victim's callback, and the text of the page.
    let rows = [
        ("the attacker's code", Some(("code", code.as_str())), 502, "provider_refused"),
        ("the attacker's state", Some(("state", state.as_str())), 400, "other_browser"),
        ("a state that was never issued", Some(("state", "made-up")), 400, "stale_session"),
        ("no state", Some(("state", "")), 400, "stale_session"),
        ("a code that was never issued", Some(("code", "made-up")), 502, "provider_refused"),
        ("another page's response", Some(("error", "access_denied")), 200, "refused"),
    ];
    for (attack, change, status, code) in rows {
        let (mut victim, back) = approved(&app, "acme").await?;
        let (name, value) = change.context("a change")?;
        let mut changed = with(&back, name, value);
        if name == "error" {
            changed.set_query(Some(&format!("error={value}&state={}", parameter(&back, "state")?)));
        }
        let page = victim.get(&changed).await?;
        assert_eq!(page.status, status, "{attack}: {}", page.text);
        assert!(page.text.contains(code), "{attack}: {}", page.text);
        assert_eq!(page.location, None, "{attack}");
        no_account_is_linked(&app).await?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_callback_creates_one_account_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (mut browser, back) = approved(&app, "acme").await?;
    // An attacker who saw the URL but does not have the browser.
    let page = Browser::new()?.get(&back).await?;
    assert!(page.status == 400 && page.text.contains("other_browser"), "{}", page.text);
    // The state is consumed: the customer starts over instead of completing a flow that was observed.
    let page = browser.get(&back).await?;
    assert!(page.status == 400 && page.text.contains("stale_session"), "{}", page.text);
    no_account_is_linked(&app).await?;

    let (mut browser, back) = approved(&app, "acme").await?;
    let exchanges = app.calls("oauth.v2.access") + 1;
    for _ in 0..2 {
        assert_eq!(browser.get(&back).await?.status, 200);
        assert_eq!(app.calls("oauth.v2.access"), exchanges);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_code_without_the_pkce_challenge_is_rejected(pool: PgPool) -> anyhow::Result<()> {
    let app = with_pkce(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    assert_eq!(parameter(&consent, "code_challenge_method")?, "S256");
    let pairs = consent.query_pairs().into_owned();
    let stored: Vec<_> = pairs.filter(|(name, _)| !name.starts_with("code_challenge")).collect();
    let mut stripped = consent.clone();
    stripped.query_pairs_mut().clear().extend_pairs(stored);
    let back = browser.submit_consent(&stripped, APPROVE).await?;
    let page = browser.get(&back).await?;
    assert!(page.status == 502 && page.text.contains("provider_refused"), "{}", page.text);
    no_account_is_linked(&app).await?;
    let account = app.link("acme").await?;
    app.client_for(&account)?.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_app_without_pkce_sends_no_challenge(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let consent = Browser::new()?.start_consent(&url).await?;
    assert!(!consent.query_pairs().any(|(name, _)| name.starts_with("code_")), "{consent}");
    app.link("acme").await?;
    // If it claims to be registered, the provider rejects it.
    let apps = app.home.admin.get("provider-apps").await?.success()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    app.home.admin.patch(&path, &json!({"pkce": true})).await?.success()?;
    let url = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    let page = Browser::new()?.complete_link(&url).await?;
    assert!(page.status == 502 && page.text.contains("provider_refused"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn redirects_only_to_listed_pages(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    permit_origins(&app, &["https://app.acme.example"]).await?;
    for address in [
        "https://evil.example/",
        "https://app.acme.example.evil.example/",
        "https://app.acme.example:8443/",
        "https://evil.example/https://app.acme.example",
        "http://localhost:3000/",
    ] {
        let body = json!({"tenant_id": "acme", "redirect_uri": address});
        let response = app.home.api.post("link-tokens", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), ["/redirect_uri"], "{address}");
    }
    // The query of the page's URL is irrelevant.
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let called = with(&url, "redirect_uri", "https://evil.example/");
    let mut browser = Browser::new()?;
    let page = browser.get(&called).await?;
    assert!(!page.text.contains("evil.example"), "{}", page.text);
    let consent = browser.start_consent(&called).await?;
    assert!(parameter(&consent, "redirect_uri")?.starts_with(app.base_url.as_str()));
    let back = browser.submit_consent(&consent, APPROVE).await?;
    assert_eq!(browser.get(&back).await?.location, None);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_listed_pages_may_embed_it_and_receive_the_result(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    permit_origins(&app, &["https://app.acme.example"]).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let evil = with(&url, "origin", "https://evil.example");
    let mut browser = Browser::new()?;
    for address in [&url, &evil] {
        let page = browser.get(address).await?;
        assert!(page.text.contains("[&quot;https://app.acme.example&quot;]"), "{}", page.text);
        assert!(!page.text.contains("evil.example"), "{}", page.text);
    }
    // The form can be sent from any page: its value is checked against the list again.
    let left = browser.post(&url, "display=popup&origin=https%3A%2F%2Fevil.example").await?;
    let consent = left.location.context("no consent page")?;
    let back = browser.submit_consent(&consent, APPROVE).await?;
    let page = browser.get(&back).await?;
    assert!(
        page.text.contains("Connected") && !page.text.contains("evil.example"),
        "{}",
        page.text
    );

    let page = app.anonymous()?.get(url.path().trim_start_matches('/')).await?;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors https://app.acme.example;"), "{policy}");
    assert!(policy.contains("script-src 'self';"), "{policy}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_does_not_replace_the_organization_of_an_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let theirs = app.tenant("theirs").await?;
    let foreign = app.link_in(&theirs, "acme").await?;
    let body = json!({"tenant_id": "acme", "integrated_account_id": foreign});
    app.home.api.post("link-tokens", &body).await?.problem(404, "account_not_found");

    // A link for one tenant never affects the account of another.
    let first = app.link("acme").await?;
    let second = app.link("globex").await?;
    assert_ne!(first, second);
    let account = |list: &Value, id: &str| {
        list["result"].as_array().and_then(|rows| rows.iter().find(|row| row["id"] == id).cloned())
    };
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(account(&list, &first).context("first")?["tenant_id"], "acme");
    assert_eq!(account(&list, &second).context("second")?["tenant_id"], "globex");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn used_and_expired_links_have_no_effect(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let used = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    Browser::new()?.complete_link(&used).await?;
    let old = link_url(&app.home, &json!({"tenant_id": "globex", "expires_in_s": 60})).await?;
    app.clock.advance(Duration::hours(1));
    let unknown = app.base_url.join("link/sb_link_made-up")?;
    for (url, status, code) in
        [(used, 410, "used"), (old, 410, "expired"), (unknown, 404, "unknown_link")]
    {
        let mut browser = Browser::new()?;
        let theirs = app.base_url.join(&format!(
            "connect-account?link_token={}",
            url.path().trim_start_matches("/link/")
        ))?;
        for page in
            [browser.get(&url).await?, browser.post(&url, "").await?, browser.get(&theirs).await?]
        {
            assert_eq!(page.status, status, "{}", page.text);
            assert!(page.text.contains(code), "{}", page.text);
            assert_eq!((page.location, page.cookie), (None, None));
        }
    }
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(list["result_count"], 1);
    Ok(())
}
