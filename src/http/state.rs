//! The services that handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::ProviderServices;
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::expressions::ExpressionPool;
use crate::limit::{ByteBudget, ConcurrencyLimit, FailureThrottle, Limiter};
use crate::link::LinkService;
use crate::policies::PolicyServices;
use crate::store::{Store, UsageLog};
use crate::sync::SyncServices;
use crate::telemetry::{Metrics, Traces};
use crate::unified::{AccountDiscovery, WorkspaceNames};
use crate::upstream::Upstream;
use crate::vault::{AccessTokens, KeyIssuer, Signer, Vault};
use crate::webhooks::WebhookServices;

/// The services behind the router.
#[derive(Clone)]
pub struct Services {
    /// The database.
    pub store: Store,
    /// Encrypts and decrypts secrets.
    pub vault: Vault,
    /// The access tokens of accounts.
    pub tokens: AccessTokens,
    /// The rate limiter; its statistics are metrics.
    pub limiter: Arc<dyn Limiter>,
    /// Sends calls to providers.
    pub upstream: Upstream,
    /// The connectors of the providers.
    pub registry: Arc<Registry>,
    /// Evaluates the expressions of mappings.
    pub expressions: ExpressionPool,
    /// Updates the copies of directories.
    pub sync: SyncServices,
    /// Evaluates policies and fixes violations.
    pub policies: PolicyServices,
    /// The cache of workspace names.
    pub workspace_names: WorkspaceNames,
    /// Discovers what the servers of accounts can do.
    pub discovery: AccountDiscovery,
    /// Links accounts.
    pub links: LinkService,
    /// Delivers events to webhooks.
    pub webhooks: WebhookServices,
    /// Issues API keys and account tokens.
    pub keys: KeyIssuer,
    /// Signs cursors.
    pub cursors: Signer,
    /// Whether the main listener serves `/metrics`; otherwise a listener of its own does.
    pub serves_metrics: bool,
    /// The metrics.
    pub metrics: Metrics,
    /// Exports spans.
    pub traces: Traces,
    /// The usage log of credentials, part of the audit log.
    pub uses: UsageLog,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
    /// Request slots per environment.
    pub places: ConcurrencyLimit,
    /// Number of requests in flight.
    pub in_flight: Arc<AtomicUsize>,
    /// Tasks that outlive their caller's connection; a shutdown waits for them.
    pub tasks: TaskTracker,
    /// Cancelled when the process begins to stop: streams end then.
    pub stopping: CancellationToken,
    /// The proxies that may forward client addresses.
    pub trusted_proxies: Networks,
    /// Throttles addresses that send unknown keys.
    pub failed_auth_throttle: Arc<FailureThrottle<IpAddr>>,
    /// Throttles keys that are expired or revoked, by their digests.
    pub invalid_key_throttle: Arc<FailureThrottle<Digest>>,
    /// Throttles addresses that send events with invalid signatures. All Slack apps send from the same addresses.
    pub invalid_signature_throttle: Arc<FailureThrottle<IpAddr>>,
    /// Slots for bodies that are read before authentication.
    pub unauthenticated_bodies: Arc<Semaphore>,
    /// Memory for forms that are read for authentication, in KiB.
    pub form_memory: Arc<Semaphore>,
    /// Maximum body size of our own API, in bytes.
    pub max_body_bytes: usize,
    /// Maximum size of an upload of a desired state, in bytes.
    pub max_upload_bytes: usize,
    /// Memory budget for buffered bodies and responses.
    pub memory: ByteBudget,
    /// Maximum time to receive a body of our own API.
    pub body_timeout: Duration,
    /// Maximum time to receive an upload of a desired state.
    pub upload_timeout: Duration,
    /// Maximum time to wait for a rate limit permit.
    pub max_wait: Duration,
}

impl Services {
    /// Returns the services that disconnecting an account needs.
    #[must_use]
    pub fn provider_services(&self) -> ProviderServices<'_> {
        let Self { registry, upstream, uses, max_wait, .. } = self;
        ProviderServices { registry, upstream, uses, max_wait: *max_wait }
    }

    /// Returns the services with their own connections to providers.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { upstream: self.upstream.with_own_connections(), ..self.clone() }
    }
}

/// The shared services.
pub type AppState = Arc<Services>;
