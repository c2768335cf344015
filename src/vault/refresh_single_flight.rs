//! Single flight: at most one refresh per account runs in this process, and all callers share its result.
//!
//! A refresh runs on a task of its own, so a disconnecting caller doesn't stop it. However the task ends, including by
//! a panic or an abort, its entry is removed with it and the next caller starts a new one.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::access_token_lease::AccessTokenLease;
use super::error::TokenError;
use crate::domain::ids::IntegratedAccountId;

/// When a caller whose wait for a refresh ended may retry.
const PENDING_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A shared future of a running refresh.
pub(super) type SharedRefresh = Shared<BoxFuture<'static, Result<AccessTokenLease, TokenError>>>;

/// Whether the tokens being replaced are still usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CurrentToken {
    /// They are valid: callers may go on with them.
    Usable,
    /// They are invalid or about to expire: callers must not send them.
    Unusable,
}

type InFlightMap = HashMap<IntegratedAccountId, (SharedRefresh, CurrentToken)>;

/// The running refreshes.
#[derive(Clone)]
pub(super) struct SingleFlight {
    tasks: TaskTracker,
    runtime: Handle,
    map: Arc<Mutex<InFlightMap>>,
}

impl SingleFlight {
    /// Creates an empty set; refreshes run on `tasks` and on the runtime that calls this. A caller's own runtime may be
    /// that of a connection and end with it.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self { tasks, runtime: Handle::current(), map: Arc::default() }
    }

    /// Returns the account's running refresh if its current tokens are unusable.
    pub(super) fn running_for_unusable(&self, id: IntegratedAccountId) -> Option<SharedRefresh> {
        let map = self.map();
        map.get(&id)
            .filter(|(_, current)| *current == CurrentToken::Unusable)
            .map(|(f, _)| f.clone())
    }

    /// Returns the account's running refresh, or starts `refresh` on a task of its own.
    pub(super) fn join(
        &self,
        id: IntegratedAccountId,
        current: CurrentToken,
        refresh: impl Future<Output = Result<AccessTokenLease, TokenError>> + Send + 'static,
    ) -> SharedRefresh {
        let mut map = self.map();
        if let Some((flight, entry)) = map.get_mut(&id) {
            if current == CurrentToken::Unusable {
                *entry = current;
            }
            return flight.clone();
        }
        let flights = self.clone();
        // The task is spawned when the future is first polled, after the map is unlocked: a runtime that is shutting
        // down drops the task immediately, and with it the entry.
        let flight = async move {
            let entry = InFlightEntry { flights: flights.clone(), id };
            let refresh = async move {
                let _entry = entry;
                refresh.await
            };
            let task = flights.tasks.spawn_on(refresh, &flights.runtime);
            task.await.unwrap_or(Err(TokenError::Interrupted))
        };
        let flight = flight.boxed().shared();
        map.insert(id, (flight.clone(), current));
        flight
    }

    fn map(&self) -> MutexGuard<'_, InFlightMap> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Entry of a refresh in the map while its task runs.
struct InFlightEntry {
    flights: SingleFlight,
    id: IntegratedAccountId,
}

impl Drop for InFlightEntry {
    fn drop(&mut self) {
        self.flights.map().remove(&self.id);
    }
}

/// Waits for a refresh until `until`. It runs on a task of its own and goes on after that.
pub(super) async fn wait_until(
    until: Instant,
    flight: SharedRefresh,
) -> Result<AccessTokenLease, TokenError> {
    let late = TokenError::Pending { retry_after: PENDING_RETRY_AFTER };
    tokio::time::timeout_at(until, flight).await.unwrap_or(Err(late))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::ManualClock;
    use crate::domain::entropy::SeededEntropy;

    fn account() -> IntegratedAccountId {
        let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
        IntegratedAccountId::generate(&clock, &SeededEntropy::new(1))
    }

    fn second_pair() -> AccessTokenLease {
        AccessTokenLease {
            token: "xoxe.xoxp-2".to_owned().into(),
            generation: 2,
            is_refreshable: true,
        }
    }

    #[tokio::test]
    async fn starts_a_new_refresh_after_a_panic() {
        let flights = SingleFlight::new(TaskTracker::new());
        let broken =
            flights.join(account(), CurrentToken::Unusable, async { panic!("on purpose") });
        assert!(matches!(broken.await, Err(TokenError::Interrupted)));
        let next =
            flights.join(account(), CurrentToken::Unusable, async { Ok(second_pair()) }).await;
        assert_eq!(next.unwrap().generation, 2);
        assert!(flights.map().is_empty());
    }

    #[tokio::test]
    async fn a_refresh_outlives_its_callers_runtime() {
        let flights = SingleFlight::new(TaskTracker::new());
        let (go, gone) = tokio::sync::oneshot::channel();
        let of_connection = flights.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let flight = of_connection.join(account(), CurrentToken::Unusable, async {
                gone.await.map_err(|_| TokenError::Interrupted)?;
                Ok(second_pair())
            });
            runtime.block_on(async {
                tokio::select! { _ = flight => {}, () = tokio::task::yield_now() => {} }
            });
        })
        .join()
        .unwrap();
        let never = async { panic!("a second refresh") };
        let next = flights.join(account(), CurrentToken::Unusable, never);
        go.send(()).unwrap();
        assert_eq!(next.await.unwrap().generation, 2);
        assert!(flights.map().is_empty());
    }

    #[tokio::test]
    async fn callers_share_a_refresh_and_mark_the_tokens_as_unusable() {
        let flights = SingleFlight::new(TaskTracker::new());
        let (go, gone) = tokio::sync::oneshot::channel();
        let ahead = flights.join(account(), CurrentToken::Usable, async {
            gone.await.map_err(|_| TokenError::Interrupted)?;
            Ok(second_pair())
        });
        assert!(flights.running_for_unusable(account()).is_none(), "the current token is usable");
        let never = async { panic!("a second refresh") };
        let called = flights.join(account(), CurrentToken::Unusable, never);
        let joined = flights.running_for_unusable(account()).unwrap();
        go.send(()).unwrap();
        for flight in [ahead, called, joined] {
            assert_eq!(flight.await.unwrap().generation, 2);
        }
        assert!(flights.map().is_empty());
    }
}
