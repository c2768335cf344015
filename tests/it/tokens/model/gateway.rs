//! A gateway on a runtime of its own that can be killed like a process, wherever its tasks are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgPoolOptions;
use switchboard::app::{Gateway, GatewayParts};
use switchboard::domain::ids::{EnvironmentId, IntegratedAccountId};
use switchboard::store::Store;
use switchboard::vault::{RefreshPass, RefreshScheduler};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::support::{Client, TestApp, worker_program};

/// Time before the expiry at which tokens are refreshed proactively.
pub(super) const LEAD: time::Duration = time::Duration::minutes(30);

/// A gateway that can be killed.
pub(super) struct KillableGateway {
    runtime: Option<Runtime>,
    ahead: RefreshScheduler,
    store: Store,
    environment_id: EnvironmentId,
    account: IntegratedAccountId,
    /// The customer's client at this gateway.
    pub(super) api: Client,
}

impl KillableGateway {
    /// Starts another gateway on the app's database.
    pub(super) async fn start(app: &TestApp, account: &str) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let options = (*app.pool.connect_options()).clone();
        let config = app.config.clone();
        let (clock, entropy) = (Arc::clone(&app.state.clock), Arc::clone(&app.state.entropy));
        let started = runtime.spawn(async move {
            let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let public_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
            let gateway = Gateway::build(GatewayParts {
                config: &config,
                pool,
                public_url: public_url.clone(),
                clock: Arc::clone(&clock),
                entropy,
                worker_program: worker_program(),
            })?;
            let state = Arc::clone(&gateway.state);
            let ahead =
                RefreshScheduler::new(state.store.clone(), state.tokens.clone(), clock, LEAD);
            TaskTracker::new().spawn(gateway.serve_on_current_runtime(listener));
            anyhow::Ok((public_url, ahead, state.store.clone()))
        });
        let (base_url, ahead, store) = started.await??;
        let api = app.client_for(account)?.at(base_url);
        let (environment_id, account) = (app.home.environment_id, account.parse()?);
        Ok(Self { runtime: Some(runtime), ahead, store, environment_id, account, api })
    }

    /// Waits until it has received the database's notifications: changes by another gateway arrive within a second,
    /// and the next step may come sooner.
    pub(super) async fn wait_for_feed(&self) -> anyhow::Result<()> {
        let (db, account) = (self.store.tenant(self.environment_id), self.account);
        let runtime = self.runtime.as_ref().context("it was killed")?;
        let caught_up = runtime.spawn(async move {
            while db.cached_account(account).await?.as_deref()
                != db.account(account).await?.as_ref()
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            anyhow::Ok(())
        });
        tokio::time::timeout(Duration::from_secs(5), caught_up).await??
    }

    /// Runs the proactive refresh once.
    pub(super) async fn refresh_proactively(&self) -> anyhow::Result<RefreshPass> {
        let ahead = self.ahead.clone();
        let runtime = self.runtime.as_ref().context("it was killed")?;
        Ok(runtime.spawn(async move { ahead.run_once().await }).await??)
    }

    /// Kills it.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        let runtime = self.runtime.take().context("it was killed")?;
        let end = move || runtime.shutdown_timeout(Duration::from_secs(10));
        Ok(tokio::task::spawn_blocking(end).await?)
    }
}

impl Drop for KillableGateway {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
