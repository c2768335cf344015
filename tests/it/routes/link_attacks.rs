//! Attacks on the link: each is refused with a page that says why, and nothing is created.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::App;
use time::Duration;
use url::Url;

use super::link::admit;
use crate::support::{Browser, TestApp, link_url};

const APPROVE: &str = "decision=approve&install=org";

/// A customer who has approved, and the address that the provider sends the browser back to.
async fn approved(app: &TestApp, tenant: &str) -> anyhow::Result<(Browser, Url)> {
    let url = link_url(&app.home, &json!({"tenant_id": tenant})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.leave(&url).await?;
    let back = browser.decide(&consent, APPROVE).await?;
    Ok((browser, back))
}

/// A gateway whose app is registered for PKCE, at the provider and here.
async fn with_pkce(pool: PgPool) -> anyhow::Result<TestApp> {
    let app = TestApp::new(pool).await?;
    app.sandbox.register_app(App { public: true, ..App::default_app() });
    let apps = app.home.admin.get("provider-apps").await?.okay()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    let changed = app.home.admin.patch(&path, &json!({"pkce": true})).await?.okay()?;
    assert_eq!(changed.pointer("/result/pkce"), Some(&json!(true)));
    Ok(app)
}

/// The address with another value of a parameter.
fn with(url: &Url, name: &str, value: &str) -> Url {
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(other, _)| other != name).collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
    changed
}

fn parameter(url: &Url, name: &str) -> anyhow::Result<String> {
    let mut pairs = url.query_pairs();
    let found = pairs.find(|(other, _)| other == name);
    Ok(found.with_context(|| format!("{url} has no {name}"))?.1.into_owned())
}

async fn nothing_is_linked(app: &TestApp) -> anyhow::Result<()> {
    let list = app.home.api.get("integrated-accounts").await?.okay()?;
    assert_eq!(list.get("result"), Some(&json!([])));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_way_back_that_was_tampered_with_links_nobody(pool: PgPool) -> anyhow::Result<()> {
    let app = with_pkce(pool).await?;
    let (_, attackers) = approved(&app, "mallory").await?;
    let (code, state) = (parameter(&attackers, "code")?, parameter(&attackers, "state")?);
    // What is changed about the victim's way back, and what the page says.
    let rows = [
        ("the attacker's code", Some(("code", code.as_str())), 502, "provider_refused"),
        ("the attacker's state", Some(("state", state.as_str())), 400, "other_browser"),
        ("a state that nobody gave", Some(("state", "made-up")), 400, "stale_session"),
        ("no state", Some(("state", "")), 400, "stale_session"),
        ("a code that nobody gave", Some(("code", "made-up")), 502, "provider_refused"),
        ("another page's answer", Some(("error", "access_denied")), 200, "refused"),
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
        nothing_is_linked(&app).await?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_way_back_leads_to_one_account_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (mut browser, back) = approved(&app, "acme").await?;
    // Somebody who saw the address but has not the browser.
    let page = Browser::new()?.get(&back).await?;
    assert!(page.status == 400 && page.text.contains("other_browser"), "{}", page.text);
    // The state is spent by it: the customer starts over rather than finish what was seen.
    let page = browser.get(&back).await?;
    assert!(page.status == 400 && page.text.contains("stale_session"), "{}", page.text);
    nothing_is_linked(&app).await?;

    let (mut browser, back) = approved(&app, "acme").await?;
    let exchanges = app.calls("oauth.v2.access") + 1;
    for _ in 0..2 {
        assert_eq!(browser.get(&back).await?.status, 200);
        assert_eq!(app.calls("oauth.v2.access"), exchanges);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_consent_without_the_challenge_is_worth_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = with_pkce(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let mut browser = Browser::new()?;
    let consent = browser.leave(&url).await?;
    assert_eq!(parameter(&consent, "code_challenge_method")?, "S256");
    let pairs = consent.query_pairs().into_owned();
    let kept: Vec<_> = pairs.filter(|(name, _)| !name.starts_with("code_challenge")).collect();
    let mut stripped = consent.clone();
    stripped.query_pairs_mut().clear().extend_pairs(kept);
    let back = browser.decide(&stripped, APPROVE).await?;
    let page = browser.get(&back).await?;
    assert!(page.status == 502 && page.text.contains("provider_refused"), "{}", page.text);
    nothing_is_linked(&app).await?;
    let account = app.link("acme").await?;
    app.on(&account)?.get("users?limit=1").await?.okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_app_that_is_not_registered_for_pkce_sends_nothing_of_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let consent = Browser::new()?.leave(&url).await?;
    assert!(!consent.query_pairs().any(|(name, _)| name.starts_with("code_")), "{consent}");
    app.link("acme").await?;
    // One that says it were registered is told by the provider that it isn't.
    let apps = app.home.admin.get("provider-apps").await?.okay()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let path = format!("provider-apps/{id}");
    app.home.admin.patch(&path, &json!({"pkce": true})).await?.okay()?;
    let url = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    let page = Browser::new()?.follow(&url).await?;
    assert!(page.status == 502 && page.text.contains("provider_refused"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn nobody_is_sent_to_a_page_that_is_not_listed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    admit(&app, &["https://app.acme.example"]).await?;
    for address in [
        "https://evil.example/",
        "https://app.acme.example.evil.example/",
        "https://app.acme.example:8443/",
        "https://evil.example/https://app.acme.example",
        "http://localhost:3000/",
    ] {
        let wish = json!({"tenant_id": "acme", "redirect_uri": address});
        let answer = app.home.api.post("link-tokens", &wish).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), ["/redirect_uri"], "{address}");
    }
    // What the address of the page says about it is of no matter.
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let asked = with(&url, "redirect_uri", "https://evil.example/");
    let mut browser = Browser::new()?;
    let page = browser.get(&asked).await?;
    assert!(!page.text.contains("evil.example"), "{}", page.text);
    let consent = browser.leave(&asked).await?;
    assert!(parameter(&consent, "redirect_uri")?.starts_with(app.base_url.as_str()));
    let back = browser.decide(&consent, APPROVE).await?;
    assert_eq!(browser.get(&back).await?.location, None);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_listed_pages_frame_it_and_are_told(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    admit(&app, &["https://app.acme.example"]).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let evil = with(&url, "origin", "https://evil.example");
    let mut browser = Browser::new()?;
    for address in [&url, &evil] {
        let page = browser.get(address).await?;
        assert!(page.text.contains("[&quot;https://app.acme.example&quot;]"), "{}", page.text);
        assert!(!page.text.contains("evil.example"), "{}", page.text);
    }
    // The form can be sent from anywhere: what it says is held against the list once more.
    let left = browser.post(&url, "display=popup&origin=https%3A%2F%2Fevil.example").await?;
    let consent = left.location.context("no consent page")?;
    let back = browser.decide(&consent, APPROVE).await?;
    let page = browser.get(&back).await?;
    assert!(
        page.text.contains("Connected") && !page.text.contains("evil.example"),
        "{}",
        page.text
    );

    let page = app.nobody()?.get(url.path().trim_start_matches('/')).await?;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-ancestors https://app.acme.example;"), "{policy}");
    assert!(policy.contains("script-src 'self';"), "{policy}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_is_not_swapped_by_a_link(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let theirs = app.tenant("theirs").await?;
    let foreign = app.link_in(&theirs, "acme").await?;
    let wish = json!({"tenant_id": "acme", "integrated_account_id": foreign});
    app.home.api.post("link-tokens", &wish).await?.problem(404, "account_not_found");

    // A link for one tenant never touches the account of another.
    let first = app.link("acme").await?;
    let second = app.link("globex").await?;
    assert_ne!(first, second);
    let account = |list: &Value, id: &str| {
        list["result"].as_array().and_then(|rows| rows.iter().find(|row| row["id"] == id).cloned())
    };
    let list = app.home.api.get("integrated-accounts").await?.okay()?;
    assert_eq!(account(&list, &first).context("first")?["tenant_id"], "acme");
    assert_eq!(account(&list, &second).context("second")?["tenant_id"], "globex");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn spent_and_old_links_do_nothing_however_they_are_sent(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let used = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    Browser::new()?.follow(&used).await?;
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
    let list = app.home.api.get("integrated-accounts").await?.okay()?;
    assert_eq!(list["result_count"], 1);
    Ok(())
}
