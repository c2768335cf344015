//! Usage before a shutdown is stored.

use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use switchboard::app::{Gateway, GatewayParts};
use switchboard::domain::clock::Clock as _;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::store::{DatabaseTimeouts, UsageLog};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::support::{TestApp, worker_program};

/// Waits until a query returns this number.
async fn wait_for_count(pool: &PgPool, query: &'static str, wanted: i64) -> anyhow::Result<()> {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let found: i64 = sqlx::query_scalar(query).fetch_one(pool).await?;
        if found == wanted {
            return Ok(());
        }
        anyhow::ensure!(std::time::Instant::now() < deadline, "{query}: {found}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_keys_last_use_survives_a_shutdown_during_its_write(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    app.home.api.get("integrated-accounts").await?.success()?;
    app.state.uses.finish().await;
    let stop = CancellationToken::new();
    let (store, clock, entropy) =
        (app.state.store.clone(), Arc::clone(&app.state.clock), Arc::clone(&app.state.entropy));
    let log = UsageLog::new(store, clock, entropy, app.state.metrics.clone());
    let mut holder = pool.begin().await?;
    sqlx::raw_sql("delete from key_uses").execute(&mut *holder).await?;
    app.clock.advance(time::Duration::minutes(2));
    app.home.api.get("integrated-accounts").await?.success()?;
    let writing = async {
        wait_for_count(
            &pool,
            "select count(*) from pg_stat_activity where datname = current_database()
             and wait_event_type = 'Lock' and query like 'INSERT INTO key_uses%'",
            1,
        )
        .await?;
        stop.cancel();
        anyhow::Ok(())
    };
    // The gateway's own writer and this one: either may have taken the record.
    let (written, ()) = tokio::join!(writing, log.clone().run(stop.clone()));
    written?;
    holder.commit().await?;
    log.finish().await;
    app.state.uses.finish().await;
    wait_for_count(&pool, "select count(*) from key_uses", 1).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_interrupted_by_a_shutdown_is_in_the_audit_log(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let silent = TcpListener::bind(("127.0.0.1", 0)).await?;
    let mut config = app.config.clone();
    config.slack_enterprise.web_url = format!("http://{}", silent.local_addr()?);
    config.slack_enterprise.api_url.clone_from(&config.slack_enterprise.web_url);
    config.server.shutdown_timeout_s = 1;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let base_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
    // A separate pool, because a gateway closes its pool when it stops.
    let over =
        DatabaseTimeouts::default().pool(5).connect_lazy_with((*pool.connect_options()).clone());
    let gateway = Gateway::build(GatewayParts {
        config: &config,
        pool: over,
        public_url: base_url.clone(),
        clock: Arc::new(app.clock.clone()),
        entropy: Arc::new(SeededEntropy::new(app.clock.now().unix_timestamp().unsigned_abs())),
        worker_program: worker_program(),
    })?;
    let stop = CancellationToken::new();
    let client = app.client_for(&account)?.at(base_url);
    let call = async {
        // Any end is valid.
        let _ = client.get("proxy/api/auth.test").await;
    };
    let stopping = async {
        let (_provider, _) = silent.accept().await?;
        stop.cancel();
        // Open until the gateway has ended.
        std::future::pending::<()>().await;
        anyhow::Ok(())
    };
    let serve = gateway.serve(listener, stop.clone().cancelled_owned());
    tokio::select! {
        served = serve => served?,
        never = stopping => never?,
        () = async { call.await; std::future::pending::<()>().await } => {}
    }
    wait_for_count(&pool, "select count(*) from audit_log where outcome = 'abandoned'", 1).await
}
