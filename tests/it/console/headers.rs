//! Security headers of every page.

use sqlx::PgPool;
use switchboard::domain::access::Scope;

use super::pages::PAGES;
use super::signed_in;
use crate::support::ApiResponse;
use crate::sync::SyncedApp;

/// Checks that a page runs nothing but the script of this server, and that no other site may frame it.
fn check(path: &str, page: &ApiResponse) {
    let policy = page.header("content-security-policy");
    for directive in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.split("; ").any(|one| one == directive), "{path}: {directive} of {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(page.header("x-frame-options"), "DENY", "{path}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    assert_eq!(page.header("cache-control"), "no-store", "{path}");
    assert_eq!(page.header("referrer-policy"), "same-origin", "{path}");
    assert_eq!(page.header("cross-origin-opener-policy"), "same-origin", "{path}");
    for inline in [" style=", " onclick=", " onload=", "<style", "javascript:"] {
        assert!(!page.text.contains(inline), "{path} has {inline}");
    }
    let scripts = page.text.matches("<script").count();
    assert_eq!(scripts, page.text.matches("<script src=\"/console/console.js\"").count(), "{path}");
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_page_has_a_strict_policy(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, serde_json::json!({})).await?;
    synced.synced().await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    for path in PAGES {
        let path = super::pages::filled(&synced, path);
        check(&path, &session.page(&path).await?);
    }
    for (path, status) in [
        ("console/people/U404", 404),
        ("console/policies/pol_x", 404),
        ("console/directory?as_of=x", 200),
    ] {
        let page = session.client.get(path).await?;
        assert_eq!(page.status, status, "{path}: {}", page.text);
        check(path, &page);
    }
    let anonymous = synced.app.anonymous()?;
    for path in ["console/sign-in", "console/sign-in/sb_in_x"] {
        check(path, &anonymous.get(path).await?);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_preview_of_the_branding_has_no_script(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, serde_json::json!({})).await?;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let query = "name=%3Cscript%3Ealert(1)%3C/script%3E&accent_color=red;}*{x&logo_url=javascript:alert(1)&support_url=javascript:alert(1)";
    let page = session.page(&format!("console/environment/preview?{query}")).await?;
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
    for injected in ["<script", "javascript:", "red;}"] {
        assert!(!page.text.contains(injected), "{injected} in {}", page.text);
    }
    Ok(())
}
