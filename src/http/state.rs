//! What every handler can reach.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::admin::Ways;
use crate::connectors::Registry;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::expressions::Expressions;
use crate::limit::{ByteBudget, Damper, Limiter, Places};
use crate::link::Links;
use crate::store::{Store, UseLog};
use crate::telemetry::{Metrics, Traces};
use crate::unified::WorkspaceNames;
use crate::upstream::Upstream;
use crate::vault::{KeyIssuer, Signer, Tokens, Vault};

/// The services behind the router.
#[derive(Clone)]
pub struct Services {
    /// The database.
    pub store: Store,
    /// The secrets.
    pub vault: Vault,
    /// The tokens of accounts.
    pub tokens: Tokens,
    /// Whose turn it is; its figures are for metrics.
    pub limiter: Arc<dyn Limiter>,
    /// The way out to providers.
    pub upstream: Upstream,
    /// The providers.
    pub registry: Arc<Registry>,
    /// What evaluates the expressions of mappings.
    pub expressions: Expressions,
    /// The names of the workspaces of accounts.
    pub workspace_names: WorkspaceNames,
    /// How customers are linked.
    pub links: Links,
    /// Issues API keys and account tokens.
    pub keys: KeyIssuer,
    /// What signs cursors.
    pub cursors: Signer,
    /// Whether the main listener serves `/metrics`; otherwise a listener of its own does.
    pub serves_metrics: bool,
    /// What is counted.
    pub metrics: Metrics,
    /// Where spans go.
    pub traces: Traces,
    /// Uses of credentials, on their way to the audit log.
    pub uses: UseLog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The share of each environment of the requests that are being answered.
    pub places: Places,
    /// Requests that are being answered.
    pub inside: Arc<AtomicUsize>,
    /// Work that goes on when its caller hangs up; a stop waits for it.
    pub tasks: TaskTracker,
    /// Whose word counts about where a caller is.
    pub trusted_proxies: Networks,
    /// Addresses that send keys which this gateway did not issue.
    pub damper: Arc<Damper<IpAddr>>,
    /// Keys that were issued here and are expired or revoked, by their digests.
    pub ended_keys: Arc<Damper<Digest>>,
    /// Addresses that send events which no app signed. All of Slack's apps send from the same ones.
    pub forgeries: Arc<Damper<IpAddr>>,
    /// Places for bodies that are read before it is known who sends them.
    pub unproven_bodies: Arc<Semaphore>,
    /// Memory for forms that are read to find out who sends them, in KiB.
    pub form_memory: Arc<Semaphore>,
    /// The largest body of our own API, in bytes.
    pub max_body_bytes: usize,
    /// What may be held as a whole of bodies and responses.
    pub memory: ByteBudget,
    /// How long a body of our own API may take to come.
    pub body_timeout: Duration,
    /// How long a request waits for its turn at a provider.
    pub max_wait: Duration,
}

impl Services {
    /// The ways out that the end of an account needs.
    #[must_use]
    pub fn ways(&self) -> Ways<'_> {
        let Self { registry, upstream, uses, max_wait, .. } = self;
        Ways { registry, upstream, uses, max_wait: *max_wait }
    }

    /// The same services, with connections to the providers of their own.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { upstream: self.upstream.with_own_connections(), ..self.clone() }
    }
}

/// The services, shared.
pub type AppState = Arc<Services>;
