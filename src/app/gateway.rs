//! The gateway: every service wired together, behind the router.

use std::convert::Infallible;
use std::future::{Future, IntoFuture as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use super::counting::count;
use super::database::deadlines;
use super::purge::purge;
use super::sealing::seal_old_pairs;
use super::server::{Place, Rules, Threads, serve};
use super::traces::traces;
use crate::config::{self, Config, LimitBackend};
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::{Entropy, random_bytes};
use crate::domain::provider::Provider;
use crate::expressions::{Expressions, WorkerLimits, WorkerProgram};
use crate::http::{AppState, Front, Services, metrics_router};
use crate::limit::{ByteBudget, Damper, FairLimiter, Limiter, Pacing, Places, Shared};
use crate::link::Links;
use crate::store::{Keeping, Store, UseLog};
use crate::telemetry::Metrics;
use crate::unified::WorkspaceNames;
use crate::upstream::{HttpClient, Memory, Reach, Timeouts, Upstream};
use crate::vault::{Ahead, KeyIssuer, MasterKeys, Signer, Tokens, Vault};

/// Memory for the bodies of raw calls whose callers are not proven yet, all together, in KiB.
const FORM_MEMORY: usize = 64 * 1024;

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
    /// The program of the workers that evaluate expressions.
    pub worker_program: WorkerProgram,
}

/// A gateway, ready to serve.
pub struct Gateway {
    /// Its services.
    pub state: AppState,
    tasks: TaskTracker,
    /// Cancelled when changes need not be heard of any more.
    done: CancellationToken,
    ahead: Ahead,
    /// The limits in Redis, when they are there.
    shared: Option<Shared>,
    look_every: Duration,
    ended_retention: Duration,
    front: Front,
    rules: Rules,
    /// Where `/metrics` has a listener of its own; empty for none.
    metrics_listen: String,
    threads: usize,
    pin_threads: bool,
    shutdown_timeout: Duration,
}

impl Gateway {
    /// Wires the services, and listens to the database for changes from now on. Needs a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When a master key, an address or the TLS roots can't be used.
    pub fn build(parts: Parts<'_>) -> anyhow::Result<Self> {
        let Parts { config, pool, public_url, clock, entropy, worker_program } = parts;
        let master_keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
        let cursors = Signer::derive(&master_keys, "cursors");
        let keys = KeyIssuer::derive(&master_keys);
        let store = Store::with(pool, deadlines(&config.database), keeping(&config.cache))
            .with_quotas(config.quotas.rows());
        let name = process_name(&*entropy);
        let done = CancellationToken::new();
        let (listening, enough) = (store.clone(), done.clone());
        let vault = Vault::new(MasterKeys::new(master_keys)?, Arc::clone(&entropy));
        let http = http(&config.upstream)?;
        let registry = Arc::new(Registry::new(config, http.clone(), Arc::clone(&clock))?);
        let metrics = Metrics::new(registry.known_methods());
        let tasks = TaskTracker::new();
        let feed = name.clone();
        tasks.spawn(async move { listening.listen(&feed, enough).await });
        let uses =
            UseLog::new(store.clone(), Arc::clone(&clock), Arc::clone(&entropy), metrics.clone());
        tasks.spawn(uses.clone().run(done.clone()));
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
        let pacing = pacing(&config.limits, &registry)?;
        let shared = shared(&config.limits, name.clone(), &tasks)?;
        if let Some(shared) = shared.clone() {
            let counting = count(shared, store.clone(), name, config.limits.min_gateways);
            tasks.spawn(until(done.clone(), counting));
        }
        let limiter: Arc<dyn Limiter> = Arc::new(match &shared {
            Some(shared) => FairLimiter::shared(shared.clone()),
            None => FairLimiter::local(),
        });
        let memory = memory(&config.server);
        let upstream = Upstream::new(
            http.clone(),
            Arc::clone(&limiter),
            pacing,
            tokens.clone(),
            (Arc::clone(&clock), Arc::clone(&entropy)),
            metrics.clone(),
            bounds(config, &memory),
        );
        let traces = traces(&config.traces, http.clone(), Arc::clone(&entropy))?;
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
            limiter,
            upstream,
            registry,
            expressions: expressions(&config.mappings, worker_program),
            workspace_names: WorkspaceNames::new(Arc::clone(&clock)),
            links,
            keys,
            cursors,
            serves_metrics: config.server.metrics_listen.is_empty(),
            metrics,
            traces,
            uses,
            clock,
            entropy,
            places: Places::new(config.quotas.requests(config.server.max_requests)),
            inside: Arc::default(),
            tasks: tasks.clone(),
            trusted_proxies: config.server.proxies().map_err(anyhow::Error::msg)?,
            damper: Arc::new(Damper::new(config.server.failed_auth_per_minute)),
            ended_keys: Arc::new(Damper::new(config.server.failed_auth_per_minute)),
            forgeries: Arc::new(Damper::new(
                config.server.failed_auth_per_minute.saturating_mul(10),
            )),
            unproven_bodies: Arc::new(Semaphore::new(config.server.unproven_bodies())),
            form_memory: Arc::new(Semaphore::new(FORM_MEMORY)),
            max_body_bytes: config.server.max_body_bytes,
            memory,
            body_timeout: config.server.body_timeout(),
            max_wait: config.limits.max_wait(),
        });
        Self::of(config, state, (tasks, done), ahead, shared)
    }

    /// The gateway of these services and of what runs beside them.
    fn of(
        config: &Config,
        state: AppState,
        (tasks, done): (TaskTracker, CancellationToken),
        ahead: Ahead,
        shared: Option<Shared>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            tasks,
            done,
            ahead,
            shared,
            look_every: config.refresh.check_every(),
            ended_retention: config.database.ended_retention(),
            front: Front::new(Arc::clone(&state), config.server.max_requests),
            state,
            rules: Rules::new(&config.server)?,
            metrics_listen: config.server.metrics_listen.clone(),
            threads: config.server.threads,
            pin_threads: config.server.pin_threads,
            shutdown_timeout: config.server.shutdown_timeout(),
        })
    }

    /// Answers at `listener` on the runtime that calls, and does nothing else: for tests.
    pub async fn attend(self, listener: TcpListener) {
        let (metrics, never) = (&self.state.metrics, CancellationToken::new());
        serve(listener, &Place::Here(Arc::new(self.front)), self.rules, metrics, never).await;
    }

    /// Serves, and renews tokens ahead of their end, until `stop` is ready; then running requests and
    /// what they began get `server.shutdown_timeout_s`. The database's connections are closed at the end.
    ///
    /// # Errors
    ///
    /// When the system gives no threads, or the address for `/metrics` can't be bound.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        if let Some(shared) = &self.shared {
            shared.connect().await;
        }
        let stopping = CancellationToken::new();
        let (begin, stopped) = (stopping.clone(), stopping.clone());
        let (ahead, every, enough) = (self.ahead.clone(), self.look_every, stopping.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                () = ahead.run(every) => {}
                () = enough.cancelled() => {}
            }
        });
        if !self.metrics_listen.is_empty() {
            self.serve_metrics(stopping.clone()).await?;
        }
        let (store, clock) = (self.state.store.clone(), Arc::clone(&self.state.clock));
        let (purging, enough) = (purge(store, clock, self.ended_retention), stopping.clone());
        self.tasks.spawn(async move {
            tokio::select! {
                never = purging => match never {},
                () = enough.cancelled() => {}
            }
        });
        let sealing = seal_old_pairs(self.state.links.vault.clone(), self.state.store.clone());
        let enough = stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                never = sealing => match never {},
                () = enough.cancelled() => {}
            }
        });
        let threads = Threads::start(self.threads, self.pin_threads, &self.front);
        let place = Place::Threads(threads.context("the threads can't be started")?);
        let timeout = self.shutdown_timeout;
        let told = async move {
            stop.await;
            begin.cancel();
            std::future::pending::<()>().await;
        };
        let out_of_patience = async move {
            stopped.cancelled().await;
            tokio::time::sleep(timeout).await;
        };
        tokio::select! {
            () = serve(listener, &place, self.rules, &self.state.metrics, stopping) => {}
            () = told => {}
            () = out_of_patience => tracing::warn!("some requests were cut off by the stop"),
        }
        // Calls that were cut off note it while they are dropped, and the audit log is written after that.
        if let Place::Threads(threads) = place {
            threads.end(timeout).await;
        }
        self.done.cancel();
        self.tasks.close();
        if tokio::time::timeout(timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("some work was cut off by the stop");
            for account in self.state.tokens.in_doubt() {
                tracing::error!(%account, "in doubt: the stop cut off a refresh of this account's tokens, which may be used up");
            }
        }
        self.state.uses.finish().await;
        let traces = self.state.traces.clone();
        let sent = tokio::task::spawn_blocking(move || traces.finish());
        let _ = tokio::time::timeout(timeout, sent).await;
        let _ = tokio::time::timeout(timeout, self.state.store.close()).await;
        Ok(())
    }

    /// Serves `/metrics` at an address of its own until `stopping`.
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

/// What the caches hold, and for how long.
fn keeping(cache: &config::Cache) -> Keeping {
    Keeping {
        accounts: cache.accounts,
        in_outage: cache.keep_in_outage(),
        max_age: cache.max_age(),
    }
}

/// The budget for bytes that are held as a whole.
fn memory(server: &config::Server) -> ByteBudget {
    ByteBudget::new(server.max_bytes_in_flight, server.max_environment_bytes_in_flight)
}

/// How much of responses is held, and how many calls of an environment wait.
fn bounds(config: &Config, memory: &ByteBudget) -> (Memory, Places) {
    let max_named_response = config.upstream.max_named_response_bytes;
    let memory = Memory { budget: memory.clone(), max_named_response };
    (memory, Places::new(config.quotas.waiting_calls(config.server.max_requests)))
}

/// Runs endless work until `enough`.
async fn until(enough: CancellationToken, work: impl Future<Output = Infallible>) {
    tokio::select! {
        never = work => match never {},
        () = enough.cancelled() => {}
    }
}

/// The way to providers.
fn http(config: &config::Upstream) -> anyhow::Result<HttpClient> {
    let timeouts = Timeouts {
        connect: config.connect_timeout(),
        read: config.response_timeout(),
        whole: config.whole_response_timeout(),
    };
    let reach = if config.allow_private_addresses { Reach::Anywhere } else { Reach::Public };
    Ok(HttpClient::new(timeouts, reach)?)
}

/// The workers that evaluate expressions; none is started before it is needed.
fn expressions(mappings: &config::Mappings, program: WorkerProgram) -> Expressions {
    let limits = WorkerLimits { count: mappings.workers, memory: mappings.worker_memory() };
    Expressions::new(program, limits)
}

/// The rates at which the providers' budgets are used.
fn pacing(limits: &config::Limits, registry: &Registry) -> anyhow::Result<Pacing> {
    let of_providers = limits.provider_overrides().map_err(anyhow::Error::msg)?;
    let known = |provider, budget: &str| registry.connector(provider).has_budget(budget);
    for ((provider, budget), _) in of_providers {
        anyhow::ensure!(
            known(provider, &budget),
            "limits.overrides.{provider}.\"{budget}\": {provider} has no such method or budget; {}",
            registry.connector(provider).budget_names()
        );
    }
    for ((app, budget), _) in limits.app_overrides().map_err(anyhow::Error::msg)? {
        anyhow::ensure!(
            Provider::ALL.iter().any(|provider| known(*provider, &budget)),
            "limits.app_overrides.{app}.\"{budget}\": no provider has such a method or budget"
        );
    }
    Pacing::new(limits).map_err(anyhow::Error::msg)
}

/// What tells this process from all others.
fn process_name(entropy: &dyn Entropy) -> String {
    format!("{:016x}", u64::from_be_bytes(random_bytes(entropy)))
}

/// The budgets in Redis, when the settings want them there.
fn shared(
    limits: &config::Limits,
    process: String,
    tasks: &TaskTracker,
) -> anyhow::Result<Option<Shared>> {
    match limits.backend {
        LimitBackend::Local => Ok(None),
        LimitBackend::Redis => {
            let url = limits.redis_url().map_err(anyhow::Error::msg)?;
            Ok(Some(Shared::new(&url, process, tasks.clone())?))
        }
    }
}
