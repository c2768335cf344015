//! Pool of a gateway's workers: started on demand, stopped when idle, divided fairly.
//!
//! An environment runs at most one job fewer than there are workers, and only its running jobs queue for a worker. So
//! however many jobs an environment has, a job of another one waits for few of them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::process::{Worker, WorkerProgram};
use super::run::JobRun;
use super::{ExpressionError, JOB_TIMEOUT, JobInputs, JobOutput};
use crate::domain::ids::EnvironmentId;

/// Maximum number of queued and running jobs of an environment.
const MAX_JOBS: usize = 256;
/// Maximum number of bytes held by the queued jobs of an environment.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// Maximum number of bytes held by the queued jobs of all environments.
const MAX_TOTAL_HELD_BYTES: usize = 32 * 1024 * 1024;
/// Maximum wait of a job for a worker.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a worker stays idle before it is stopped.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Limits of the workers.
#[derive(Debug, Clone, Copy)]
pub struct WorkerLimits {
    /// Maximum number of workers.
    pub count: usize,
    /// Memory of each worker, in bytes.
    pub memory: u64,
}

/// Evaluator of expressions. Clones share the workers.
#[derive(Clone)]
pub struct ExpressionPool(Arc<ExpressionPoolInner>);

struct ExpressionPoolInner {
    program: WorkerProgram,
    limits: WorkerLimits,
    running: Arc<Semaphore>,
    queue: Mutex<JobQueue>,
    idle: Mutex<IdleWorkers>,
}

/// Queued and running jobs.
#[derive(Default)]
struct JobQueue {
    environments: HashMap<EnvironmentId, EnvironmentJobs>,
    held: usize,
}

/// Jobs and permits of an environment.
struct EnvironmentJobs {
    permits: Arc<Semaphore>,
    jobs: usize,
    held: usize,
}

#[derive(Default)]
struct IdleWorkers {
    workers: Vec<(Worker, Instant)>,
    /// Whether a task is stopping long-idle workers.
    has_reaper: bool,
}

/// A queued or running job.
struct QueuedJob<'a> {
    queue: &'a Mutex<JobQueue>,
    environment_id: EnvironmentId,
    held: usize,
}

impl Drop for QueuedJob<'_> {
    fn drop(&mut self) {
        let mut line = lock(self.queue);
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

impl fmt::Debug for ExpressionPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExpressionPool").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl ExpressionPool {
    /// Creates an empty pool.
    #[must_use]
    pub fn new(program: WorkerProgram, limits: WorkerLimits) -> Self {
        let running = Arc::new(Semaphore::new(limits.count));
        let (line, idle) = Default::default();
        Self(Arc::new(ExpressionPoolInner { program, limits, running, queue: line, idle }))
    }

    /// Parses an expression without evaluating it.
    ///
    /// # Errors
    ///
    /// `Syntax` when the expression is invalid, or `Busy`.
    pub async fn check(
        &self,
        environment_id: EnvironmentId,
        expression: &str,
    ) -> Result<(), ExpressionError> {
        let inputs = JobInputs { count: 0, write: &|_, _| {} };
        let parsed = self.compute(environment_id, &[expression], inputs, expression.len()).await;
        parsed.errors.into_iter().next().map_or(Ok(()), |failed| Err(failed.error))
    }

    /// Evaluates each expression on each input. `held` is the memory that the caller holds for it, in bytes.
    pub async fn compute(
        &self,
        environment_id: EnvironmentId,
        expressions: &[&str],
        inputs: JobInputs<'_>,
        held: usize,
    ) -> JobOutput {
        let mut run = JobRun::new(expressions, inputs);
        let Some((_admission, _permits)) = self.admit(environment_id, held).await else {
            return run.finish(&ExpressionError::Busy);
        };
        let until = Instant::now() + JOB_TIMEOUT;
        loop {
            let worker = match self.worker() {
                Ok(worker) => worker,
                Err(error) => {
                    tracing::error!(%error, "an expression worker could not be started");
                    return run.finish(&ExpressionError::Busy);
                }
            };
            let (worker, goes_on) = run.continue_in(worker, until).await;
            if let Some(worker) = worker {
                self.put_back(worker);
            } else {
                tracing::debug!(%environment_id, "an expression ended its worker");
            }
            if !goes_on {
                return run.finish(&ExpressionError::limit(
                    "time limit of the response's expressions exceeded",
                ));
            }
        }
    }

    /// Waits for a permit of the environment, then for one of the gateway.
    async fn admit(
        &self,
        environment_id: EnvironmentId,
        held: usize,
    ) -> Option<(QueuedJob<'_>, [OwnedSemaphorePermit; 2])> {
        let own = self.0.enqueue(environment_id, held)?;
        let admission = QueuedJob { queue: &self.0.queue, environment_id, held };
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
        if !std::mem::replace(&mut idle.has_reaper, true) {
            let inner = Arc::downgrade(&self.0);
            TaskTracker::new().spawn(async move {
                loop {
                    tokio::time::sleep(IDLE_TIMEOUT).await;
                    let Some(inner) = inner.upgrade() else { return };
                    let mut idle = lock(&inner.idle);
                    idle.workers.retain(|(_, since)| since.elapsed() < IDLE_TIMEOUT);
                    idle.has_reaper = !idle.workers.is_empty();
                    if !idle.has_reaper {
                        return;
                    }
                }
            });
        }
    }
}

impl ExpressionPoolInner {
    /// Enqueues a job if its environment may have a further one; returns the environment's permits.
    fn enqueue(&self, environment_id: EnvironmentId, held: usize) -> Option<Arc<Semaphore>> {
        let mut line = lock(&self.queue);
        if line.held + held > MAX_TOTAL_HELD_BYTES {
            return None;
        }
        let permits = self.limits.count.saturating_sub(1).max(1);
        let share = line.environments.entry(environment_id).or_insert_with(|| EnvironmentJobs {
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
