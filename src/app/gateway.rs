//! Builds the gateway's services, serves requests and shuts down.

use std::future::{Future, IntoFuture as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::background_workers::{BackgroundWorkers, run_until};
use super::components::{
    access_tokens, cache_config, discovery, expressions, http_client, limiter, memory,
    policy_services, process_name, rate_table, redis_backend, sync_services, throttle,
    upstream_bounds,
};
use super::database::deadlines;
use super::gateway_count::count_gateways;
use super::purge::purge;
use super::rebinding::seal_old_pairs;
use super::server::{ConnectionConfig, ConnectionExecutor, Workers, serve};
use super::traces::build_traces;
use super::webhooks::{webhook_sender, webhook_services};
use crate::config::Config;
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::expressions::WorkerProgram;
use crate::http::{AppState, HttpService, Services, metrics_router};
use crate::limit::{ConcurrencyLimit, RedisBackend};
use crate::link::LinkService;
use crate::store::{Store, UsageLog};
use crate::telemetry::Metrics;
use crate::upstream::Upstream;
use crate::vault::{KeyIssuer, MasterKeys, RefreshScheduler, Signer, Vault};
use crate::webhooks::WebhookSender;

/// The memory for bodies of raw calls whose callers are not authenticated yet, in KiB.
const UNAUTHENTICATED_BODY_KIB: usize = 64 * 1024;

/// The parts of a gateway.
pub struct GatewayParts<'a> {
    /// The settings, validated.
    pub config: &'a Config,
    /// The database, migrated.
    pub pool: PgPool,
    /// The public URL, which may differ from `server.public_url`.
    pub public_url: Url,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The source of randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The program of the expression workers.
    pub worker_program: WorkerProgram,
}

/// A gateway, ready to serve.
pub struct Gateway {
    /// The services.
    pub state: AppState,
    tasks: TaskTracker,
    /// Cancelled when background work may stop.
    stop_background: CancellationToken,
    refresh_scheduler: RefreshScheduler,
    /// The workers of background jobs.
    pub workers: BackgroundWorkers,
    /// Delivers events to webhooks.
    pub webhooks: WebhookSender,
    /// Whether this process delivers events to webhooks.
    delivers: bool,
    /// The Redis backend of the rate limiter, if it is configured.
    redis: Option<RedisBackend>,
    refresh_interval: Duration,
    ended_retention: Duration,
    service: HttpService,
    connection_config: ConnectionConfig,
    /// The address of a separate listener for `/metrics`; empty for none.
    metrics_listen: String,
    threads: usize,
    pin_threads: bool,
    shutdown_timeout: Duration,
}

impl Gateway {
    /// Creates the services and starts the cache invalidation feed. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When a master key, an address or a TLS root is invalid.
    pub fn build(parts: GatewayParts<'_>) -> anyhow::Result<Self> {
        let GatewayParts { config, pool, public_url, clock, entropy, worker_program } = parts;
        let master_keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
        let cursors = Signer::derive(&master_keys, "cursors");
        let keys = KeyIssuer::derive(&master_keys);
        let store =
            Store::with_config(pool, deadlines(&config.database), cache_config(&config.cache))
                .with_quotas(config.quotas.rows());
        let (name, done) = (process_name(&*entropy), CancellationToken::new());
        let (feed_store, cancelled) = (store.clone(), done.clone());
        let vault = Vault::new(MasterKeys::new(master_keys)?, Arc::clone(&entropy));
        let http = http_client(&config.upstream)?;
        let registry = Arc::new(Registry::new(config, http.clone(), Arc::clone(&clock))?);
        let metrics = Metrics::new(registry.known_methods());
        let tasks = TaskTracker::new();
        let (feed_name, worker_name) = (name.clone(), name.clone());
        tasks.spawn(async move { feed_store.listen(&feed_name, cancelled).await });
        let uses =
            UsageLog::new(store.clone(), Arc::clone(&clock), Arc::clone(&entropy), metrics.clone());
        tasks.spawn(uses.clone().run(done.clone()));
        let (parts, injected) = ((&store, &vault, &metrics), (&clock, &entropy));
        let tokens = access_tokens(parts, &registry, injected, &tasks);
        let webhooks = webhook_services(&config.webhooks, parts, injected)?;
        let rates = rate_table(&config.limits, &registry)?;
        let redis = redis_backend(&config.limits, name.clone(), &tasks)?;
        if let Some(redis) = redis.clone() {
            let counting = count_gateways(redis, store.clone(), name, config.limits.min_gateways);
            tasks.spawn(run_until(done.clone(), counting));
        }
        let limiter = limiter(redis.as_ref());
        let memory = memory(&config.server);
        let upstream = Upstream::new(
            http.clone(),
            Arc::clone(&limiter),
            rates,
            tokens.clone(),
            (Arc::clone(&clock), Arc::clone(&entropy)),
            metrics.clone(),
            upstream_bounds(config, &memory),
        );
        let traces = build_traces(&config.traces, http.clone(), Arc::clone(&entropy))?;
        let changes_reported = Arc::new(Notify::new());
        let discovery = discovery((&store, &registry, &upstream, &uses), &clock);
        let links = LinkService {
            discovery: discovery.clone(),
            store: store.clone(),
            vault: vault.clone(),
            registry: Arc::clone(&registry),
            http,
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            public_url,
            changes_reported: Arc::clone(&changes_reported),
        };
        let parts = (&store, &registry, &upstream, &uses);
        let sync = sync_services(parts, &discovery, (&clock, &entropy), changes_reported);
        let pool = expressions(&config.mappings, worker_program);
        let policies = policy_services(&sync, (&cursors, &metrics), pool);
        let workers = BackgroundWorkers::new(&policies, &worker_name, &config.sync);
        let state = Arc::new(Services {
            sync,
            discovery,
            vault,
            tokens,
            limiter,
            upstream,
            registry,
            expressions: policies.expressions.clone(),
            workspace_names: policies.workspace_names.clone(),
            policies,
            store,
            links,
            webhooks,
            keys,
            cursors,
            serves_metrics: config.server.metrics_listen.is_empty(),
            metrics,
            traces,
            uses,
            clock,
            entropy,
            places: ConcurrencyLimit::new(config.quotas.requests(config.server.max_requests)),
            in_flight: Arc::default(),
            tasks: tasks.clone(),
            stopping: CancellationToken::new(),
            trusted_proxies: config.server.proxies().map_err(anyhow::Error::msg)?,
            failed_auth_throttle: throttle(&config.server, 1),
            invalid_key_throttle: throttle(&config.server, 1),
            invalid_signature_throttle: throttle(&config.server, 10),
            unauthenticated_bodies: Arc::new(Semaphore::new(
                config.server.unauthenticated_bodies(),
            )),
            form_memory: Arc::new(Semaphore::new(UNAUTHENTICATED_BODY_KIB)),
            max_body_bytes: config.server.max_body_bytes,
            memory,
            max_upload_bytes: config.server.max_upload_bytes,
            body_timeout: config.server.body_timeout(),
            upload_timeout: config.server.upload_timeout(),
            max_wait: config.limits.max_wait(),
        });
        Self::assemble(config, state, (tasks, done), workers, redis)
    }

    /// Assembles a gateway from its services and background tasks.
    fn assemble(
        config: &Config,
        state: AppState,
        (tasks, done): (TaskTracker, CancellationToken),
        workers: BackgroundWorkers,
        redis: Option<RedisBackend>,
    ) -> anyhow::Result<Self> {
        let (store, tokens) = (state.store.clone(), state.tokens.clone());
        let (clock, ahead) = (Arc::clone(&state.clock), config.refresh.ahead());
        Ok(Self {
            tasks,
            stop_background: done,
            refresh_scheduler: RefreshScheduler::new(store, tokens, clock, ahead),
            workers,
            webhooks: webhook_sender(&config.webhooks, state.webhooks.clone()),
            delivers: config.webhooks.workers > 0,
            redis,
            refresh_interval: config.refresh.check_every(),
            ended_retention: config.database.ended_retention(),
            service: HttpService::new(Arc::clone(&state), config.server.max_requests),
            state,
            connection_config: ConnectionConfig::new(&config.server)?,
            metrics_listen: config.server.metrics_listen.clone(),
            threads: config.server.threads,
            pin_threads: config.server.pin_threads,
            shutdown_timeout: config.server.shutdown_timeout(),
        })
    }

    /// Serves at `listener` on the current runtime without background tasks, for tests.
    pub async fn serve_on_current_runtime(self, listener: TcpListener) {
        let (metrics, never) = (&self.state.metrics, CancellationToken::new());
        serve(
            listener,
            &ConnectionExecutor::Current(Arc::new(self.service)),
            self.connection_config,
            metrics,
            never,
        )
        .await;
    }

    /// Serves and runs the background tasks until `stop` is ready; then running requests and their tasks get
    /// `server.shutdown_timeout_s`. Closes the database connections at the end.
    ///
    /// # Errors
    ///
    /// When the system can't start a thread, or the address for `/metrics` can't be bound.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        if let Some(redis) = &self.redis {
            redis.connect().await;
        }
        let stopping = self.state.stopping.clone();
        let (stop_signal, stopped) = (stopping.clone(), stopping.clone());
        let (refresh_scheduler, interval, cancelled) =
            (self.refresh_scheduler.clone(), self.refresh_interval, stopping.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = refresh_scheduler.run(interval) => {}
                () = cancelled.cancelled() => {}
            }
        });
        self.spawn_workers(&stopping);
        if !self.metrics_listen.is_empty() {
            self.serve_metrics(stopping.clone()).await?;
        }
        let (store, clock) = (self.state.store.clone(), Arc::clone(&self.state.clock));
        let purging = purge(store, clock, self.ended_retention);
        self.tasks.spawn(run_until(stopping.clone(), purging));
        let sealing = seal_old_pairs(self.state.links.vault.clone(), self.state.store.clone());
        self.tasks.spawn(run_until(stopping.clone(), sealing));
        let workers = Workers::start(self.threads, self.pin_threads, &self.service);
        let executor =
            ConnectionExecutor::Workers(workers.context("the worker threads can't be started")?);
        let timeout = self.shutdown_timeout;
        let stop_requested = async move {
            stop.await;
            stop_signal.cancel();
            std::future::pending::<()>().await;
        };
        let timed_out = async move {
            stopped.cancelled().await;
            tokio::time::sleep(timeout).await;
        };
        tokio::select! {
            () = serve(listener, &executor, self.connection_config, &self.state.metrics, stopping) => {}
            () = stop_requested => {}
            () = timed_out => tracing::warn!("the shutdown timeout interrupted some requests"),
        }
        // Interrupted calls record it while they are dropped, and the audit log is written after that.
        if let ConnectionExecutor::Workers(workers) = executor {
            workers.shut_down(timeout).await;
        }
        self.stop_background.cancel();
        self.tasks.close();
        if tokio::time::timeout(timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("the shutdown timeout interrupted some background tasks");
            for account in self.state.tokens.in_doubt() {
                tracing::error!(
                    %account,
                    "refresh outcome unknown: the shutdown interrupted it, and the refresh token may be used up"
                );
            }
        }
        self.state.uses.finish().await;
        let traces = self.state.traces.clone();
        let sent = tokio::task::spawn_blocking(move || traces.shutdown());
        let _ = tokio::time::timeout(timeout, sent).await;
        let _ = tokio::time::timeout(timeout, self.state.store.close()).await;
        Ok(())
    }

    /// Works on background jobs, requests the runs of the sync that are due, and delivers events to webhooks, until
    /// `stopping`.
    fn spawn_workers(&self, stopping: &CancellationToken) {
        self.workers.spawn(&self.tasks, stopping);
        if self.delivers {
            let (webhooks, stop) = (self.webhooks.clone(), stopping.clone());
            self.tasks.spawn(async move { webhooks.run(&stop).await });
        }
    }

    /// Works on background jobs alone, without serving requests, until `stop` is ready.
    pub async fn work(self, stop: impl Future<Output = ()>) {
        if let Some(redis) = &self.redis {
            redis.connect().await;
        }
        let stopping = CancellationToken::new();
        self.spawn_workers(&stopping);
        stop.await;
        stopping.cancel();
        self.stop_background.cancel();
        self.tasks.close();
        if tokio::time::timeout(self.shutdown_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("the shutdown timeout interrupted some background tasks");
        }
        self.state.uses.finish().await;
        let _ = tokio::time::timeout(self.shutdown_timeout, self.state.store.close()).await;
    }

    /// Serves `/metrics` at a separate address until `stopping`.
    async fn serve_metrics(&self, stopping: CancellationToken) -> anyhow::Result<()> {
        let address = &self.metrics_listen;
        let bound = TcpListener::bind(address).await;
        let listener = bound.with_context(|| format!("server.metrics_listen: {address}"))?;
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        let server = axum::serve(listener, metrics_router(Arc::clone(&self.state)));
        self.tasks.spawn(async move {
            tokio::select! {
                _ = server.into_future() => {}
                () = stopping.cancelled() => {}
            }
        });
        Ok(())
    }
}
