//! A gateway on a runtime of its own: it dies like a process, wherever its tasks are.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgPoolOptions;
use switchboard::app::{Gateway, Parts};
use switchboard::vault::{Ahead, Looked};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::task::TaskTracker;
use url::Url;

use crate::support::{Client, TestApp};

/// How long before their end tokens are renewed ahead.
pub(super) const LEAD: time::Duration = time::Duration::minutes(30);

/// A gateway that can be killed.
pub(super) struct Doomed {
    runtime: Option<Runtime>,
    ahead: Ahead,
    /// The customer's client at this gateway.
    pub(super) api: Client,
}

impl Doomed {
    /// One more gateway on the app's database.
    pub(super) async fn start(app: &TestApp, account: &str) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let options = (*app.pool.connect_options()).clone();
        let config = app.config.clone();
        let (clock, entropy) = (Arc::clone(&app.state.clock), Arc::clone(&app.state.entropy));
        let started = runtime.spawn(async move {
            let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await?;
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let public_url = Url::parse(&format!("http://{}/", listener.local_addr()?))?;
            let gateway = Gateway::build(Parts {
                config: &config,
                pool,
                public_url: public_url.clone(),
                clock: Arc::clone(&clock),
                entropy,
            })?;
            let state = &gateway.state;
            let ahead = Ahead::new(state.store.clone(), state.tokens.clone(), clock, LEAD);
            TaskTracker::new().spawn(axum::serve(listener, gateway.router()).into_future());
            anyhow::Ok((public_url, ahead))
        });
        let (base_url, ahead) = started.await??;
        Ok(Self { runtime: Some(runtime), ahead, api: app.on(account)?.at(base_url) })
    }

    /// Looks for tokens that end soon.
    pub(super) async fn look_ahead(&self) -> anyhow::Result<Looked> {
        let ahead = self.ahead.clone();
        let runtime = self.runtime.as_ref().context("it is dead")?;
        Ok(runtime.spawn(async move { ahead.tick().await }).await??)
    }

    /// Ends it where it stands.
    pub(super) async fn kill(mut self) -> anyhow::Result<()> {
        let runtime = self.runtime.take().context("it is dead")?;
        let end = move || runtime.shutdown_timeout(Duration::from_secs(10));
        Ok(tokio::task::spawn_blocking(end).await?)
    }
}

impl Drop for Doomed {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
