//! Rotation of master keys over real rows: under traffic, interrupted, and rejected.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::store::KeyedTable;
use switchboard::vault::{MasterKeys, RotationError, RotationReport, Vault};
use zeroize::Zeroizing;

use crate::support::{Browser, TestApp, link_url};

/// Returns a vault with these keys for the gateway of [`app`].
fn vault(ids: &[&str]) -> anyhow::Result<Vault> {
    let key =
        |id: &&str| ((*id).to_owned(), Zeroizing::new([if *id == "old" { 1 } else { 2 }; 32]));
    let keys = MasterKeys::new(ids.iter().map(key).collect())?;
    Ok(Vault::new(keys, Arc::new(SeededEntropy::new(1_000_000))))
}

/// Starts a gateway that encrypts under `old` and knows `new`.
async fn app(pool: PgPool) -> anyhow::Result<TestApp> {
    let key = |byte| base64::engine::general_purpose::STANDARD.encode([byte; 32]);
    TestApp::with(pool, |setup| {
        setup.config.vault.keys = format!("old:{},new:{}", key(1), key(2));
    })
    .await
}

async fn rotate(
    app: &TestApp,
    ids: &[&str],
) -> anyhow::Result<Result<RotationReport, RotationError>> {
    Ok(vault(ids)?.rotate(&app.state.store, &SystemClock, &mut |_, _| ()).await)
}

/// Returns how many rows of all tables are under a master key.
async fn count_under(app: &TestApp, id: &str) -> anyhow::Result<u64> {
    let uses = app.state.store.master_key_usage().await?;
    Ok(uses.iter().filter(|used| used.master_key_id == id).map(|used| used.rows).sum())
}

/// Makes a request with an idempotency key.
async fn with_idempotency_key(app: &TestApp, number: usize) -> anyhow::Result<Value> {
    let client = app.home.admin.clone().with("idempotency-key", &format!("once-{number}"))?;
    // A resource has at most 50 mappings.
    let resource = if number < 50 { "users" } else { "groups" };
    let mapping = json!({"provider": "slack_enterprise", "resource": resource,
        "field": format!("once_{number}"), "expression": "'one'"});
    client.post("mappings", &mapping).await?.created()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rotates_every_row_under_traffic_without_a_failed_call(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool).await?;
    let accounts = [app.link("acme").await?, app.link("globex").await?];
    let responses = join_all((0..10).map(|number| with_idempotency_key(&app, number))).await;
    let webhook = json!({"url": "https://hooks.example.com/"});
    let webhook = app.home.admin.post("webhooks", &webhook).await?.created()?;
    let mut browser = Browser::new()?;
    let link = link_url(&app.home, &json!({"tenant_id": "initech"})).await?;
    let consent = browser.start_consent(&link).await?;

    let (stop, app) = (AtomicBool::new(false), &app);
    let traffic = join_all(accounts.iter().map(|account| {
        let stop = &stop;
        async move {
            let (api, mut calls) = (app.client_for(account)?, 0);
            let refresh = format!("integrated-accounts/{account}/refresh");
            while !stop.load(Ordering::Relaxed) || calls < 20 {
                api.get("users?limit=1").await?.success()?;
                api.send(http::Method::POST, &refresh, None).await?.success()?;
                calls += 1;
            }
            anyhow::Ok(calls)
        }
    }));
    let rotation = async {
        for _ in 0..5 {
            // The gateway still encrypts under the old key: new rows may use it again.
            rotate(app, &["new", "old"]).await??;
        }
        stop.store(true, Ordering::Relaxed);
        anyhow::Ok(())
    };
    let (calls, rotation) = tokio::join!(traffic, rotation);
    rotation?;
    for calls in calls {
        assert!(calls? >= 20);
    }

    let rotated = rotate(app, &["new", "old"]).await??;
    assert!(rotated.remaining.is_empty() && rotated.unreadable.is_empty(), "{rotated:?}");
    assert_eq!(rotated.unused, ["old"]);
    assert_eq!(count_under(app, "old").await?, 0);
    for account in &accounts {
        app.client_for(account)?.get("users?limit=1").await?.success()?;
    }
    // A link in progress completes, and stored responses are replayed.
    let back = browser.submit_consent(&consent, "decision=approve&install=org").await?;
    assert_eq!(browser.get(&back).await?.status, 200);
    for (number, response) in responses.into_iter().enumerate() {
        assert_eq!(with_idempotency_key(app, number).await?, response?);
    }
    // The signing secrets of a webhook open.
    let id = webhook["result"]["id"].as_str().context("no webhook")?;
    let new_secret = format!("webhooks/{id}/rotate-secret");
    app.home.admin.send(http::Method::POST, &new_secret, None).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_interrupted_run_resumes(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool).await?;
    let account = app.link("acme").await?;
    for response in join_all((0..60).map(|number| with_idempotency_key(&app, number))).await {
        response?;
    }
    let (mut runs, mut left) = (0, count_under(&app, "old").await?);
    for wait in (0..).map(|run| Duration::from_millis(3 + run)) {
        runs += 1;
        let done = tokio::time::timeout(wait, rotate(&app, &["new", "old"])).await;
        let now = count_under(&app, "old").await?;
        assert!(now <= left, "{now} rows are under the old key, after {left}");
        left = now;
        if let Ok(rotated) = done {
            rotated??;
            break;
        }
    }
    assert_eq!(left, 0);
    assert!(runs > 1, "not one run was cut off");
    with_idempotency_key(&app, 0).await?;
    app.client_for(&account)?.get("users?limit=1").await?.success()?;
    // A run that is interrupted after its last row leaves nothing to the next one.
    let reported: Vec<String> = sqlx::query_scalar(
        "select distinct subject from audit_log where actor = 'cli' and action = 'secrets.rotated'",
    )
    .fetch_all(&app.pool)
    .await?;
    assert_eq!(reported, ["new"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_nothing_without_a_key_that_rows_need(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool).await?;
    app.link("acme").await?;
    let rows = count_under(&app, "old").await?;
    let rejected = rotate(&app, &["new"]).await?.err().context("it rotated")?;
    assert_eq!(
        rejected.to_string(),
        format!(
            "master key \"old\" is not in vault.keys, but {rows} rows need it: add it after the first key"
        )
    );
    assert_eq!((count_under(&app, "old").await?, count_under(&app, "new").await?), (rows, 0));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_and_skips_a_row_that_does_not_decrypt(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool).await?;
    let (good, bad) = (app.link("acme").await?, app.link("globex").await?);
    let spoil =
        "update account_credentials set data_key = '\\x0102' where integrated_account_id = $1";
    sqlx::query(spoil).bind(&bad).execute(&app.pool).await?;
    let rotated = rotate(&app, &["new", "old"]).await??;
    let broken: Vec<_> =
        rotated.unreadable.iter().map(|row| (row.table, row.id.as_str())).collect();
    assert_eq!(broken, [(KeyedTable::AccountCredentials, bad.as_str())]);
    assert_eq!((count_under(&app, "old").await?, rotated.unused.len()), (1, 0));
    app.client_for(&good)?.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_row_copied_to_another_account_does_not_decrypt(pool: PgPool) -> anyhow::Result<()> {
    let app = app(pool).await?;
    let (rich, poor) = (app.link("acme").await?, app.link("globex").await?);
    for rotates in [false, true] {
        if rotates {
            rotate(&app, &["new", "old"]).await??;
        }
        let copy = "update account_credentials to_row
            set (master_key_id, data_key, access_token, refresh_token, expires_at) =
                (select master_key_id, data_key, access_token, refresh_token, expires_at
                 from account_credentials where integrated_account_id = $1)
            where integrated_account_id = $2";
        sqlx::query(copy).bind(&rich).bind(&poor).execute(&app.pool).await?;
        let before = app.sandbox.requests(None).counts;
        for path in ["users?limit=1", "proxy/api/auth.test"] {
            app.client_for(&poor)?.get(path).await?.api_error(500, "internal");
        }
        assert_eq!(app.sandbox.requests(None).counts, before, "something was sent");
        app.client_for(&rich)?.get("users?limit=1").await?.success()?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_table_with_a_data_key_is_rotated(pool: PgPool) -> anyhow::Result<()> {
    let mut tables: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.columns
         where column_name = 'master_key_id' and table_schema = 'public'",
    )
    .fetch_all(&pool)
    .await?;
    tables.sort();
    let mut known = KeyedTable::ALL.map(KeyedTable::name);
    known.sort_unstable();
    assert_eq!(tables, known, "add the table to src/store/data_keys.rs");
    Ok(())
}
