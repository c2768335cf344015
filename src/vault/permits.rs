//! How many refreshes run at the same time: for the process, and for each provider app, whose token endpoint may hang.
//! After a few time-outs in a row an app's refreshes pause together; then one of them tries the endpoint.
//!
//! Whether the endpoint is tried is decided right before the request, when nothing is waited for any more: a refresh that
//! waits for a row, or finds that another process was faster, keeps nobody from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::failure::{RefreshFailure, TokenError};
use crate::domain::ids::ProviderAppId;

/// The maximum number of refreshes at the same time. Each holds a database connection while it waits for the
/// provider, and takes a second one now and then, so it is never more than half of the connections.
const MAX_REFRESHES: usize = 8;
/// Time-outs in a row after which an app's refreshes pause.
const MAX_TIMEOUTS: u32 = 3;
/// An endpoint that could not be reached for so long hangs as well: a firewall that drops packets refuses nothing.
const HANGING_CONNECT: Duration = Duration::from_secs(1);
/// The first pause of an app; it doubles with every trial that times out.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause of an app.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// The longest wait for a permit. Callers stop waiting earlier, each when its own wait is over.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How long the one refresh that tries an endpoint after a pause keeps the others from it.
const TRIAL: Duration = Duration::from_secs(30);
/// When a caller may ask again while the endpoint is tried: the trial's end is near, mostly.
const TRIAL_PAUSE: Duration = Duration::from_secs(1);
/// When a caller may ask again after too many others.
const BUSY_PAUSE: Duration = Duration::from_secs(2);
/// More apps than this are looked through for those that nobody uses.
const MANY: usize = 1_000;

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPermit {
    /// The app's token endpoint hangs, and is left alone for so long.
    Paused(Duration),
    /// Too many refreshes were before this one.
    Busy,
}

impl From<NoPermit> for TokenError {
    fn from(why: NoPermit) -> Self {
        let (failure, retry_after) = match why {
            NoPermit::Paused(left) => (RefreshFailure::TimedOut, left),
            NoPermit::Busy => (RefreshFailure::Busy, BUSY_PAUSE),
        };
        Self::Refresh { failure, retry_after }
    }
}

/// The permits of a process.
#[derive(Debug)]
pub(super) struct Permits {
    all: Arc<Semaphore>,
    of_app: usize,
    apps: Mutex<HashMap<ProviderAppId, Arc<App>>>,
}

#[derive(Debug)]
struct App {
    permits: Arc<Semaphore>,
    endpoint: Mutex<Endpoint>,
}

/// What is known of an app's token endpoint.
#[derive(Debug, Default)]
struct Endpoint {
    timeouts_in_a_row: u32,
    paused_until: Option<Instant>,
    /// While a refresh tries it after a pause.
    tried_until: Option<Instant>,
}

/// The right to run one refresh.
#[derive(Debug)]
pub(super) struct Permit {
    _all: OwnedSemaphorePermit,
    _of_app: Option<OwnedSemaphorePermit>,
    app: Option<Arc<App>>,
}

/// One request to a token endpoint. Dropped without a report it changes nothing.
#[derive(Debug)]
pub(super) struct Attempt<'a> {
    app: Option<&'a App>,
    began: Instant,
    is_trial: bool,
}

impl Permits {
    /// Permits for a process with so many database connections.
    pub(super) fn new(connections: usize) -> Self {
        let all = (connections / 2).clamp(1, MAX_REFRESHES);
        // One app leaves a quarter to the others, where there is one.
        let of_app = all - all / 4;
        Self { all: Arc::new(Semaphore::new(all)), of_app, apps: Mutex::default() }
    }

    /// A permit for a refresh with a provider app, if the account has one.
    pub(super) async fn take(&self, app: Option<ProviderAppId>) -> Result<Permit, NoPermit> {
        let deadline = Instant::now() + MAX_WAIT;
        let app = app.map(|id| self.app(id));
        let mut of_app = None;
        if let Some(app) = &app {
            app.check()?;
            of_app = Some(acquire(&app.permits, deadline).await?);
        }
        let all = acquire(&self.all, deadline).await?;
        if let Some(app) = &app {
            // What was before this one may have found out that the endpoint hangs.
            app.check()?;
        }
        Ok(Permit { _all: all, _of_app: of_app, app })
    }

    fn app(&self, id: ProviderAppId) -> Arc<App> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= MANY {
            apps.retain(|_, app| Arc::strong_count(app) > 1 || app.endpoint().is_failing());
        }
        let new =
            || App { permits: Arc::new(Semaphore::new(self.of_app)), endpoint: Mutex::default() };
        Arc::clone(apps.entry(id).or_insert_with(|| Arc::new(new())))
    }
}

async fn acquire(
    permits: &Arc<Semaphore>,
    deadline: Instant,
) -> Result<OwnedSemaphorePermit, NoPermit> {
    let permit = timeout_at(deadline, Arc::clone(permits).acquire_owned()).await;
    permit.map_err(|_| NoPermit::Busy)?.map_err(|_| NoPermit::Busy)
}

impl Permit {
    /// Begins a request to the token endpoint; the request is sent right after. The first one after a pause tries the
    /// endpoint, and the others go on waiting for its end.
    pub(super) fn attempt(&self) -> Result<Attempt<'_>, NoPermit> {
        let began = Instant::now();
        let Some(app) = self.app.as_deref() else {
            return Ok(Attempt { app: None, began, is_trial: false });
        };
        let mut endpoint = app.endpoint();
        endpoint.check()?;
        let is_trial = endpoint.paused_until.is_some();
        if is_trial {
            endpoint.tried_until = Some(began + TRIAL);
        }
        drop(endpoint);
        Ok(Attempt { app: Some(app), began, is_trial })
    }
}

impl Attempt<'_> {
    /// Records how the request ended. Returns whether the endpoint hangs.
    pub(super) fn report(mut self, failure: Option<&RefreshFailure>) -> bool {
        let is_slow = self.began.elapsed() >= HANGING_CONNECT;
        let hangs = match failure {
            Some(RefreshFailure::TimedOut) => true,
            Some(RefreshFailure::Unreachable) => is_slow,
            Some(_) | None => false,
        };
        let is_trial = std::mem::take(&mut self.is_trial);
        if let Some(app) = self.app {
            app.endpoint().report(hangs, is_trial);
        }
        hangs
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        // Nobody knows how the trial ended: the next one tries.
        if self.is_trial
            && let Some(app) = self.app
        {
            app.endpoint().tried_until = None;
        }
    }
}

impl App {
    fn endpoint(&self) -> MutexGuard<'_, Endpoint> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails while the app pauses.
    fn check(&self) -> Result<(), NoPermit> {
        self.endpoint().check()
    }
}

impl Endpoint {
    fn is_failing(&self) -> bool {
        self.timeouts_in_a_row > 0
    }

    fn check(&self) -> Result<(), NoPermit> {
        let now = Instant::now();
        if self.tried_until.is_some_and(|until| until > now) {
            return Err(NoPermit::Paused(TRIAL_PAUSE));
        }
        match self.paused_until {
            Some(until) if until > now => Err(NoPermit::Paused(until - now)),
            Some(_) | None => Ok(()),
        }
    }

    fn report(&mut self, hangs: bool, is_trial: bool) {
        if !hangs {
            *self = Self::default();
            return;
        }
        // What began before the pause says nothing new.
        if self.paused_until.is_some() && !is_trial {
            return;
        }
        self.tried_until = None;
        self.timeouts_in_a_row = self.timeouts_in_a_row.saturating_add(1);
        if let Some(more) = self.timeouts_in_a_row.checked_sub(MAX_TIMEOUTS) {
            let pause = FIRST_PAUSE.saturating_mul(1 << more.min(8)).min(MAX_PAUSE);
            self.paused_until = Some(Instant::now() + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANGS: Option<&RefreshFailure> = Some(&RefreshFailure::TimedOut);

    fn app(number: u128) -> ProviderAppId {
        format!("app_{}", ulid::Ulid::from(number)).parse().unwrap()
    }

    async fn ask(permits: &Permits, failure: Option<&RefreshFailure>) {
        permits.take(Some(app(1))).await.unwrap().attempt().unwrap().report(failure);
    }

    #[tokio::test(start_paused = true)]
    async fn an_app_that_hangs_leaves_permits_to_the_others() {
        let permits = Permits::new(20);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(permits.take(Some(app(1))).await.unwrap());
        }
        let began = Instant::now();
        assert_eq!(permits.take(Some(app(1))).await.unwrap_err(), NoPermit::Busy);
        assert_eq!(began.elapsed(), MAX_WAIT);
        assert!(permits.take(Some(app(2))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn time_outs_in_a_row_pause_an_app_and_one_refresh_tries_it_again() {
        let permits = Permits::new(20);
        for _ in 0..MAX_TIMEOUTS {
            ask(&permits, HANGS).await;
        }
        assert_eq!(permits.take(Some(app(1))).await.unwrap_err(), NoPermit::Paused(FIRST_PAUSE));
        assert!(permits.take(Some(app(2))).await.is_ok(), "another app");
        assert!(permits.take(None).await.unwrap().attempt().is_ok());
        tokio::time::advance(FIRST_PAUSE).await;
        let permit = permits.take(Some(app(1))).await.unwrap();
        let trial = permit.attempt().unwrap();
        assert_eq!(permits.take(Some(app(1))).await.unwrap_err(), NoPermit::Paused(TRIAL_PAUSE));
        trial.report(HANGS);
        assert_eq!(
            permits.take(Some(app(1))).await.unwrap_err(),
            NoPermit::Paused(FIRST_PAUSE * 2)
        );
        tokio::time::advance(FIRST_PAUSE * 2).await;
        ask(&permits, None).await;
        assert!(permits.take(Some(app(1))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_sends_nothing_keeps_nobody_from_the_trial() {
        let permits = Permits::new(20);
        for _ in 0..MAX_TIMEOUTS {
            ask(&permits, HANGS).await;
        }
        tokio::time::advance(FIRST_PAUSE).await;
        // One waits for its account's row, another process was faster for the second, the third one's task ends.
        let waits = permits.take(Some(app(1))).await.unwrap();
        drop(permits.take(Some(app(1))).await.unwrap());
        drop(permits.take(Some(app(1))).await.unwrap().attempt().unwrap());
        ask(&permits, None).await;
        assert!(waits.attempt().is_ok(), "the endpoint is back");
    }

    #[tokio::test(start_paused = true)]
    async fn time_outs_of_requests_that_began_before_a_pause_do_not_lengthen_it() {
        let permits = Permits::new(20);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(permits.take(Some(app(1))).await.unwrap());
        }
        let attempts: Vec<_> = held.iter().map(|permit| permit.attempt().unwrap()).collect();
        for attempt in attempts {
            attempt.report(HANGS);
        }
        drop(held);
        assert_eq!(permits.take(Some(app(1))).await.unwrap_err(), NoPermit::Paused(FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_between_time_outs_prevents_the_pause() {
        let permits = Permits::new(20);
        for number in 0..10 {
            ask(&permits, HANGS.filter(|_| number % MAX_TIMEOUTS != 0)).await;
        }
        assert!(permits.take(Some(app(1))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_takes_long_is_a_time_out_and_a_refused_one_is_not() {
        let permits = Permits::new(20);
        let unreachable = Some(&RefreshFailure::Unreachable);
        for _ in 0..10 {
            ask(&permits, unreachable).await;
        }
        let permit = permits.take(Some(app(1))).await.unwrap();
        for _ in 0..MAX_TIMEOUTS {
            let attempt = permit.attempt().unwrap();
            tokio::time::advance(HANGING_CONNECT).await;
            assert!(attempt.report(unreachable));
        }
        assert_eq!(permit.attempt().unwrap_err(), NoPermit::Paused(FIRST_PAUSE));
    }
}
