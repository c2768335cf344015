//! What is kept in memory: it saves the database from being asked, and nobody can tell otherwise.

mod audit;
mod feed;
mod pair_in_hand;
mod purge;
mod silence;
mod stop;
mod tenants;
mod wire;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::store::{NewApiKey, Store};
use switchboard::vault::issue;

use self::wire::Wire;
use crate::support::{Browser, Client, TestApp, bearer, link_url};

/// Within what time a change by another gateway has to arrive.
const SOON: Duration = Duration::from_secs(1);

/// Asks again until the answer is as it should be, for a second at the most.
async fn soon(
    client: &Client,
    path: &str,
    is_as_it_should: impl Fn(u16, &Value) -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let answer = client.get(path).await?;
        if is_as_it_should(answer.status, &answer.body) {
            return Ok(());
        }
        let waited = began.elapsed();
        anyhow::ensure!(waited < SOON, "still {} after {waited:?}: {}", answer.status, answer.text);
    }
}

/// When each connection of the gateways was last asked something, but for those that listen and those that write
/// down, once in a second, what calls did.
async fn asked(connection: &mut sqlx::PgConnection) -> anyhow::Result<Vec<(i32, String)>> {
    Ok(sqlx::query_as(
        "select pid, coalesce(query_start::text, '') from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and query <> '' and query not like 'NOTIFY%'
           and query not like 'LISTEN%' and query not like 'INSERT INTO audit_log%'
           and query not like 'INSERT INTO key_uses%' order by pid",
    )
    .fetch_all(connection)
    .await?)
}

/// Whether nobody was asked anything in between.
fn is_quiet(before: &[(i32, String)], after: &[(i32, String)]) -> bool {
    after.iter().all(|one| before.contains(one))
}

/// Asks until the database is not asked any more.
async fn warmed(app: &TestApp, client: &Client, paths: &[&str]) -> anyhow::Result<()> {
    let mut connection = app.pool.acquire().await?;
    for _ in 0..500 {
        let before = asked(&mut connection).await?;
        for path in paths {
            client.get(path).await?;
        }
        if is_quiet(&before, &asked(&mut connection).await?) {
            return Ok(());
        }
    }
    anyhow::bail!("the database is asked again and again")
}

/// A client with an account token made by `maker`; and the token's path.
async fn with_token(
    maker: &Client,
    at: &TestApp,
    account: &str,
) -> anyhow::Result<(Client, String)> {
    let path = format!("integrated-accounts/{account}/tokens");
    let made = maker.post(&path, &json!({"expires_in_s": 3600})).await?.created()?;
    let text = |pointer| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let client = at.nobody()?.with("authorization", &bearer(text("/result/token")))?;
    Ok((client, format!("{path}/{}", text("/result/id"))))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_warm_call_asks_the_database_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let by_key = app.on(&account)?;
    let (by_token, _) = with_token(&app.home.api, &app, &account).await?;
    let paths = ["proxy/api/auth.test", "users?limit=3", "roles?limit=3"];
    for client in [&by_key, &by_token] {
        warmed(&app, client, &paths).await?;
        let mut connection = app.pool.acquire().await?;
        let before = asked(&mut connection).await?;
        for path in paths.iter().cycle().take(30) {
            client.get(path).await?.okay()?;
        }
        let after = asked(&mut connection).await?;
        assert!(is_quiet(&before, &after), "{before:?} {after:?}");
    }
    // What doesn't exist is remembered too.
    let stranger = app.nobody()?.with("authorization", "Bearer sb_live_nobody")?;
    let lost = app.on("acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")?;
    for client in [&stranger, &lost] {
        warmed(&app, client, &paths).await?;
    }
    assert_eq!(stranger.get("users").await?.status, 401);
    assert_eq!(lost.get("users").await?.status, 404);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_another_gateway_changes_is_heard_within_a_second(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let other = app.beside(&app.config).await?.0;
    let there = app.home.admin.clone().at(other.clone());
    let (token, token_path) = with_token(&there, &app, &account).await?;
    warmed(&app, &token, &["proxy/api/auth.test", "users?limit=1"]).await?;
    warmed(&app, &api, &["proxy/api/auth.test", "users?limit=1"]).await?;

    let shows = |mapped: &'static str| {
        move |_: u16, body: &Value| {
            let custom = body.pointer("/result/0/tag").and_then(Value::as_str);
            custom.unwrap_or_default() == mapped
        }
    };
    let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "tag",
        "expression": "'one'"});
    let made = there.post("mappings", &mapping).await?.created()?;
    soon(&api, "users?limit=1", shows("one")).await?;
    let mut own = mapping.clone();
    own["integrated_account_id"] = account.clone().into();
    own["expression"] = "'own'".into();
    let made_own = there.post("mappings", &own).await?.created()?;
    soon(&api, "users?limit=1", shows("own")).await?;
    let path_of = |made: &Value| {
        format!(
            "mappings/{}",
            made.pointer("/result/id").and_then(Value::as_str).unwrap_or_default()
        )
    };
    there.delete(&path_of(&made_own)).await?.okay()?;
    soon(&api, "users?limit=1", shows("one")).await?;
    there.patch(&path_of(&made), &json!({"expression": "'two'"})).await?.okay()?;
    soon(&api, "users?limit=1", shows("two")).await?;
    there.delete(&path_of(&made)).await?.okay()?;
    soon(&api, "users?limit=1", shows("")).await?;

    there.delete(&token_path).await?.okay()?;
    soon(&token, "proxy/api/auth.test", |status, _| status == 401).await?;

    let refreshed =
        there.post(&format!("integrated-accounts/{account}/refresh"), &json!({})).await?;
    refreshed.okay()?;
    app.clock.advance(time::Duration::minutes(1));
    api.get("proxy/api/auth.test").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 1);

    there.delete(&format!("integrated-accounts/{account}")).await?.okay()?;
    soon(&api, "proxy/api/auth.test", |status, _| status == 409).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_grant_that_is_lost_and_mended_elsewhere_is_so_here(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let other = app.beside(&app.config).await?.0;
    warmed(&app, &api, &["proxy/api/auth.test"]).await?;
    sqlx::query("update integrated_accounts set status = 'needs_reauth', status_reason = 'gone'")
        .execute(&app.pool)
        .await?;
    soon(&api, "proxy/api/auth.test", |status, _| status == 409).await?;
    let wish = json!({"tenant_id": "acme", "integrated_account_id": account});
    let mut link = link_url(&app.home, &wish).await?;
    link.set_port(other.port()).map_err(|()| anyhow::anyhow!("no port"))?;
    assert_eq!(Browser::new()?.follow(&link).await?.status, 200);
    soon(&api, "proxy/api/auth.test", |status, _| status == 200).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn one_s_own_changes_hold_for_the_very_next_request(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    for _ in 0..20 {
        let (token, path) = with_token(&app.home.admin, &app, &account).await?;
        token.get("proxy/api/auth.test").await?.okay()?;
        app.home.admin.delete(&path).await?.okay()?;
        token.get("proxy/api/auth.test").await?.refused(401, "unauthorized");
        let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "tag",
            "expression": "'one'", "integrated_account_id": account});
        let made = app.home.admin.post("mappings", &mapping).await?.created()?;
        let users = api.get("users?limit=1").await?.okay()?;
        assert_eq!(users.pointer("/result/0/tag"), Some(&json!("one")));
        let id = made.pointer("/result/id").and_then(Value::as_str).unwrap_or_default();
        app.home.admin.delete(&format!("mappings/{id}")).await?.okay()?;
        let users = api.get("users?limit=1").await?.okay()?;
        assert_eq!(users.pointer("/result/0/tag"), None);
    }
    let (token, _) = with_token(&app.home.admin, &app, &account).await?;
    token.get("proxy/api/auth.test").await?.okay()?;
    app.home.admin.delete(&format!("integrated-accounts/{account}")).await?.okay()?;
    token.get("proxy/api/auth.test").await?.refused(401, "unauthorized");
    api.get("proxy/api/auth.test").await?.refused(409, "account_disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_that_was_unknown_or_lives_on_is_looked_at_anew(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let secret = issue("sb_live_", &switchboard::domain::entropy::SeededEntropy::new(77));
    let client = app.nobody()?.with("authorization", &bearer(secret.reveal()))?;
    warmed(&app, &client, &["integrated-accounts"]).await?;
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
    soon(&client, "integrated-accounts", |status, _| status == 200).await?;
    app.clock.advance(time::Duration::hours(1));
    client.get("integrated-accounts").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn warm_calls_outlive_the_database_and_nothing_old_outlives_its_return(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut wire, over) = Wire::to(&pool)?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    let (kept, _) = with_token(&app.home.admin, &app, &account).await?;
    for client in [&token, &kept] {
        warmed(&app, client, &["proxy/api/auth.test"]).await?;
    }
    wire.cut().await?;
    let began = Instant::now();
    for _ in 0..20 {
        token.get("proxy/api/auth.test").await?.okay()?;
    }
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let stranger = app.nobody()?.with("authorization", "Bearer sb_live_nobody")?;
    let refused = stranger.get("proxy/api/auth.test").await?;
    refused.refused(503, "unavailable");
    assert_ne!(refused.header("retry-after"), "");

    // Somebody who still reaches the database takes the token back.
    let id = path.rsplit('/').next().unwrap_or_default();
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&pool)
        .await?;
    wire.mend()?;
    soon(&token, "proxy/api/auth.test", |status, _| status == 401).await?;
    kept.get("proxy/api/auth.test").await?.okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_leave_to_go_on_nothing_is_answered_from_memory_in_an_outage(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut wire, over) = Wire::to(&pool)?;
    let app = TestApp::with(over, |setup| setup.config.cache.keep_in_outage_s = 0.0).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    warmed(&app, &api, &["proxy/api/auth.test"]).await?;
    wire.cut().await?;
    api.get("proxy/api/auth.test").await?.refused(503, "unavailable");
    wire.mend()?;
    soon(&api, "proxy/api/auth.test", |status, _| status == 200).await
}
