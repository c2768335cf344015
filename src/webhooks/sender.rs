//! The sender: claims the endpoints with something to deliver and works on each in a task of its own, so that a slow
//! endpoint delays no other.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::WebhookError;
use super::round::{RoundBounds, RoundEnd};
use super::services::WebhookServices;
use crate::domain::ids::EnvironmentId;
use crate::store::{ClaimLimits, StoreError, WebhookLease};

/// How long a task works on one endpoint before others of its environment have precedence.
const MAX_TURN: Duration = Duration::from_secs(10);
/// The part of the endpoints that may be of one environment: one of this many.
const ENVIRONMENT_SHARE: usize = 4;

/// The options of a sender.
#[derive(Debug, Clone, Copy)]
pub struct SenderOptions {
    /// Maximum number of endpoints at the same time.
    pub endpoints: usize,
    /// Maximum number of requests to one endpoint at the same time.
    pub per_endpoint: usize,
    /// How long an endpoint belongs to a process that no longer responds. At least three times the timeout of an
    /// attempt.
    pub lease: Duration,
    /// The interval of searches for endpoints with something to deliver.
    pub poll_every: Duration,
}

/// Delivers events to endpoints.
#[derive(Debug, Clone)]
pub struct WebhookSender {
    services: WebhookServices,
    /// The name of the process, which begins the names of its claims.
    name: String,
    options: SenderOptions,
    claims: Arc<AtomicU64>,
}

impl WebhookSender {
    /// Returns a sender. No two have the same name.
    #[must_use]
    pub fn new(services: WebhookServices, name: String, options: SenderOptions) -> Self {
        Self { services, name, options, claims: Arc::default() }
    }

    /// Delivers events until `stop`. Then no attempt begins, and those in flight end within their timeout.
    pub async fn run(&self, stop: &CancellationToken) {
        let mut running = RunningTasks::default();
        while !stop.is_cancelled() {
            if let Err(error) = self.claim(&mut running, stop).await {
                tracing::warn!(%error, "the queue of webhooks could not be read");
            }
            let mut pause = pin!(tokio::time::sleep(self.options.poll_every));
            loop {
                let was_full = running.count() >= self.options.endpoints;
                tokio::select! {
                    () = &mut pause => break,
                    () = stop.cancelled() => break,
                    Some(ended) = running.next() => {
                        report(&ended);
                        if was_full {
                            break;
                        }
                    }
                }
            }
        }
        while let Some(ended) = running.next().await {
            report(&ended);
        }
    }

    /// Delivers everything that is due, and returns the number of attempts.
    ///
    /// # Errors
    ///
    /// When the database fails, or the secrets of an endpoint can't be opened.
    pub async fn deliver_once(&self, stop: &CancellationToken) -> Result<usize, WebhookError> {
        let (mut running, mut attempts) = (RunningTasks::default(), 0);
        loop {
            self.claim(&mut running, stop).await?;
            match running.next().await {
                Some(ended) => attempts += ended?,
                None => return Ok(attempts),
            }
        }
    }

    /// Claims as many endpoints as there is room for, and starts a task for each.
    async fn claim(
        &self,
        running: &mut RunningTasks,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let free = self.options.endpoints.saturating_sub(running.count());
        if free == 0 || stop.is_cancelled() {
            return Ok(());
        }
        let number = self.claims.fetch_add(1, Ordering::Relaxed);
        let claim = format!("{}-{number}", self.name);
        let limits = ClaimLimits {
            webhooks: free,
            per_environment: (self.options.endpoints / ENVIRONMENT_SHARE).max(1),
            held: running.by_environment(),
        };
        let WebhookServices { store, clock, .. } = &self.services;
        let lease = self.options.lease;
        for lease in store.claim_webhooks(&claim, lease, &limits, clock.now()).await? {
            let (sender, stop, environment_id) = (self.clone(), stop.clone(), lease.environment_id);
            running.spawn(environment_id, async move { sender.work_on(&lease, &stop).await });
        }
        Ok(())
    }

    /// Makes rounds of deliveries to a claimed endpoint while there is something to deliver, and returns the number of
    /// attempts. After an error the endpoint stays claimed until the lease expires, which is a pause.
    async fn work_on(
        &self,
        lease: &WebhookLease,
        stop: &CancellationToken,
    ) -> Result<usize, WebhookError> {
        let bounds =
            RoundBounds { concurrency: self.options.per_endpoint, lease: self.options.lease };
        let (began, mut attempts) = (Instant::now(), 0);
        while !stop.is_cancelled() && began.elapsed() < MAX_TURN {
            // Boxed, because it is large.
            match Box::pin(self.services.deliver_round(lease, bounds, stop)).await? {
                RoundEnd::Attempted(count) => attempts += count,
                RoundEnd::Idle => break,
                RoundEnd::LeaseLost => {
                    tracing::warn!(webhook = %lease.webhook_id, "another process delivers to it");
                    return Ok(attempts);
                }
            }
        }
        self.services.store.tenant(lease.environment_id).release_webhook(lease).await?;
        Ok(attempts)
    }
}

/// The tasks of a sender, one for each claimed endpoint.
#[derive(Debug, Default)]
struct RunningTasks {
    tasks: JoinSet<Result<usize, WebhookError>>,
    environments: HashMap<Id, EnvironmentId>,
}

impl RunningTasks {
    fn spawn(
        &mut self,
        environment_id: EnvironmentId,
        work: impl Future<Output = Result<usize, WebhookError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work);
        self.environments.insert(task.id(), environment_id);
    }

    fn count(&self) -> usize {
        self.tasks.len()
    }

    fn by_environment(&self) -> HashMap<EnvironmentId, usize> {
        let mut counts = HashMap::new();
        for environment_id in self.environments.values() {
            *counts.entry(*environment_id).or_default() += 1;
        }
        counts
    }

    /// Waits for the end of a task; `None` if there is none.
    async fn next(&mut self) -> Option<Result<usize, WebhookError>> {
        let (id, ended) = match self.tasks.join_next_with_id().await? {
            Ok((id, ended)) => (id, ended),
            Err(error) => (error.id(), Err(error.into())),
        };
        self.environments.remove(&id);
        Some(ended)
    }
}

/// Logs the error of a task.
fn report(ended: &Result<usize, WebhookError>) {
    if let Err(error) = ended {
        tracing::warn!(%error, "deliveries to a webhook were interrupted and are made later");
    }
}
