//! The budgets of several processes, in Redis: one script, `shared.lua`, with the server's time.
//!
//! Redis is not needed. While it is away each process goes on with what it knows itself, at its share of
//! the rates: the processes are counted in Redis by a timer, and the last count holds. A process that started
//! meanwhile takes the floor that it was given, a setting or the count in the database. What was given meanwhile
//! is told when Redis is back, also to one that has forgotten everything.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::desk::Source;
use super::ledger::Known;
use super::redis::{Redis, RedisConnection, UnusableUrl};
use super::script::Budgets;
use super::{Class, Price};

/// The list of processes.
const PROCESSES: &str = "switchboard:limit:processes";
/// How long Redis may take for anything; after that it counts as away.
const MAY_TAKE: Duration = Duration::from_millis(500);
/// How often it is looked for while it is away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often a process says that it is there.
pub const COUNT_EVERY: Duration = Duration::from_secs(10);
/// For how long a process counts that says nothing.
const COUNTS_FOR: Duration = Duration::from_secs(30);

/// The budgets in Redis. Clones are the same connection.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    redis: Redis,
    budgets: Budgets,
    tasks: TaskTracker,
    /// What this process is called in the list.
    process: String,
    link: Mutex<Link>,
    /// How many connections there were; 0 before the first.
    number: AtomicU64,
    /// How many processes there were when they were last counted in Redis.
    processes: AtomicU32,
    /// How many there are at the least.
    floor: AtomicU32,
}

/// The connection.
struct Link {
    connection: Option<RedisConnection>,
    /// Whether somebody was told that Redis is away.
    is_missed: bool,
    look_at: Instant,
    /// Until when it goes on at its share, because others may not have found Redis yet.
    shares_until: Instant,
    /// Until when processes count that Redis has forgotten.
    remembers_until: Instant,
}

/// What Redis says of a call's budgets.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) taken: bool,
    pub(super) known: Vec<Known>,
    /// The number of the connection it came on.
    pub(super) link: u64,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the client: its address holds a password.
        f.debug_struct("Shared").field("process", &self.process).finish_non_exhaustive()
    }
}

impl Shared {
    /// The budgets in the Redis at `url`, for the process of this name. Nothing is asked yet. What is
    /// asked runs on `tasks`.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(url: &str, process: String, tasks: TaskTracker) -> Result<Self, UnusableUrl> {
        let now = Instant::now();
        let link = Link {
            connection: None,
            is_missed: false,
            look_at: now,
            shares_until: now,
            remembers_until: now,
        };
        Ok(Self(Arc::new(Inner {
            redis: Redis::new(url, MAY_TAKE)?,
            budgets: Budgets::new(),
            tasks,
            process,
            link: Mutex::new(link),
            number: AtomicU64::new(0),
            processes: AtomicU32::new(1),
            floor: AtomicU32::new(1),
        })))
    }

    /// Looks for Redis, so that the first call finds it. It is no failure when it is away.
    pub async fn connect(&self) {
        self.with_link(|link| link.look_at = Instant::now() + LOOK_EVERY);
        self.look().await;
    }

    /// Sets how many processes there are at the least, as others have counted them.
    pub fn set_floor(&self, processes: u32) {
        self.0.floor.store(processes.max(1), Ordering::SeqCst);
    }

    /// Says that this process is there, and hears how many there are; looks for Redis when it is away. For a
    /// timer, every [`COUNT_EVERY`], so that processes without calls are counted, too.
    pub async fn tick(&self) {
        match self.connection() {
            Some((mut connection, number)) => {
                if let Err(error) = self.count(&mut connection).await {
                    self.lost(number, &error);
                }
            }
            None => self.connect().await,
        }
    }

    /// Whether Redis is there.
    pub(super) fn is_up(&self) -> bool {
        self.with_link(|link| link.connection.is_some())
    }

    /// Who knows the budgets at the moment. Looks for Redis, in the background, when it is away.
    pub(super) fn source(&self) -> Source {
        let now = Instant::now();
        let (is_up, looks, is_sharing) = self.with_link(|link| {
            let is_up = link.connection.is_some();
            let looks = !is_up && link.look_at <= now;
            if looks {
                link.look_at = now + LOOK_EVERY;
            }
            (is_up, looks, !is_up || link.shares_until > now)
        });
        if looks {
            let shared = self.clone();
            self.spawn(async move { shared.look().await });
        }
        let share = if is_sharing { self.share() } else { 1 };
        if is_up {
            Source::Shared { link: self.0.number.load(Ordering::SeqCst), share }
        } else {
            Source::Ours { share }
        }
    }

    /// How many processes share the rates while Redis is away.
    fn share(&self) -> u32 {
        let (counted, floor) = (&self.0.processes, &self.0.floor);
        counted.load(Ordering::SeqCst).max(floor.load(Ordering::SeqCst))
    }

    /// Does something beside the callers.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    /// Takes a call, when all budgets have room.
    pub(super) async fn take(
        &self,
        price: &Price,
        goes_as: Class,
        untold: &[Known],
    ) -> Option<Answer> {
        let answer = self.run("take", Duration::ZERO, price, goes_as, untold).await?;
        let (taken, known) = answer.0.split_first()?;
        let known = known.chunks_exact(2).filter_map(|pair| {
            let time = |at: usize| pair.get(at).map(|us| u64::try_from(*us).unwrap_or(0));
            let (owed, blocked) = (time(0)?, time(1)?);
            let (owed, blocked) = (Duration::from_micros(owed), Duration::from_micros(blocked));
            Some(Known { owed, blocked })
        });
        Some(Answer { taken: *taken == 1, known: known.collect(), link: answer.1 })
    }

    /// Gives back a call that was taken and that nobody makes.
    pub(super) async fn give_back(&self, price: &Price) {
        self.run("return", Duration::ZERO, price, Class::Interactive, &[]).await;
    }

    /// Blocks the budgets for all processes.
    pub(super) async fn block(&self, price: &Price, pause: Duration) {
        self.run("block", pause, price, Class::Interactive, &[]).await;
    }

    async fn run(
        &self,
        task: &str,
        number: Duration,
        price: &Price,
        goes_as: Class,
        untold: &[Known],
    ) -> Option<(Vec<i64>, u64)> {
        let call = self.0.budgets.call(task, number, price, goes_as, untold);
        let (mut connection, number) = self.connection()?;
        match connection.invoke(&call).await {
            Ok(answer) => Some((answer, number)),
            Err(error) => {
                self.lost(number, &error);
                None
            }
        }
    }

    async fn count(&self, connection: &mut RedisConnection) -> Result<(), RedisError> {
        let call = self.0.budgets.count(PROCESSES, COUNTS_FOR, &self.0.process);
        let counted: Vec<u32> = connection.invoke(&call).await?;
        let processes = counted.first().copied().unwrap_or(1).max(1);
        let remembers = self.with_link(|link| link.remembers_until > Instant::now());
        let before = self.0.processes.load(Ordering::SeqCst);
        let processes = if remembers { processes.max(before) } else { processes };
        self.0.processes.store(processes, Ordering::SeqCst);
        Ok(())
    }

    /// Looks whether Redis is there, and goes over to it.
    async fn look(&self) {
        self.with_link(|link| {
            if link.is_missed {
                link.remembers_until = Instant::now() + COUNTS_FOR;
            }
        });
        let tried = match self.0.redis.connect().await {
            Ok(mut connection) => self.count(&mut connection).await.map(|()| connection),
            Err(error) => Err(error),
        };
        match tried {
            Ok(connection) => {
                let number = self.0.number.fetch_add(1, Ordering::SeqCst) + 1;
                let was_missed = self.with_link(|link| {
                    let now = Instant::now();
                    link.connection = Some(connection);
                    link.shares_until = if link.is_missed { now + LOOK_EVERY * 2 } else { now };
                    std::mem::take(&mut link.is_missed)
                });
                let processes = self.0.processes.load(Ordering::SeqCst);
                tracing::info!(number, was_missed, processes, "limits are shared through Redis");
            }
            Err(error) => {
                self.0.redis.note(&error);
                self.miss(&error);
            }
        }
    }

    /// The connection of that number is of no use any more.
    fn lost(&self, number: u64, error: &RedisError) {
        self.0.redis.note(error);
        let is_news = self.with_link(|link| {
            let is_this = self.0.number.load(Ordering::SeqCst) == number;
            let is_news = is_this && link.connection.take().is_some();
            if is_news {
                link.look_at = Instant::now() + LOOK_EVERY;
            }
            is_news
        });
        if is_news {
            self.miss(error);
        }
    }

    /// Says that Redis is away, once.
    fn miss(&self, error: &RedisError) {
        let is_news = self.with_link(|link| !std::mem::replace(&mut link.is_missed, true));
        if is_news {
            let share = self.share();
            let reason = error.category();
            tracing::warn!(
                reason,
                share,
                "Redis is away: limits are kept by this process alone, at its share of the rates"
            );
        }
    }

    fn connection(&self) -> Option<(RedisConnection, u64)> {
        self.with_link(|link| {
            let number = self.0.number.load(Ordering::SeqCst);
            link.connection.clone().map(|connection| (connection, number))
        })
    }

    fn with_link<T>(&self, look: impl FnOnce(&mut Link) -> T) -> T {
        look(&mut self.0.link.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_and_never_repeated() {
        let new = |url| Shared::new(url, "p".to_owned(), TaskTracker::new());
        let error = new("http://user:hunter2@host").unwrap_err().to_string();
        assert!(error.contains("limits.redis_url") && !error.contains("hunter2"), "{error}");
        let shared = new("redis://:hunter2@127.0.0.1:1/0").unwrap();
        assert!(!format!("{shared:?}").contains("hunter2"));
        assert!(!shared.is_up());
    }
}
