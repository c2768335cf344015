//! The link page's branding, and how its result is reported.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use url::Url;

use crate::support::{Browser, TestApp, link_url};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_page_has_the_environments_branding(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let path = format!("environments/{}", app.home.environment_id);
    let page = json!({
        "name": "Acme <HR>", "logo_url": "https://acme.example/logo.svg", "accent_color": "#7a3cff",
        "headline": "Bring your people", "introduction": "Acme keeps <your> people in step.",
        "support_url": "mailto:help@acme.example", "origins": ["https://app.acme.example"],
    });
    let changed = app.home.admin.patch(&path, &json!({"link_page": page})).await?.success()?;
    assert_eq!(changed["result"]["link_page"], page);
    assert_eq!(app.home.api.get(&path).await?.success()?["result"]["link_page"], page);
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let shown = Browser::new()?.get(&url).await?.text;
    for part in [
        "Acme &lt;HR&gt;",
        "https://acme.example/logo.svg",
        "--button: #7a3cff",
        "Bring your people",
        "Acme keeps &lt;your&gt; people in step.",
        "mailto:help@acme.example",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("<HR>") && !shown.contains("<your>"), "{shown}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_invalid_branding(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let path = format!("environments/{}", app.home.environment_id);
    for (page, pointer) in [
        (json!({"name": ""}), "/link_page/name"),
        (json!({"logo_url": "javascript:alert(1)"}), "/link_page/logo_url"),
        (json!({"accent_color": "#fff;} body {"}), "/link_page/accent_color"),
        (json!({"support_url": "javascript:alert(1)"}), "/link_page/support_url"),
        (json!({"origins": ["https://a.example; script-src *"]}), "/link_page/origins/0"),
        (json!({"origins": ["https://*.a.example"]}), "/link_page/origins/0"),
        (json!({"origins": ["*"]}), "/link_page/origins/0"),
    ] {
        let response = app.home.admin.patch(&path, &json!({"link_page": page})).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{page}");
    }
    Ok(())
}

/// Returns the page's status as a web page sees it, and the origin that may read it.
async fn status(app: &TestApp, url: &Url, origin: &str) -> anyhow::Result<(Value, String)> {
    let path = format!("{}/status", url.path().trim_start_matches('/'));
    let response = app.anonymous()?.with("origin", origin)?.get(&path).await?;
    let allowed = response.header("access-control-allow-origin").to_owned();
    Ok((response.body, allowed))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_its_status_to_permitted_origins(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let home = "http://localhost:5173";
    let open = (json!({"status": "pending"}), home.to_owned());
    assert_eq!(status(&app, &url, home).await?, open);
    let (_, foreign) = status(&app, &url, "https://evil.example").await?;
    assert_eq!(foreign, "");

    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    assert_eq!(status(&app, &url, home).await?.0["status"], "in_progress");
    let back = browser.submit_consent(&consent, "decision=approve&install=workspace").await?;
    let page = browser.get(&back).await?;
    assert!(page.text.contains("Try again") && page.text.contains(url.path()), "{}", page.text);
    assert!(page.text.contains("Approved for one workspace only"), "{}", page.text);
    let failed = json!({"status": "failed", "code": "not_organization_wide"});
    assert_eq!(status(&app, &url, home).await?.0, failed);

    browser.complete_link(&url).await?;
    let (linked, _) = status(&app, &url, home).await?;
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    let expected = json!({"status": "linked", "provider": "slack_enterprise", "missing_scopes": [],
        "integrated_account_id": list["result"][0]["id"]});
    assert_eq!(linked, expected);
    let unknown = app.base_url.join("link/sb_link_made-up")?;
    assert_eq!(status(&app, &unknown, home).await?.0, json!({"status": "unknown"}));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn verifies_a_new_token_before_storing_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    app.sandbox.add_fault(Fault::for_next_calls("auth.test", FaultKind::ServerError, 1));
    let page = Browser::new()?.complete_link(&url).await?;
    assert_eq!(page.status, 502);
    assert!(page.text.contains("provider_unavailable"), "{}", page.text);
    let list = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(list["result"], json!([]));
    assert_eq!(Browser::new()?.complete_link(&url).await?.status, 200, "the link stays good");
    assert_eq!(app.calls("auth.test"), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn returns_the_customer_to_the_embedding_page(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = "http://localhost:5173/done";
    let body = json!({"tenant_id": "acme", "redirect_uri": home});
    let url = link_url(&app.home, &body).await?;
    let mut browser = Browser::new()?;
    let page = browser.get(&url).await?;
    assert!(page.text.contains("http://localhost:5173/done?result=closed"), "{}", page.text);
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, "decision=cancel").await?;
    let page = browser.get(&back).await?;
    let expected = "http://localhost:5173/done?result=error&amp;error=refused";
    assert!(page.text.contains(expected), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_scripts_are_small_and_can_be_imported_from_anywhere(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let script = app.anonymous()?.get("sdk/link.js").await?;
    assert_eq!(script.header("access-control-allow-origin"), "*");
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.text.len() < 10_000, "{} bytes", script.text.len());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_unavailable_database_on_the_page(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    app.pool.close().await;
    let mut browser = Browser::new()?;
    for page in [browser.get(&url).await?, browser.post(&url, "").await?] {
        assert_eq!(page.status, 503, "{}", page.text);
        assert!(page.text.contains("Temporarily unavailable"), "{}", page.text);
        assert!(page.text.contains("Open your link again in a minute"), "{}", page.text);
    }
    Ok(())
}

#[test]
fn the_types_of_the_sdk_have_every_code_of_a_failed_link() -> anyhow::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let errors = std::fs::read_to_string(root.join("src/link/error.rs"))?;
    let (_, code) = errors.split_once("pub fn code(&self)").context("no codes")?;
    let (code, _) = code.split_once("\n    }\n").context("no end")?;
    let types = std::fs::read_to_string(root.join("web/sdk/link.d.ts"))?;
    let codes: Vec<&str> = code.split('"').skip(1).step_by(2).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let absent: Vec<_> =
        codes.iter().filter(|code| !types.contains(&format!("\"{code}\""))).collect();
    assert!(absent.is_empty(), "{absent:?}");
    Ok(())
}
