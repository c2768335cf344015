//! A caller may name a tenant and a provider instead of an account: that is cached too, and never
//! stale.

use serde_json::json;
use sqlx::PgPool;

use super::{connection_uses, eventually, fill_cache, is_unused};
use crate::support::{Client, TestApp};

fn of(tenant: &str) -> String {
    format!("users?limit=1&provider=slack_enterprise&tenant_id={tenant}")
}

async fn status(api: &Client, tenant: &str) -> anyhow::Result<u16> {
    Ok(api.get(&of(tenant)).await?.status)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_cached_call_by_tenant_does_not_query_the_database(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let (known, unknown) = (of("acme"), of("nobody"));
    let paths = [known.as_str(), unknown.as_str()];
    fill_cache(&app, &app.home.api, &paths).await?;
    let mut connection = app.pool.acquire().await?;
    let before = connection_uses(&mut connection).await?;
    for _ in 0..10 {
        app.home.api.get(&known).await?.success()?;
        assert_eq!(app.home.api.get(&unknown).await?.status, 404);
    }
    let after = connection_uses(&mut connection).await?;
    assert!(is_unused(&before, &after), "{before:?} {after:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_moved_account_is_found_by_its_tenant_immediately(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (api, admin) = (&app.home.api, &app.home.admin);
    let path = format!("integrated-accounts/{account}");
    for (from, to) in [("acme", "a%20b"), ("a%20b", "acme")] {
        assert_eq!((status(api, from).await?, status(api, to).await?), (200, 404));
        let moved = json!({"tenant_id": to.replace("%20", " ")});
        admin.patch(&path, &moved).await?.success()?;
        assert_eq!((status(api, from).await?, status(api, to).await?), (404, 200));
    }
    admin.delete(&path).await?.success()?;
    assert_eq!(status(api, "acme").await?, 404);
    app.link("acme").await?;
    assert_eq!(status(api, "acme").await?, 200);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_to_a_tenants_accounts_arrive_within_a_second(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    app.link("globex").await?;
    let other = app.second_gateway(&app.config).await?.0;
    let there = app.home.admin.clone().at(other);
    let api = &app.home.api;
    let paths = [of("acme"), of("globex"), of("late")];
    fill_cache(&app, api, &paths.each_ref().map(String::as_str)).await?;

    let path = format!("integrated-accounts/{account}");
    there.patch(&path, &json!({"tenant_id": "late"})).await?.success()?;
    eventually(api, &of("late"), |status, _| status == 200).await?;
    eventually(api, &of("acme"), |status, _| status == 404).await?;

    // Another organization's, so that it may have the same tenant. The name has the maximum length.
    let long = "t".repeat(5_000);
    for tenant in ["globex", long.as_str()] {
        sqlx::query(
            "update integrated_accounts set organization_id = 'E2', tenant_id = $2
             where integrated_account_id = $1",
        )
        .bind(&account)
        .bind(tenant)
        .execute(&app.pool)
        .await?;
        let expected = if tenant == "globex" { 400 } else { 200 };
        eventually(api, &of("globex"), |status, _| status == expected).await?;
        eventually(api, &of("late"), |status, _| status == 404).await?;
    }
    there.delete(&path).await?.success()?;
    sqlx::query("update integrated_accounts set status = 'disconnected'")
        .execute(&app.pool)
        .await?;
    eventually(api, &of("globex"), |status, _| status == 404).await
}
