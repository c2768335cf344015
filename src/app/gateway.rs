//! The gateway: every service wired together, behind the router.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::config::Config;
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::http::{AppState, Services, router};
use crate::limit::LocalLimiter;
use crate::link::Links;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::upstream::{HttpClient, Timeouts, Upstream};
use crate::vault::{Ahead, MasterKeys, Signer, Tokens, Vault};

/// What a gateway is made of.
pub struct Parts<'a> {
    /// The settings, validated.
    pub config: &'a Config,
    /// The database, migrated.
    pub pool: PgPool,
    /// The address that others reach it at, when it is not `server.public_url`.
    pub public_url: Url,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// A gateway, ready to serve.
pub struct Gateway {
    /// Its services.
    pub state: AppState,
    tasks: TaskTracker,
    ahead: Ahead,
    look_every: Duration,
    shutdown_timeout: Duration,
}

impl Gateway {
    /// Wires the services. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When a master key, an address or the TLS roots can't be used.
    pub fn build(parts: Parts<'_>) -> anyhow::Result<Self> {
        let Parts { config, pool, public_url, clock, entropy } = parts;
        let master_keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
        let cursors = Signer::derive(&master_keys, "cursors");
        let store = Store::new(pool);
        let vault = Vault::new(MasterKeys::new(master_keys)?, Arc::clone(&entropy));
        let http = HttpClient::new(Timeouts {
            connect: config.upstream.connect_timeout(),
            read: config.upstream.response_timeout(),
        })?;
        let registry = Arc::new(Registry::new(config, http.clone(), Arc::clone(&clock))?);
        let metrics = Metrics::new(registry.known_methods());
        let tasks = TaskTracker::new();
        let tokens = Tokens::new(
            store.clone(),
            vault.clone(),
            Arc::clone(&registry) as Arc<dyn crate::vault::Refresher>,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            metrics.clone(),
            tasks.clone(),
        );
        let ahead =
            Ahead::new(store.clone(), tokens.clone(), Arc::clone(&clock), config.refresh.ahead());
        let upstream = Upstream::new(
            http.clone(),
            Arc::new(LocalLimiter::new()),
            tokens.clone(),
            Arc::clone(&entropy),
            metrics.clone(),
            config.limits.time_scale,
        );
        let links = Links {
            store: store.clone(),
            vault: vault.clone(),
            registry: Arc::clone(&registry),
            http,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            public_url,
        };
        let state = Arc::new(Services {
            store,
            vault,
            tokens,
            upstream,
            registry,
            links,
            cursors,
            metrics,
            clock,
            entropy,
            tasks: tasks.clone(),
            max_body_bytes: config.server.max_body_bytes,
            max_wait: config.limits.max_wait(),
        });
        Ok(Self {
            state,
            tasks,
            ahead,
            look_every: config.refresh.check_every(),
            shutdown_timeout: config.server.shutdown_timeout(),
        })
    }

    /// The router, for a server of one's own.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.state))
    }

    /// Serves, and renews tokens ahead of their end, until `stop` is ready; then running requests and what they began get `server.shutdown_timeout_s`.
    ///
    /// # Errors
    ///
    /// When the listener fails.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let stopping = tokio_util::sync::CancellationToken::new();
        let (begin, stopped) = (stopping.clone(), stopping.clone());
        let server = axum::serve(listener, self.router()).with_graceful_shutdown(async move {
            stop.await;
            begin.cancel();
        });
        let (ahead, every, enough) = (self.ahead.clone(), self.look_every, stopping.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = ahead.run(every) => {}
                () = enough.cancelled() => {}
            }
        });
        let timeout = self.shutdown_timeout;
        let out_of_patience = async move {
            stopped.cancelled().await;
            tokio::time::sleep(timeout).await;
        };
        tokio::select! {
            done = server.into_future() => done.context("the server failed")?,
            () = out_of_patience => tracing::warn!("some requests were cut off by the stop"),
        }
        self.tasks.close();
        if tokio::time::timeout(timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("some work was cut off by the stop");
        }
        Ok(())
    }
}
