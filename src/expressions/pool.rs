//! The workers of a gateway: started when they are needed, stopped when they are idle, shared fairly.
//!
//! An environment has at most one job fewer under way than there are workers, and takes its place in the line for
//! a worker only with those: however many jobs it has, one of another environment waits for few of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::process::{Worker, WorkerProgram};
use super::run::Run;
use super::{Computed, Failure, Inputs, JOB_TIMEOUT};
use crate::domain::ids::EnvironmentId;

/// The most jobs of an environment that wait or run.
const MAX_JOBS: usize = 256;
/// The most bytes that the jobs of an environment hold while they wait.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// The same of all environments.
const MAX_HELD_BYTES_IN_ALL: usize = 32 * 1024 * 1024;
/// How long a job waits for a worker.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a worker stays without a job.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The bounds of the workers.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLimits {
    /// The most workers.
    pub count: usize,
    /// The memory of each, in bytes.
    pub memory: u64,
}

/// Evaluates expressions. Clones share the workers.
#[derive(Clone)]
pub struct Expressions(Arc<Inner>);

struct Inner {
    program: WorkerProgram,
    limits: WorkerLimits,
    running: Arc<Semaphore>,
    line: Mutex<Line>,
    idle: Mutex<Idle>,
}

/// The jobs that wait or run.
#[derive(Default)]
struct Line {
    environments: HashMap<EnvironmentId, Share>,
    held: usize,
}

/// What an environment has of the workers.
struct Share {
    permits: Arc<Semaphore>,
    jobs: usize,
    held: usize,
}

#[derive(Default)]
struct Idle {
    workers: Vec<(Worker, Instant)>,
    /// Whether a task stops those that are idle for long.
    is_watched: bool,
}

/// A job in the line.
struct Admission<'a> {
    line: &'a Mutex<Line>,
    environment_id: EnvironmentId,
    held: usize,
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut line = lock(self.line);
        line.held = line.held.saturating_sub(self.held);
        if let Some(share) = line.environments.get_mut(&self.environment_id) {
            share.jobs = share.jobs.saturating_sub(1);
            share.held = share.held.saturating_sub(self.held);
            if share.jobs == 0 {
                line.environments.remove(&self.environment_id);
            }
        }
    }
}

impl fmt::Debug for Expressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expressions").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Expressions {
    /// No worker yet.
    #[must_use]
    pub fn new(program: WorkerProgram, limits: WorkerLimits) -> Self {
        let running = Arc::new(Semaphore::new(limits.count));
        let (line, idle) = Default::default();
        Self(Arc::new(Inner { program, limits, running, line, idle }))
    }

    /// Parses an expression without evaluating it.
    ///
    /// # Errors
    ///
    /// Why it can't be used, or `Busy`.
    pub async fn check(
        &self,
        environment_id: EnvironmentId,
        expression: &str,
    ) -> Result<(), Failure> {
        let inputs = Inputs { count: 0, write: &|_, _| {} };
        let parsed = self.compute(environment_id, &[expression], inputs, expression.len()).await;
        parsed.failures.into_iter().next().map_or(Ok(()), |failed| Err(failed.failure))
    }

    /// Evaluates each expression on each input. `held` is what the caller holds in memory for it, in bytes.
    pub async fn compute(
        &self,
        environment_id: EnvironmentId,
        expressions: &[&str],
        inputs: Inputs<'_>,
        held: usize,
    ) -> Computed {
        let mut run = Run::new(expressions, inputs);
        let Some((_admission, _permits)) = self.admit(environment_id, held).await else {
            return run.finish(&Failure::Busy);
        };
        let until = Instant::now() + JOB_TIMEOUT;
        loop {
            let worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) => {
                    tracing::error!(%error, "a worker for expressions can't be started");
                    return run.finish(&Failure::Busy);
                }
            };
            let (worker, goes_on) = run.go_on(worker, until).await;
            if let Some(worker) = worker {
                self.put_back(worker);
            } else {
                tracing::debug!(%environment_id, "an expression ended its worker");
            }
            if !goes_on {
                return run
                    .finish(&Failure::limit("took too long with the others of the response"));
            }
        }
    }

    /// Waits for a permit of the environment, then for one of the gateway.
    async fn admit(
        &self,
        environment_id: EnvironmentId,
        held: usize,
    ) -> Option<(Admission<'_>, [OwnedSemaphorePermit; 2])> {
        let own = self.0.share(environment_id, held)?;
        let admission = Admission { line: &self.0.line, environment_id, held };
        let wait = async {
            let own = own.acquire_owned().await.ok()?;
            Some([own, Arc::clone(&self.0.running).acquire_owned().await.ok()?])
        };
        let permits = timeout(QUEUE_TIMEOUT, wait).await.ok()??;
        Some((admission, permits))
    }

    fn worker(&self) -> std::io::Result<Worker> {
        if let Some((worker, _)) = lock(&self.0.idle).workers.pop() {
            return Ok(worker);
        }
        Worker::start(&self.0.program, self.0.limits.memory)
    }

    fn put_back(&self, worker: Worker) {
        let mut idle = lock(&self.0.idle);
        idle.workers.push((worker, Instant::now()));
        if !std::mem::replace(&mut idle.is_watched, true) {
            let inner = Arc::downgrade(&self.0);
            TaskTracker::new().spawn(async move {
                loop {
                    tokio::time::sleep(IDLE_TIMEOUT).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let mut idle = lock(&inner.idle);
                    idle.workers.retain(|(_, since)| since.elapsed() < IDLE_TIMEOUT);
                    idle.is_watched = !idle.workers.is_empty();
                    if !idle.is_watched {
                        return;
                    }
                }
            });
        }
    }
}

impl Inner {
    /// Takes a place in the line, when there is one; returns the environment's permits.
    fn share(&self, environment_id: EnvironmentId, held: usize) -> Option<Arc<Semaphore>> {
        let mut line = lock(&self.line);
        if line.held + held > MAX_HELD_BYTES_IN_ALL {
            return None;
        }
        let permits = self.limits.count.saturating_sub(1).max(1);
        let share = line.environments.entry(environment_id).or_insert_with(|| Share {
            permits: Arc::new(Semaphore::new(permits)),
            jobs: 0,
            held: 0,
        });
        if share.jobs == MAX_JOBS || share.held + held > MAX_HELD_BYTES {
            return None;
        }
        share.jobs += 1;
        share.held += held;
        let permits = Arc::clone(&share.permits);
        line.held += held;
        Some(permits)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
