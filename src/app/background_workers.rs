//! The workers of this process besides the HTTP server: jobs, the changes between runs of the sync, policies, automatic
//! rule sets.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::components::job_worker;
use crate::config::SyncWorkerSettings;
use crate::jobs::JobWorker;
use crate::policies::{PolicyServices, PolicyWorker};
use crate::reconcile::{ReconcileServices, RuleSetWorker};
use crate::sync::Worker;

/// The interval of searches for accounts whose next full run is due.
const SCHEDULE_INTERVAL: Duration = Duration::from_secs(10);
/// The number of accounts whose reported changes are read at the same time, for each worker: they mostly wait for the
/// provider.
const FOLLOWERS_PER_WORKER: u16 = 4;

/// The workers.
#[derive(Debug, Clone)]
pub struct BackgroundWorkers {
    /// Works on background jobs.
    pub jobs: JobWorker,
    /// Requests runs of the sync, and follows changes between them.
    pub sync: Worker,
    /// Evaluates policies.
    pub policies: PolicyWorker,
    /// Applies automatic rule sets.
    pub rule_sets: RuleSetWorker,
    /// The number of jobs, and of accounts whose policies are evaluated, at the same time.
    count: u16,
    /// The interval of searches for due jobs.
    poll_every: Duration,
}

impl BackgroundWorkers {
    /// Returns the workers of the process with this name.
    pub(super) fn new(
        services: &PolicyServices,
        name: &str,
        settings: &SyncWorkerSettings,
    ) -> Self {
        let (name, lease) = (|| name.to_owned(), settings.lease());
        // The other half of the followers is left for objects.
        let logs = usize::from(followers(settings.workers) / 2).max(1);
        let reconcile = ReconcileServices { policies: services.clone() };
        Self {
            jobs: job_worker(services, name(), lease),
            sync: Worker::new(services.sync.clone(), name(), lease, logs),
            policies: PolicyWorker::new(services.clone(), name(), lease),
            rule_sets: RuleSetWorker::new(reconcile, name(), lease),
            count: settings.workers,
            poll_every: settings.poll_every(),
        }
    }

    /// Starts them, until `stopping`. Does nothing if the process has no workers.
    pub(super) fn spawn(&self, tasks: &TaskTracker, stopping: &CancellationToken) {
        let poll_every = self.poll_every;
        for _ in 0..followers(self.count) {
            let (worker, stop) = (self.sync.clone(), stopping.clone());
            tasks.spawn(async move { worker.follow(poll_every, &stop).await });
        }
        for _ in 0..self.count {
            let (jobs, stop) = (self.jobs.clone(), stopping.clone());
            tasks.spawn(async move { jobs.run(poll_every, &stop).await });
            // The fixes of one account delay those of no other.
            let (policies, stop) = (self.policies.clone(), stopping.clone());
            tasks.spawn(async move { policies.run(poll_every, &stop).await });
        }
        if self.count == 0 {
            return;
        }
        let (worker, stop) = (self.sync.clone(), stopping.clone());
        let scheduling = async move { worker.schedule(SCHEDULE_INTERVAL).await };
        tasks.spawn(run_until(stop, scheduling));
        let (rule_sets, stop) = (self.rule_sets.clone(), stopping.clone());
        tasks.spawn(async move { rule_sets.run(poll_every, &stop).await });
    }
}

/// Returns the number of accounts whose changes are followed at the same time.
fn followers(workers: u16) -> u16 {
    workers.saturating_mul(FOLLOWERS_PER_WORKER)
}

/// Runs endless work until the token is cancelled.
pub(super) async fn run_until(
    cancelled: CancellationToken,
    work: impl Future<Output = Infallible>,
) {
    tokio::select! {
        never = work => match never {},
        () = cancelled.cancelled() => {}
    }
}
