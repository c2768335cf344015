//! Rows that expired long ago are deleted, and no others; two purges of the audit log can run concurrently.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;

use crate::support::TestApp;

async fn count(pool: &PgPool, from: &str) -> anyhow::Result<i64> {
    let query = format!("select count(*) from {from}");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(pool).await?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn purges_expired_tokens_with_their_last_use(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let secret = |issued: &serde_json::Value| {
        issued.pointer("/result/token").and_then(|it| it.as_str()).unwrap_or_default().to_owned()
    };
    let id = |issued: &serde_json::Value| {
        issued.pointer("/result/id").and_then(|it| it.as_str()).unwrap_or_default().to_owned()
    };
    let hour = json!({"expires_in_s": 3600});
    let expired = admin.post(&tokens, &hour).await?.created()?;
    let revoked = admin.post(&tokens, &json!({})).await?.created()?;
    let valid = admin.post(&tokens, &json!({"expires_in_s": null})).await?.created()?;
    for issued in [&expired, &revoked, &valid] {
        let client =
            app.anonymous()?.with("authorization", &crate::support::bearer(&secret(issued)))?;
        client.get("proxy/api/auth.test").await?.success()?;
    }
    app.state.uses.finish().await;
    admin.delete(&format!("{tokens}/{}", id(&revoked))).await?.success()?;
    let link = json!({"tenant_id": "acme"});
    admin.post("link-tokens", &link).await?.created()?;
    let body = json!({"tenant_id": "acme"});
    let keyed = admin.clone().with("idempotency-key", "once")?;
    keyed.post("link-tokens", &body).await?.created()?;
    let events = count(&pool, "events").await?;
    assert!(events > 0, "nothing happened");

    let (store, retention) = (&app.state.store, Duration::days(30));
    let before = count(&pool, "link_tokens").await?;
    assert_eq!(store.purge_expired(app.clock.now() + Duration::days(29), retention).await?, 1);
    assert_eq!(count(&pool, "idempotency_keys").await?, 0, "its response is stored for a day");
    assert_eq!(count(&pool, "link_tokens").await?, before);

    // A locked row is left for the next run.
    let mut holder = pool.begin().await?;
    sqlx::query("select from account_tokens where account_token_id = $1 for update")
        .bind(id(&expired))
        .execute(&mut *holder)
        .await?;
    let later = app.clock.now() + Duration::days(32);
    store.purge_expired(later, retention).await?;
    assert_eq!(count(&pool, "link_tokens").await?, 0);
    assert_eq!(count(&pool, "events").await?, 0);
    assert_eq!(count(&pool, "account_tokens").await?, 2);
    holder.rollback().await?;
    store.purge_expired(later, retention).await?;
    let left: Vec<String> =
        sqlx::query_scalar("select account_token_id from account_tokens").fetch_all(&pool).await?;
    assert_eq!(left, [id(&valid)]);
    let uses = "key_uses where key_id like 'atk_%'";
    assert_eq!(count(&pool, uses).await?, 1, "with when they were last used");
    assert!(count(&pool, "key_uses where key_id like 'key_%'").await? > 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn purges_expired_keys_unless_they_created_others(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let admin = &app.home.admin;
    let make = async |by: &crate::support::Client, body: serde_json::Value| {
        let issued = by.post("api-keys", &body).await?.created()?;
        let field = |name: &str| issued["result"][name].as_str().unwrap_or_default().to_owned();
        let key = crate::support::bearer(&field("key"));
        anyhow::Ok((field("id"), app.anonymous()?.with("authorization", &key)?))
    };
    let all = json!({"name": "k", "scopes": ["read", "admin"]});
    let (maker, by_maker) = make(admin, all.clone()).await?;
    let (child, _) = make(&by_maker, all.clone()).await?;
    let (revoked, _) = make(admin, all).await?;
    let (expired, _) =
        make(admin, json!({"name": "k", "scopes": ["read"], "expires_in_s": 1})).await?;
    for id in [&maker, &revoked] {
        admin.delete(&format!("api-keys/{id}")).await?.success()?;
    }
    let keys = async || -> anyhow::Result<Vec<String>> {
        let query = "select api_key_id from api_keys where name = 'k' order by api_key_id";
        Ok(sqlx::query_scalar(query).fetch_all(&pool).await?)
    };
    let (store, retention) = (&app.state.store, Duration::days(30));
    store.purge_expired(app.clock.now() + Duration::days(29), retention).await?;
    assert_eq!(keys().await?.len(), 4);
    let later = app.clock.now() + Duration::days(31);
    store.purge_expired(later, retention).await?;
    let left = keys().await?;
    assert!(left.len() == 2 && left.contains(&maker) && left.contains(&child), "{left:?}");
    assert!(!left.contains(&revoked) && !left.contains(&expired));
    admin.delete(&format!("api-keys/{maker}?end_made=true")).await?.success()?;
    for _ in 0..2 {
        store.purge_expired(later, retention).await?;
    }
    assert!(keys().await?.is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_purges_of_the_audit_log_at_the_same_time_delete_every_old_row(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    // Two environments; ids contain their time.
    app.tenant("other").await?;
    sqlx::raw_sql(
        "insert into audit_log (environment_id, audit_id, at, actor, action, outcome)
         select environment_id, 'aud_0' || lpad(n::text, 25, '0'), now() - interval '200 days', 'k', 'a', 'done'
         from environments, generate_series(1, 12000) n",
    )
    .execute(&pool)
    .await?;
    let store = &app.state.store;
    let young = count(&pool, "audit_log").await? - 24_000;
    let before = app.clock.now() - Duration::days(150);
    let (one, two, three) = tokio::join!(
        store.purge_audit_log(before),
        store.purge_audit_log(before),
        store.purge_audit_log(before)
    );
    assert_eq!(one? + two? + three?, 24_000);
    assert_eq!(count(&pool, "audit_log").await?, young);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_reference_to_another_table_has_an_index(pool: PgPool) -> anyhow::Result<()> {
    let without: Vec<String> = sqlx::query_scalar(
        "select conname::text from pg_constraint c where contype = 'f' and not exists (
             select from pg_index i where i.indrelid = c.conrelid
             and (select array_agg(k) from unnest(i.indkey[0:cardinality(c.conkey) - 1]) k)
                 @> c.conkey)",
    )
    .fetch_all(&pool)
    .await?;
    assert!(without.is_empty(), "{without:?}");
    // Revoking a key reads what it created.
    let without = "information_schema.columns where column_name = 'made_by' and not exists (
        select from pg_indexes where tablename = table_name
            and indexdef like '%, made_by)%')";
    assert_eq!(count(&pool, without).await?, 0);
    Ok(())
}
