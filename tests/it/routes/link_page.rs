//! How the link page looks, and how its end is told.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use url::Url;

use crate::support::{Browser, TestApp, link_url};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_page_is_the_environments(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let path = format!("environments/{}", app.home.environment_id);
    let page = json!({
        "name": "Acme <HR>", "logo_url": "https://acme.example/logo.svg", "accent_color": "#7a3cff",
        "headline": "Bring your people", "introduction": "Acme keeps <your> people in step.",
        "support_url": "mailto:help@acme.example", "origins": ["https://app.acme.example"],
    });
    let changed = app.home.admin.patch(&path, &json!({"link_page": page})).await?.okay()?;
    assert_eq!(changed["result"]["link_page"], page);
    assert_eq!(app.home.api.get(&path).await?.okay()?["result"]["link_page"], page);
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
async fn looks_that_can_not_be_shown_are_refused(pool: PgPool) -> anyhow::Result<()> {
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
        let answer = app.home.admin.patch(&path, &json!({"link_page": page})).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), [pointer], "{page}");
    }
    Ok(())
}

/// What the page's status is to a web page, and the origin that may read it.
async fn status(app: &TestApp, url: &Url, origin: &str) -> anyhow::Result<(Value, String)> {
    let path = format!("{}/status", url.path().trim_start_matches('/'));
    let answer = app.nobody()?.with("origin", origin)?.get(&path).await?;
    let allowed = answer.header("access-control-allow-origin").to_owned();
    Ok((answer.body, allowed))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn its_progress_is_told_to_pages_that_may_know(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let home = "http://localhost:5173";
    let open = (json!({"status": "open"}), home.to_owned());
    assert_eq!(status(&app, &url, home).await?, open);
    let (_, foreign) = status(&app, &url, "https://evil.example").await?;
    assert_eq!(foreign, "");

    let mut browser = Browser::new()?;
    let consent = browser.leave(&url).await?;
    assert_eq!(status(&app, &url, home).await?.0["status"], "under_way");
    let back = browser.decide(&consent, "decision=approve&install=workspace").await?;
    let page = browser.get(&back).await?;
    assert!(page.text.contains("Try again") && page.text.contains(url.path()), "{}", page.text);
    let failed = json!({"status": "failed", "code": "not_organization_wide"});
    assert_eq!(status(&app, &url, home).await?.0, failed);

    browser.follow(&url).await?;
    let (linked, _) = status(&app, &url, home).await?;
    let list = app.home.api.get("integrated-accounts").await?.okay()?;
    let expected = json!({"status": "linked", "provider": "slack_enterprise", "missing_scopes": [],
        "integrated_account_id": list["result"][0]["id"]});
    assert_eq!(linked, expected);
    let unknown = app.base_url.join("link/sb_link_made-up")?;
    assert_eq!(status(&app, &unknown, home).await?.0, json!({"status": "unknown"}));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_token_is_tried_before_it_is_kept(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    app.sandbox.add_fault(Fault::next("auth.test", FaultKind::ServerError, 1));
    let page = Browser::new()?.follow(&url).await?;
    assert_eq!(page.status, 502);
    assert!(page.text.contains("provider_unavailable"), "{}", page.text);
    let list = app.home.api.get("integrated-accounts").await?.okay()?;
    assert_eq!(list["result"], json!([]));
    assert_eq!(Browser::new()?.follow(&url).await?.status, 200, "the link stays good");
    assert_eq!(app.calls("auth.test"), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_customer_who_comes_from_a_web_page_gets_back_to_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = "http://localhost:5173/done";
    let wish = json!({"tenant_id": "acme", "redirect_uri": home});
    let url = link_url(&app.home, &wish).await?;
    let mut browser = Browser::new()?;
    let page = browser.get(&url).await?;
    assert!(page.text.contains("http://localhost:5173/done?result=closed"), "{}", page.text);
    let consent = browser.leave(&url).await?;
    let back = browser.decide(&consent, "decision=cancel").await?;
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
    let script = app.nobody()?.get("sdk/link.js").await?;
    assert_eq!(script.header("access-control-allow-origin"), "*");
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    assert!(script.text.len() < 10_000, "{} bytes", script.text.len());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_database_the_page_says_so(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let url = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    app.pool.close().await;
    let mut browser = Browser::new()?;
    for page in [browser.get(&url).await?, browser.post(&url, "").await?] {
        assert_eq!(page.status, 503, "{}", page.text);
        assert!(page.text.contains("Not available at the moment"), "{}", page.text);
        assert!(page.text.contains("Open your link again in a minute"), "{}", page.text);
    }
    Ok(())
}
