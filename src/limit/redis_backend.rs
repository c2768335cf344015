//! The Redis backend of the limiter: buckets shared by several processes, by one script (`redis.lua`) with the
//! server's clock.
//!
//! Redis is optional at run time. While it is unavailable each process continues with its local state, at its share
//! of the rates: a timer counts the processes in Redis, and the last count holds. A process that starts during an
//! outage uses the configured minimum or the count in the database. After the outage the local state is sent to
//! Redis, which may have lost its own.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::backend::Backend;
use super::buckets::BucketState;
use super::redis_connection::{InvalidRedisUrl, RedisConnection, RedisConnector};
use super::redis_script::BucketScript;
use super::{Cost, Priority};

/// The Redis key of the list of processes.
const PROCESSES_KEY: &str = "switchboard:limit:processes";
/// The timeout of a connection and of a command; after it Redis counts as unavailable.
const REDIS_TIMEOUT: Duration = Duration::from_millis(500);
/// The interval between two attempts to connect.
const RECONNECT_INTERVAL: Duration = Duration::from_millis(500);
/// The interval between two heartbeats of a process.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(10);
/// How long a process counts after its last heartbeat.
const PROCESS_TTL: Duration = Duration::from_secs(30);

/// The Redis backend. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisBackend(Arc<Inner>);

struct Inner {
    redis: RedisConnector,
    script: BucketScript,
    tasks: TaskTracker,
    /// The name of this process in the list.
    process: String,
    state: Mutex<ConnectionState>,
    /// The number of the current connection; 0 before the first.
    connection_id: AtomicU64,
    /// The number of processes at the last count in Redis.
    process_count: AtomicU32,
    /// The minimum number of processes.
    min_processes: AtomicU32,
}

/// The state of the connection.
struct ConnectionState {
    connection: Option<RedisConnection>,
    /// Whether the current outage was logged.
    is_outage_logged: bool,
    next_attempt_at: Instant,
    /// Until when this process still uses its share of the rates only: others may not have reconnected yet.
    reduced_until: Instant,
    /// Until when the count can't fall: Redis may have lost the list.
    count_floor_until: Instant,
}

/// The reply of the script to a `take`.
#[derive(Debug)]
pub(super) struct TakeReply {
    pub(super) taken: bool,
    pub(super) states: Vec<BucketState>,
    /// The number of the connection it came over.
    pub(super) connection_id: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the client: its URL holds a password.
        f.debug_struct("RedisBackend").field("process", &self.process).finish_non_exhaustive()
    }
}

impl RedisBackend {
    /// Creates the backend for the Redis at `url` and the process of this name. Nothing is sent yet. Background work
    /// runs on `tasks`.
    ///
    /// # Errors
    ///
    /// When the URL is invalid.
    pub fn new(url: &str, process: String, tasks: TaskTracker) -> Result<Self, InvalidRedisUrl> {
        let now = Instant::now();
        let state = ConnectionState {
            connection: None,
            is_outage_logged: false,
            next_attempt_at: now,
            reduced_until: now,
            count_floor_until: now,
        };
        Ok(Self(Arc::new(Inner {
            redis: RedisConnector::new(url, REDIS_TIMEOUT)?,
            script: BucketScript::new(),
            tasks,
            process,
            state: Mutex::new(state),
            connection_id: AtomicU64::new(0),
            process_count: AtomicU32::new(1),
            min_processes: AtomicU32::new(1),
        })))
    }

    /// Connects, so that the first call has a connection. An unavailable Redis is not an error.
    pub async fn connect(&self) {
        self.with_state(|state| state.next_attempt_at = Instant::now() + RECONNECT_INTERVAL);
        self.try_connect().await;
    }

    /// Sets the minimum number of processes.
    pub fn set_min_processes(&self, processes: u32) {
        self.0.min_processes.store(processes.max(1), Ordering::SeqCst);
    }

    /// Sends a heartbeat and updates the number of processes; connects when there is no connection. Called by a timer
    /// every [`HEARTBEAT_INTERVAL`], so that processes without calls are counted too.
    pub async fn heartbeat(&self) {
        match self.connection() {
            Some((mut connection, connection_id)) => {
                if let Err(error) = self.count_processes(&mut connection).await {
                    self.connection_lost(connection_id, &error);
                }
            }
            None => self.connect().await,
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.with_state(|state| state.connection.is_some())
    }

    /// Returns where the state of the buckets is now. Reconnects in the background when there is no connection.
    pub(super) fn backend(&self) -> Backend {
        let now = Instant::now();
        let (is_up, is_due, uses_share) = self.with_state(|state| {
            let is_up = state.connection.is_some();
            let is_due = !is_up && state.next_attempt_at <= now;
            if is_due {
                state.next_attempt_at = now + RECONNECT_INTERVAL;
            }
            (is_up, is_due, !is_up || state.reduced_until > now)
        });
        if is_due {
            let shared = self.clone();
            self.spawn(async move { shared.try_connect().await });
        }
        let process_count = if uses_share { self.process_count() } else { 1 };
        if is_up {
            Backend::Redis {
                connection_id: self.0.connection_id.load(Ordering::SeqCst),
                process_count,
            }
        } else {
            Backend::Local { process_count }
        }
    }

    /// Returns the number of processes that share the rates while Redis is unavailable.
    fn process_count(&self) -> u32 {
        let (counted, min) = (&self.0.process_count, &self.0.min_processes);
        counted.load(Ordering::SeqCst).max(min.load(Ordering::SeqCst))
    }

    /// Runs work on a separate task.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    /// Takes a permit when all buckets have room. Returns `None` when Redis did not reply.
    pub(super) async fn take(
        &self,
        cost: &Cost,
        priority: Priority,
        unsynced: &[BucketState],
    ) -> Option<TakeReply> {
        let reply = self.run("take", Duration::ZERO, cost, priority, unsynced).await?;
        let (taken, states) = reply.0.split_first()?;
        let states = states.chunks_exact(2).filter_map(|pair| {
            let time = |index: usize| pair.get(index).map(|us| u64::try_from(*us).unwrap_or(0));
            let (backlog, blocked) = (time(0)?, time(1)?);
            let (backlog, blocked) =
                (Duration::from_micros(backlog), Duration::from_micros(blocked));
            Some(BucketState { backlog, blocked_for: blocked })
        });
        Some(TakeReply { taken: *taken == 1, states: states.collect(), connection_id: reply.1 })
    }

    /// Returns a permit that no call uses.
    pub(super) async fn return_permit(&self, cost: &Cost) {
        self.run("return", Duration::ZERO, cost, Priority::Interactive, &[]).await;
    }

    /// Blocks the buckets for all processes.
    pub(super) async fn block(&self, cost: &Cost, pause: Duration) {
        self.run("block", pause, cost, Priority::Interactive, &[]).await;
    }

    async fn run(
        &self,
        task: &str,
        argument: Duration,
        cost: &Cost,
        priority: Priority,
        unsynced: &[BucketState],
    ) -> Option<(Vec<i64>, u64)> {
        let call = self.0.script.call(task, argument, cost, priority, unsynced);
        let (mut connection, connection_id) = self.connection()?;
        match connection.invoke(&call).await {
            Ok(reply) => Some((reply, connection_id)),
            Err(error) => {
                self.connection_lost(connection_id, &error);
                None
            }
        }
    }

    async fn count_processes(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        let call = self.0.script.count(PROCESSES_KEY, PROCESS_TTL, &self.0.process);
        let counted: Vec<u32> = connection.invoke(&call).await?;
        let processes = counted.first().copied().unwrap_or(1).max(1);
        let may_have_lost_list = self.with_state(|state| state.count_floor_until > Instant::now());
        let before = self.0.process_count.load(Ordering::SeqCst);
        let processes = if may_have_lost_list { processes.max(before) } else { processes };
        self.0.process_count.store(processes, Ordering::SeqCst);
        Ok(())
    }

    /// Tries to connect, and switches to Redis.
    async fn try_connect(&self) {
        self.with_state(|state| {
            if state.is_outage_logged {
                state.count_floor_until = Instant::now() + PROCESS_TTL;
            }
        });
        let result = match self.0.redis.connect().await {
            Ok(mut connection) => self.count_processes(&mut connection).await.map(|()| connection),
            Err(error) => Err(error),
        };
        match result {
            Ok(connection) => {
                let connection_id = self.0.connection_id.fetch_add(1, Ordering::SeqCst) + 1;
                let was_down = self.with_state(|state| {
                    let now = Instant::now();
                    state.connection = Some(connection);
                    state.reduced_until =
                        if state.is_outage_logged { now + RECONNECT_INTERVAL * 2 } else { now };
                    std::mem::take(&mut state.is_outage_logged)
                });
                let processes = self.0.process_count.load(Ordering::SeqCst);
                tracing::info!(
                    connection_id,
                    was_down,
                    processes,
                    "connected to Redis: rate limits are shared"
                );
            }
            Err(error) => {
                self.0.redis.note_error(&error);
                self.log_outage(&error);
            }
        }
    }

    /// Drops the connection with this number after an error.
    fn connection_lost(&self, connection_id: u64, error: &RedisError) {
        self.0.redis.note_error(error);
        let is_first = self.with_state(|state| {
            let is_current = self.0.connection_id.load(Ordering::SeqCst) == connection_id;
            let is_first = is_current && state.connection.take().is_some();
            if is_first {
                state.next_attempt_at = Instant::now() + RECONNECT_INTERVAL;
            }
            is_first
        });
        if is_first {
            self.log_outage(error);
        }
    }

    /// Logs an outage once.
    fn log_outage(&self, error: &RedisError) {
        let is_first =
            self.with_state(|state| !std::mem::replace(&mut state.is_outage_logged, true));
        if is_first {
            let process_count = self.process_count();
            let reason = error.category();
            tracing::warn!(
                reason,
                process_count,
                "Redis is unavailable: this process limits alone, at its share of the rates"
            );
        }
    }

    fn connection(&self) -> Option<(RedisConnection, u64)> {
        self.with_state(|state| {
            let connection_id = self.0.connection_id.load(Ordering::SeqCst);
            state.connection.clone().map(|connection| (connection, connection_id))
        })
    }

    fn with_state<T>(&self, update: impl FnOnce(&mut ConnectionState) -> T) -> T {
        update(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_checked_and_never_repeated() {
        let new = |url| RedisBackend::new(url, "p".to_owned(), TaskTracker::new());
        let error = new("http://user:hunter2@host").unwrap_err().to_string();
        assert!(error.contains("limits.redis_url") && !error.contains("hunter2"), "{error}");
        let shared = new("redis://:hunter2@127.0.0.1:1/0").unwrap();
        assert!(!format!("{shared:?}").contains("hunter2"));
        assert!(!shared.is_connected());
    }
}
