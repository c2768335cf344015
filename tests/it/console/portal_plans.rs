//! Plans in the hosted directory view, and its pages after the end of a session.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use time::Duration;

use super::portal::{link, open, visit};
use super::{cookie, csrf, send};
use crate::reconcile::planned::Organization;
use crate::support::ApiResponse;
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_visitor_approves_plans_with_the_permission(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let organization = Organization::of(synced).await?;
    let synced = &organization.synced;
    let email = organization.members().await?.into_keys().next().context("no member")?;
    let desired = json!({"users": [{"email": email, "status": "active", "title": "Clerk"}]});
    let plan = organization.plan(&desired, &json!({"name": "From the product"})).await?;
    let id = plan["id"].as_str().context("no id")?;
    let path = format!("portal/reconciliations/{id}");
    let hash = plan["hash"].as_str().context("no hash")?;
    let apply = format!("{path}/apply");

    let without = visit(synced, json!(["sync"]), json!(["apply"])).await?;
    for page in ["portal/reconciliations", &path, &format!("{path}/live")] {
        assert_eq!(without.get(page).await?.status, 403, "{page}");
    }
    let token = csrf(&without.get("portal/syncs").await?)?;
    let fields = [("csrf", token.as_str()), ("hash", hash)];
    assert_eq!(send(&without, &apply, &fields).await?.status, 403);

    let reader = visit(synced, json!(["reconciliation"]), json!(["read"])).await?;
    let list = reader.get("portal/reconciliations").await?;
    assert!(list.text.contains("From the product"), "{}", list.text);
    assert!(!list.text.contains("New reconciliation"), "{}", list.text);
    let page = reader.get(&path).await?;
    assert!(page.status == 200 && !page.text.contains("Approve and apply…"), "{}", page.text);
    assert!(!page.text.contains("/people/"), "no links to other views: {}", page.text);
    let token = csrf(&page)?;
    let fields = [("csrf", token.as_str()), ("hash", hash)];
    assert_eq!(send(&reader, &apply, &fields).await?.status, 403);

    let approver = visit(synced, json!(["reconciliation"]), json!(["apply"])).await?;
    let page = approver.get(&path).await?;
    assert!(page.text.contains("Approve and apply…"), "{}", page.text);
    let token = csrf(&page)?;
    assert_eq!(send(&approver, &apply, &[("hash", hash)]).await?.status, 403, "no token");
    let sent = send(&approver, &apply, &[("csrf", &token), ("hash", hash)]).await?;
    assert_eq!(sent.status, 303, "{}", sent.text);
    synced.work().await?;
    let read = organization.read(id).await?;
    assert_eq!(read["status"], "applied", "{read}");
    assert!(read["applied_by"].as_str().unwrap_or_default().starts_with("plk_"), "{read}");
    let inverse = send(&approver, &format!("{path}/inverse"), &[("csrf", &token)]).await?;
    assert_eq!(inverse.header("location").split('?').next(), Some("/portal/reconciliations"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_page_after_the_end_has_the_branding(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let app = &synced.app;
    let page = json!({"link_page": {"name": "Acme HR", "origins": ["https://app.acme.example"]}});
    let environment = app.home.environment_id;
    app.home.admin.patch(&format!("environments/{environment}"), &page).await?.success()?;
    let is_branded = |page: &ApiResponse| {
        let policy = page.header("content-security-policy");
        page.text.contains("Acme HR")
            && policy.ends_with("frame-ancestors https://app.acme.example")
    };
    let body = json!({"integrated_account_id": synced.account, "views": ["directory"]});
    let path = link(&app.home.api, &body).await?;
    let (client, opened) = open(app, &path).await?;
    let session = client.with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))?;
    let used = app.anonymous()?.get(&path).await?;
    assert!(used.status == 410 && is_branded(&used), "{}", used.text);
    let other = visit(&synced, json!(["directory"]), json!([])).await?;
    let token = csrf(&other.get("portal/directory").await?)?;
    let ended = send(&other, "portal/end", &[("csrf", &token)]).await?;
    assert!(ended.status == 200 && is_branded(&ended), "{}", ended.text);
    app.clock.advance(Duration::minutes(61));
    let expired = session.get("portal/directory").await?;
    assert!(expired.status == 401 && is_branded(&expired), "{}", expired.text);
    let unknown = app.anonymous()?.get("portal/directory").await?;
    assert!(unknown.status == 401 && !unknown.text.contains("Acme"), "{}", unknown.text);
    Ok(())
}
