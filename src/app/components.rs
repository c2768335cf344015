//! Creates the gateway's components from its settings.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::config::{self, Config, LimitBackend};
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::{Entropy, random_bytes};
use crate::domain::provider::Provider;
use crate::expressions::{ExpressionPool, WorkerLimits, WorkerProgram};
use crate::jobs::{JobRunner, JobWorker};
use crate::limit::{
    ByteBudget, ConcurrencyLimit, FailureThrottle, FairLimiter, Limiter, RateTable, RedisBackend,
};
use crate::policies::PolicyServices;
use crate::reconcile::ReconcileServices;
use crate::store::{CacheConfig, Store, UsageLog};
use crate::sync::SyncServices;
use crate::telemetry::Metrics;
use crate::unified::{AccountDiscovery, DiscoveryServices, WorkspaceNames};
use crate::upstream::{AddressPolicy, HttpClient, ResponseMemory, Timeouts, Upstream};
use crate::vault::{AccessTokens, Refresher, Signer, Vault};

/// Returns the configuration of the caches.
pub(super) fn cache_config(cache: &config::CacheSettings) -> CacheConfig {
    CacheConfig {
        max_accounts: cache.accounts,
        serve_stale_for: cache.serve_stale_for(),
        max_age: cache.max_age(),
    }
}

/// Returns a throttle of `factor` times the failed authentications that the settings allow.
pub(super) fn throttle<S: Clone + Eq + Hash>(
    server: &config::ServerSettings,
    factor: u32,
) -> Arc<FailureThrottle<S>> {
    Arc::new(FailureThrottle::new(server.failed_auth_per_minute.saturating_mul(factor)))
}

/// Returns the limits of bytes in flight.
pub(super) fn memory(server: &config::ServerSettings) -> ByteBudget {
    ByteBudget::new(server.max_bytes_in_flight, server.max_environment_bytes_in_flight)
}

/// Returns the memory limits of responses, and the limit of waiting calls per environment.
pub(super) fn upstream_bounds(
    config: &Config,
    memory: &ByteBudget,
) -> (ResponseMemory, ConcurrencyLimit) {
    let max_named_response = config.upstream.max_named_response_bytes;
    let memory =
        ResponseMemory { budget: memory.clone(), max_customer_response: max_named_response };
    (memory, ConcurrencyLimit::new(config.quotas.waiting_calls(config.server.max_requests)))
}

/// Creates the HTTP client for providers.
pub(super) fn http_client(config: &config::UpstreamSettings) -> anyhow::Result<HttpClient> {
    let timeouts = Timeouts {
        connect: config.connect_timeout(),
        read: config.response_timeout(),
        buffered: config.whole_response_timeout(),
    };
    let policy =
        if config.allow_private_addresses { AddressPolicy::Any } else { AddressPolicy::PublicOnly };
    Ok(HttpClient::new(timeouts, policy)?)
}

/// Creates the access tokens of accounts.
pub(super) fn access_tokens(
    (store, vault, metrics): (&Store, &Vault, &Metrics),
    registry: &Arc<Registry>,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    tasks: &TaskTracker,
) -> AccessTokens {
    AccessTokens::new(
        store.clone(),
        vault.clone(),
        Arc::clone(registry) as Arc<dyn Refresher>,
        Arc::clone(clock),
        Arc::clone(entropy),
        metrics.clone(),
        tasks.clone(),
    )
}

/// Returns what the sync works with.
pub(super) fn sync_services(
    (store, registry, upstream, uses): (&Store, &Arc<Registry>, &Upstream, &UsageLog),
    discovery: &AccountDiscovery,
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
    changes_reported: Arc<Notify>,
) -> SyncServices {
    SyncServices {
        store: store.clone(),
        registry: Arc::clone(registry),
        upstream: upstream.clone(),
        discovery: discovery.clone(),
        uses: uses.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        changes_reported,
        copy_changed: Arc::default(),
    }
}

/// Returns what policies work with.
pub(super) fn policy_services(
    sync: &SyncServices,
    (cursors, metrics): (&Signer, &Metrics),
    expressions: ExpressionPool,
) -> PolicyServices {
    let SyncServices { store, clock, entropy, .. } = sync;
    PolicyServices {
        store: store.clone(),
        sync: sync.clone(),
        cursors: cursors.clone(),
        workspace_names: WorkspaceNames::new(store.clone(), Arc::clone(clock)),
        expressions,
        metrics: metrics.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        due: Arc::clone(&sync.copy_changed),
    }
}

/// Returns a worker of background jobs whose leases have a name and last `lease`.
#[must_use]
pub fn job_worker(policies: &PolicyServices, name: String, lease: Duration) -> JobWorker {
    let sync = Arc::new(policies.sync.clone());
    let reconcile = Arc::new(ReconcileServices { policies: policies.clone() });
    let runners: [Arc<dyn JobRunner>; 2] = [sync, reconcile];
    JobWorker::new(policies.store.clone(), runners, name, lease)
}

/// Creates the service that discovers what the servers of accounts can do.
pub(super) fn discovery(
    (store, registry, upstream, uses): (&Store, &Arc<Registry>, &Upstream, &UsageLog),
    clock: &Arc<dyn Clock>,
) -> AccountDiscovery {
    AccountDiscovery::new(DiscoveryServices {
        store: store.clone(),
        registry: Arc::clone(registry),
        upstream: upstream.clone(),
        uses: uses.clone(),
        clock: Arc::clone(clock),
    })
}

/// Creates the pool of expression workers; each starts when it is needed.
pub(super) fn expressions(
    mappings: &config::MappingSettings,
    program: WorkerProgram,
) -> ExpressionPool {
    let limits = WorkerLimits { count: mappings.workers, memory: mappings.worker_memory() };
    ExpressionPool::new(program, limits)
}

/// Creates the table of effective rates; checks that the overrides name existing buckets.
pub(super) fn rate_table(
    limits: &config::LimitSettings,
    registry: &Registry,
) -> anyhow::Result<RateTable> {
    let provider_overrides = limits.provider_overrides().map_err(anyhow::Error::msg)?;
    let exists = |provider, bucket: &str| registry.connector(provider).has_budget(bucket);
    for ((provider, bucket), _) in provider_overrides {
        anyhow::ensure!(
            exists(provider, &bucket),
            "limits.overrides.{provider}.\"{bucket}\": {provider} has no such method or bucket; {}",
            registry.connector(provider).budget_names()
        );
    }
    for ((app, bucket), _) in limits.app_overrides().map_err(anyhow::Error::msg)? {
        anyhow::ensure!(
            Provider::ALL.iter().any(|provider| exists(*provider, &bucket)),
            "limits.app_overrides.{app}.\"{bucket}\": no provider has such a method or bucket"
        );
    }
    RateTable::new(limits).map_err(anyhow::Error::msg)
}

/// Returns a unique name for this process.
pub(super) fn process_name(entropy: &dyn Entropy) -> String {
    format!("{:016x}", u64::from_be_bytes(random_bytes(entropy)))
}

/// Creates the Redis backend of the rate limiter if the settings select it.
pub(super) fn redis_backend(
    limits: &config::LimitSettings,
    process: String,
    tasks: &TaskTracker,
) -> anyhow::Result<Option<RedisBackend>> {
    match limits.backend {
        LimitBackend::Local => Ok(None),
        LimitBackend::Redis => {
            let url = limits.redis_url().map_err(anyhow::Error::msg)?;
            Ok(Some(RedisBackend::new(&url, process, tasks.clone())?))
        }
    }
}

/// Creates the rate limiter: with the Redis backend, or local.
pub(super) fn limiter(redis: Option<&RedisBackend>) -> Arc<dyn Limiter> {
    Arc::new(match redis {
        Some(redis) => FairLimiter::with_redis(redis.clone()),
        None => FairLimiter::local(),
    })
}
