//! The cache saves database queries and never serves stale rows.

mod audit;
mod db_proxy;
mod feed;
mod purge;
mod shutdown;
mod sync;
mod tenants;
mod unresponsive;
mod unsaved_pair;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::store::{NewApiKey, Store};
use switchboard::vault::issue;

use self::db_proxy::DbProxy;
use crate::support::{Browser, Client, TestApp, bearer, link_url};

/// Maximum delay until a change by another gateway is visible.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Repeats a request until the response is as expected, for a second at most.
async fn eventually(
    client: &Client,
    path: &str,
    is_expected: impl Fn(u16, &Value) -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let response = client.get(path).await?;
        if is_expected(response.status, &response.body) {
            return Ok(());
        }
        let waited = began.elapsed();
        anyhow::ensure!(
            waited < MAX_DELAY,
            "still {} after {waited:?}: {}",
            response.status,
            response.text
        );
    }
}

/// Returns when each connection of the gateways was last used, except those that listen and those that write
/// usage records once a second.
async fn connection_uses(
    connection: &mut sqlx::PgConnection,
) -> anyhow::Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as(
        "select pid, coalesce(query_start::text, '') from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query <> '' and query not like 'NOTIFY%'
           and query not like 'LISTEN%' and query not like 'INSERT INTO audit_log%'
           and query not like 'INSERT INTO key_uses%' order by pid",
    )
    .fetch_all(connection)
    .await?)
}

/// Returns whether no connection was used in between.
fn is_unused(before: &[(i32, String)], after: &[(i32, String)]) -> bool {
    after.iter().all(|one| before.contains(one))
}

/// Repeats a request until it uses no connection.
async fn fill_cache(app: &TestApp, client: &Client, paths: &[&str]) -> anyhow::Result<()> {
    let mut connection = app.pool.acquire().await?;
    for _ in 0..500 {
        let before = connection_uses(&mut connection).await?;
        for path in paths {
            client.get(path).await?;
        }
        if is_unused(&before, &connection_uses(&mut connection).await?) {
            return Ok(());
        }
    }
    anyhow::bail!("the database is queried again and again")
}

/// Returns a client with an account token created by `maker`, and the token's path.
async fn with_token(
    maker: &Client,
    at: &TestApp,
    account: &str,
) -> anyhow::Result<(Client, String)> {
    let path = format!("integrated-accounts/{account}/tokens");
    let issued = maker.post(&path, &json!({"expires_in_s": 3600})).await?.created()?;
    let text = |pointer| issued.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let client = at.anonymous()?.with("authorization", &bearer(text("/result/token")))?;
    Ok((client, format!("{path}/{}", text("/result/id"))))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_cached_call_does_not_query_the_database(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let by_key = app.client_for(&account)?;
    let (by_token, _) = with_token(&app.home.api, &app, &account).await?;
    let paths = ["proxy/api/auth.test", "users?limit=3", "roles?limit=3"];
    for client in [&by_key, &by_token] {
        fill_cache(&app, client, &paths).await?;
        let mut connection = app.pool.acquire().await?;
        let before = connection_uses(&mut connection).await?;
        for path in paths.iter().cycle().take(30) {
            client.get(path).await?.success()?;
        }
        let after = connection_uses(&mut connection).await?;
        assert!(is_unused(&before, &after), "{before:?} {after:?}");
    }
    // What doesn't exist is cached too.
    let stranger = app.anonymous()?.with("authorization", "Bearer sb_live_nobody")?;
    let lost = app.client_for("acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")?;
    for client in [&stranger, &lost] {
        fill_cache(&app, client, &paths).await?;
    }
    assert_eq!(stranger.get("users").await?.status, 401);
    assert_eq!(lost.get("users").await?.status, 404);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_by_another_gateway_arrive_within_a_second(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let other = app.second_gateway(&app.config).await?.0;
    let there = app.home.admin.clone().at(other.clone());
    let (token, token_path) = with_token(&there, &app, &account).await?;
    fill_cache(&app, &token, &["proxy/api/auth.test", "users?limit=1"]).await?;
    fill_cache(&app, &api, &["proxy/api/auth.test", "users?limit=1"]).await?;

    let shows = |mapped: &'static str| {
        move |_: u16, body: &Value| {
            let custom = body.pointer("/result/0/tag").and_then(Value::as_str);
            custom.unwrap_or_default() == mapped
        }
    };
    let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "tag",
        "expression": "'one'"});
    let issued = there.post("mappings", &mapping).await?.created()?;
    eventually(&api, "users?limit=1", shows("one")).await?;
    let mut own = mapping.clone();
    own["integrated_account_id"] = account.clone().into();
    own["expression"] = "'own'".into();
    let made_own = there.post("mappings", &own).await?.created()?;
    eventually(&api, "users?limit=1", shows("own")).await?;
    let path_of = |issued: &Value| {
        format!(
            "mappings/{}",
            issued.pointer("/result/id").and_then(Value::as_str).unwrap_or_default()
        )
    };
    there.delete(&path_of(&made_own)).await?.success()?;
    eventually(&api, "users?limit=1", shows("one")).await?;
    there.patch(&path_of(&issued), &json!({"expression": "'two'"})).await?.success()?;
    eventually(&api, "users?limit=1", shows("two")).await?;
    there.delete(&path_of(&issued)).await?.success()?;
    eventually(&api, "users?limit=1", shows("")).await?;

    there.delete(&token_path).await?.success()?;
    eventually(&token, "proxy/api/auth.test", |status, _| status == 401).await?;

    let refreshed =
        there.post(&format!("integrated-accounts/{account}/refresh"), &json!({})).await?;
    refreshed.success()?;
    app.clock.advance(time::Duration::minutes(1));
    api.get("proxy/api/auth.test").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 1);

    there.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    eventually(&api, "proxy/api/auth.test", |status, _| status == 409).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_grant_lost_and_restored_elsewhere_is_so_here(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let other = app.second_gateway(&app.config).await?.0;
    fill_cache(&app, &api, &["proxy/api/auth.test"]).await?;
    sqlx::query("update integrated_accounts set status = 'needs_reauth', status_reason = 'gone'")
        .execute(&app.pool)
        .await?;
    eventually(&api, "proxy/api/auth.test", |status, _| status == 409).await?;
    let body = json!({"tenant_id": "acme", "integrated_account_id": account});
    let mut link = link_url(&app.home, &body).await?;
    link.set_port(other.port()).map_err(|()| anyhow::anyhow!("no port"))?;
    assert_eq!(Browser::new()?.complete_link(&link).await?.status, 200);
    eventually(&api, "proxy/api/auth.test", |status, _| status == 200).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn own_changes_apply_to_the_next_request(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    for _ in 0..20 {
        let (token, path) = with_token(&app.home.admin, &app, &account).await?;
        token.get("proxy/api/auth.test").await?.success()?;
        app.home.admin.delete(&path).await?.success()?;
        token.get("proxy/api/auth.test").await?.api_error(401, "unauthorized");
        let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "tag",
            "expression": "'one'", "integrated_account_id": account});
        let issued = app.home.admin.post("mappings", &mapping).await?.created()?;
        let users = api.get("users?limit=1").await?.success()?;
        assert_eq!(users.pointer("/result/0/tag"), Some(&json!("one")));
        let id = issued.pointer("/result/id").and_then(Value::as_str).unwrap_or_default();
        app.home.admin.delete(&format!("mappings/{id}")).await?.success()?;
        let users = api.get("users?limit=1").await?.success()?;
        assert_eq!(users.pointer("/result/0/tag"), None);
    }
    let (token, _) = with_token(&app.home.admin, &app, &account).await?;
    token.get("proxy/api/auth.test").await?.success()?;
    app.home.admin.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    token.get("proxy/api/auth.test").await?.api_error(401, "unauthorized");
    api.get("proxy/api/auth.test").await?.api_error(409, "account_disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_an_unknown_or_extended_key_again(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let secret = issue("sb_live_", &switchboard::domain::entropy::SeededEntropy::new(77));
    let client = app.anonymous()?.with("authorization", &bearer(secret.reveal()))?;
    fill_cache(&app, &client, &["integrated-accounts"]).await?;
    client.get("integrated-accounts").await?.problem(401, "unauthorized");
    let now = switchboard::domain::clock::Clock::now(&app.clock);
    let key = NewApiKey {
        id: switchboard::domain::ids::ApiKeyId::generate(
            &app.clock,
            &switchboard::domain::entropy::SeededEntropy::new(78),
        ),
        name: "late",
        digest: secret.digest(),
        scopes: &[Scope::Read],
        allowed_methods: None,
        allowed_addresses: None,
        made_by: None,
        created_at: now,
        expires_at: Some(now + time::Duration::hours(1)),
    };
    // As another process does it: nothing is shared with the gateway but the database.
    let elsewhere = Store::new(app.pool.clone()).tenant(app.home.environment_id);
    let entropy = switchboard::domain::entropy::SeededEntropy::new(79);
    let entry = switchboard::store::AuditEntry::new("api_key.created", "cli", &app.clock, &entropy);
    elsewhere.insert_api_key(&key, &entry).await?;
    eventually(&client, "integrated-accounts", |status, _| status == 200).await?;
    app.clock.advance(time::Duration::hours(1));
    client.get("integrated-accounts").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn cached_calls_survive_an_outage_and_stale_rows_do_not_survive_its_end(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::start(&pool)?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    let (stored, _) = with_token(&app.home.admin, &app, &account).await?;
    for client in [&token, &stored] {
        fill_cache(&app, client, &["proxy/api/auth.test"]).await?;
    }
    db_proxy.cut().await?;
    let began = Instant::now();
    for _ in 0..20 {
        token.get("proxy/api/auth.test").await?.success()?;
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let stranger = app.anonymous()?.with("authorization", "Bearer sb_live_nobody")?;
    let rejected = stranger.get("proxy/api/auth.test").await?;
    rejected.api_error(503, "unavailable");
    assert_ne!(rejected.header("retry-after"), "");

    // A client that still reaches the database revokes the token.
    let id = path.rsplit('/').next().unwrap_or_default();
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&pool)
        .await?;
    db_proxy.restore()?;
    eventually(&token, "proxy/api/auth.test", |status, _| status == 401).await?;
    stored.get("proxy/api/auth.test").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn serves_no_cached_row_in_an_outage_unless_configured(pool: PgPool) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::start(&pool)?;
    let app = TestApp::with(over, |setup| setup.config.cache.serve_stale_s = 0.0).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    fill_cache(&app, &api, &["proxy/api/auth.test"]).await?;
    db_proxy.cut().await?;
    api.get("proxy/api/auth.test").await?.api_error(503, "unavailable");
    db_proxy.restore()?;
    eventually(&api, "proxy/api/auth.test", |status, _| status == 200).await
}
