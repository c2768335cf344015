//! Limits on concurrent refreshes: per process, and per provider app, because its token endpoint may hang. After a few
//! consecutive time-outs an app's refreshes pause; then one of them probes the endpoint.
//!
//! The probe is chosen right before the request, when nothing else is waited for: a refresh that waits for a row, or
//! finds that another process was faster, does not block the probe.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::error::{RefreshFailure, TokenError};
use crate::domain::ids::ProviderAppId;

/// Maximum number of concurrent refreshes. Each holds a database connection while it waits for the provider and
/// occasionally takes a second one, so the limit is at most half of the connections.
const MAX_REFRESHES: usize = 8;
/// Number of consecutive time-outs after which an app's refreshes pause.
const MAX_CONSECUTIVE_TIMEOUTS: u32 = 3;
/// Connection attempts that fail after this long count as time-outs: a firewall that drops packets rejects nothing.
const SLOW_CONNECT: Duration = Duration::from_secs(1);
/// First pause of an app; it doubles with every probe that times out.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// Maximum pause of an app.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// Maximum wait for a permit. Callers stop waiting earlier, each after its own time-out.
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Maximum time for which a probe blocks other refreshes of the app.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// When a caller may retry during a probe, which mostly ends soon.
const PROBE_RETRY_AFTER: Duration = Duration::from_secs(1);
/// When a caller may retry if too many refreshes are queued.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(2);
/// Number of apps above which unused ones are removed.
const SWEEP_APPS: usize = 1_000;

/// Reason why no permit was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoPermit {
    /// The app's refreshes pause for this long because its token endpoint hangs.
    Paused(Duration),
    /// Too many refreshes are queued.
    Busy,
}

impl From<NoPermit> for TokenError {
    fn from(why: NoPermit) -> Self {
        let (failure, retry_after) = match why {
            NoPermit::Paused(left) => (RefreshFailure::TimedOut, left),
            NoPermit::Busy => (RefreshFailure::Busy, BUSY_RETRY_AFTER),
        };
        Self::Refresh { failure, retry_after }
    }
}

/// The refresh permits of a process.
#[derive(Debug)]
pub(super) struct RefreshPermits {
    total: Arc<Semaphore>,
    /// Those of all accounts without a provider app: their token endpoints are at addresses of customers.
    without_app: Arc<Semaphore>,
    per_app: usize,
    apps: Mutex<HashMap<ProviderAppId, Arc<AppPermits>>>,
}

#[derive(Debug)]
struct AppPermits {
    permits: Arc<Semaphore>,
    endpoint: Mutex<EndpointHealth>,
}

/// Health of an app's token endpoint.
#[derive(Debug, Default)]
struct EndpointHealth {
    consecutive_timeouts: u32,
    paused_until: Option<Instant>,
    /// Set while a refresh probes it after a pause.
    probed_until: Option<Instant>,
}

/// Permission to run one refresh.
#[derive(Debug)]
pub(super) struct RefreshPermit {
    _all: OwnedSemaphorePermit,
    _of_app: OwnedSemaphorePermit,
    app: Option<Arc<AppPermits>>,
}

/// One request to a token endpoint. Dropped without a report it changes nothing, except that another may probe.
#[derive(Debug)]
pub(super) struct EndpointRequest<'a> {
    app: Option<&'a AppPermits>,
    started_at: Instant,
    is_probe: bool,
}

impl RefreshPermits {
    /// Creates the permits of a process with this many database connections.
    pub(super) fn new(connections: usize) -> Self {
        let all = (connections / 2).clamp(1, MAX_REFRESHES);
        // One app leaves a quarter to the others if possible.
        let of_app = all - all / 4;
        Self {
            total: Arc::new(Semaphore::new(all)),
            without_app: Arc::new(Semaphore::new(of_app)),
            per_app: of_app,
            apps: Mutex::default(),
        }
    }

    /// Waits for a permit to refresh with a provider app, if the account has one.
    pub(super) async fn acquire_for(
        &self,
        app: Option<ProviderAppId>,
    ) -> Result<RefreshPermit, NoPermit> {
        let deadline = Instant::now() + MAX_WAIT;
        let app = app.map(|id| self.app(id));
        let of_app = match &app {
            Some(app) => {
                app.check()?;
                acquire(&app.permits, deadline).await?
            }
            None => acquire(&self.without_app, deadline).await?,
        };
        let all = acquire(&self.total, deadline).await?;
        if let Some(app) = &app {
            // An earlier refresh may have found that the endpoint hangs.
            app.check()?;
        }
        Ok(RefreshPermit { _all: all, _of_app: of_app, app })
    }

    fn app(&self, id: ProviderAppId) -> Arc<AppPermits> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if apps.len() >= SWEEP_APPS {
            apps.retain(|_, app| Arc::strong_count(app) > 1 || app.endpoint().is_failing());
        }
        let new = || AppPermits {
            permits: Arc::new(Semaphore::new(self.per_app)),
            endpoint: Mutex::default(),
        };
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

impl RefreshPermit {
    /// Begins a request to the token endpoint, to be sent immediately. The first one after a pause is the probe; others
    /// fail until it ends.
    pub(super) fn begin_request(&self) -> Result<EndpointRequest<'_>, NoPermit> {
        let began = Instant::now();
        let Some(app) = self.app.as_deref() else {
            return Ok(EndpointRequest { app: None, started_at: began, is_probe: false });
        };
        let mut endpoint = app.endpoint();
        endpoint.check()?;
        let is_trial = endpoint.paused_until.is_some();
        if is_trial {
            endpoint.probed_until = Some(began + PROBE_TIMEOUT);
        }
        drop(endpoint);
        Ok(EndpointRequest { app: Some(app), started_at: began, is_probe: is_trial })
    }
}

impl EndpointRequest<'_> {
    /// Records the outcome of the request. Returns whether the endpoint hangs.
    pub(super) fn report(mut self, failure: Option<&RefreshFailure>) -> bool {
        let is_slow = self.started_at.elapsed() >= SLOW_CONNECT;
        let hangs = match failure {
            Some(RefreshFailure::TimedOut) => true,
            Some(RefreshFailure::Unreachable) => is_slow,
            Some(_) | None => false,
        };
        let is_trial = std::mem::take(&mut self.is_probe);
        if let Some(app) = self.app {
            app.endpoint().report(hangs, is_trial);
        }
        hangs
    }
}

impl Drop for EndpointRequest<'_> {
    fn drop(&mut self) {
        // The outcome of the probe is unknown: the next request probes.
        if self.is_probe
            && let Some(app) = self.app
        {
            app.endpoint().probed_until = None;
        }
    }
}

impl AppPermits {
    fn endpoint(&self) -> MutexGuard<'_, EndpointHealth> {
        self.endpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails while the app's refreshes pause.
    fn check(&self) -> Result<(), NoPermit> {
        self.endpoint().check()
    }
}

impl EndpointHealth {
    fn is_failing(&self) -> bool {
        self.consecutive_timeouts > 0
    }

    fn check(&self) -> Result<(), NoPermit> {
        let now = Instant::now();
        if self.probed_until.is_some_and(|until| until > now) {
            return Err(NoPermit::Paused(PROBE_RETRY_AFTER));
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
        // Requests that began before the pause add no information.
        if self.paused_until.is_some() && !is_trial {
            return;
        }
        self.probed_until = None;
        self.consecutive_timeouts = self.consecutive_timeouts.saturating_add(1);
        if let Some(more) = self.consecutive_timeouts.checked_sub(MAX_CONSECUTIVE_TIMEOUTS) {
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

    async fn ask(permits: &RefreshPermits, failure: Option<&RefreshFailure>) {
        permits.acquire_for(Some(app(1))).await.unwrap().begin_request().unwrap().report(failure);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_app_leaves_permits_to_others() {
        let permits = RefreshPermits::new(20);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(permits.acquire_for(Some(app(1))).await.unwrap());
        }
        let began = Instant::now();
        assert_eq!(permits.acquire_for(Some(app(1))).await.unwrap_err(), NoPermit::Busy);
        assert_eq!(began.elapsed(), MAX_WAIT);
        assert!(permits.acquire_for(Some(app(2))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn consecutive_time_outs_pause_an_app_until_a_probe_succeeds() {
        let permits = RefreshPermits::new(20);
        for _ in 0..MAX_CONSECUTIVE_TIMEOUTS {
            ask(&permits, HANGS).await;
        }
        assert_eq!(
            permits.acquire_for(Some(app(1))).await.unwrap_err(),
            NoPermit::Paused(FIRST_PAUSE)
        );
        assert!(permits.acquire_for(Some(app(2))).await.is_ok(), "another app");
        assert!(permits.acquire_for(None).await.unwrap().begin_request().is_ok());
        tokio::time::advance(FIRST_PAUSE).await;
        let permit = permits.acquire_for(Some(app(1))).await.unwrap();
        let trial = permit.begin_request().unwrap();
        assert_eq!(
            permits.acquire_for(Some(app(1))).await.unwrap_err(),
            NoPermit::Paused(PROBE_RETRY_AFTER)
        );
        trial.report(HANGS);
        assert_eq!(
            permits.acquire_for(Some(app(1))).await.unwrap_err(),
            NoPermit::Paused(FIRST_PAUSE * 2)
        );
        tokio::time::advance(FIRST_PAUSE * 2).await;
        ask(&permits, None).await;
        assert!(permits.acquire_for(Some(app(1))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_that_sends_nothing_does_not_block_the_probe() {
        let permits = RefreshPermits::new(20);
        for _ in 0..MAX_CONSECUTIVE_TIMEOUTS {
            ask(&permits, HANGS).await;
        }
        tokio::time::advance(FIRST_PAUSE).await;
        // One waits for its account's row, another process was faster than the second, the third one's task ends.
        let waits = permits.acquire_for(Some(app(1))).await.unwrap();
        drop(permits.acquire_for(Some(app(1))).await.unwrap());
        drop(permits.acquire_for(Some(app(1))).await.unwrap().begin_request().unwrap());
        ask(&permits, None).await;
        assert!(waits.begin_request().is_ok(), "the endpoint recovered");
    }

    #[tokio::test(start_paused = true)]
    async fn time_outs_of_requests_from_before_a_pause_do_not_extend_it() {
        let permits = RefreshPermits::new(20);
        let mut held = Vec::new();
        for _ in 0..6 {
            held.push(permits.acquire_for(Some(app(1))).await.unwrap());
        }
        let attempts: Vec<_> = held.iter().map(|permit| permit.begin_request().unwrap()).collect();
        for attempt in attempts {
            attempt.report(HANGS);
        }
        drop(held);
        assert_eq!(
            permits.acquire_for(Some(app(1))).await.unwrap_err(),
            NoPermit::Paused(FIRST_PAUSE)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_between_time_outs_resets_the_count() {
        let permits = RefreshPermits::new(20);
        for number in 0..10 {
            ask(&permits, HANGS.filter(|_| number % MAX_CONSECUTIVE_TIMEOUTS != 0)).await;
        }
        assert!(permits.acquire_for(Some(app(1))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_connection_failure_is_a_time_out_and_a_refused_one_is_not() {
        let permits = RefreshPermits::new(20);
        let unreachable = Some(&RefreshFailure::Unreachable);
        for _ in 0..10 {
            ask(&permits, unreachable).await;
        }
        let permit = permits.acquire_for(Some(app(1))).await.unwrap();
        for _ in 0..MAX_CONSECUTIVE_TIMEOUTS {
            let attempt = permit.begin_request().unwrap();
            tokio::time::advance(SLOW_CONNECT).await;
            assert!(attempt.report(unreachable));
        }
        assert_eq!(permit.begin_request().unwrap_err(), NoPermit::Paused(FIRST_PAUSE));
    }
}
