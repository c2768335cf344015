//! The refreshes under way in this process: at most one for an account, which all its callers share.
//!
//! A refresh runs on a task of its own, so a caller who hangs up doesn't stop it. However the task ends,
//! by a panic or an abort too, its entry here goes with it: the next caller starts anew.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::failure::TokenError;
use super::fresh::Fresh;
use crate::domain::ids::IntegratedAccountId;

/// A refresh that is waited for.
pub(super) type Flight = Shared<BoxFuture<'static, Result<Fresh, TokenError>>>;

/// What the tokens that are being replaced are still good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Present {
    /// They live: whoever has them may go on with them.
    Alive,
    /// They are dead or about to be: nobody sends them once more.
    Dead,
}

type Map = HashMap<IntegratedAccountId, (Flight, Present)>;

/// The refreshes under way.
#[derive(Clone)]
pub(super) struct Flights {
    tasks: TaskTracker,
    runtime: Handle,
    map: Arc<Mutex<Map>>,
}

impl Flights {
    /// None yet; they will run on `tasks` and on the runtime that calls this. A caller's own may be that of a connection,
    /// and end with it.
    pub(super) fn new(tasks: TaskTracker) -> Self {
        Self { tasks, runtime: Handle::current(), map: Arc::default() }
    }

    /// The refresh of an account that is under way because its tokens are dead.
    pub(super) fn of_dead(&self, id: IntegratedAccountId) -> Option<Flight> {
        let map = self.map();
        map.get(&id).filter(|(_, present)| *present == Present::Dead).map(|(f, _)| f.clone())
    }

    /// The refresh of an account that is under way, else `refresh` on a task of its own.
    pub(super) fn join(
        &self,
        id: IntegratedAccountId,
        present: Present,
        refresh: impl Future<Output = Result<Fresh, TokenError>> + Send + 'static,
    ) -> Flight {
        let mut map = self.map();
        if let Some((flight, known)) = map.get_mut(&id) {
            if present == Present::Dead {
                *known = present;
            }
            return flight.clone();
        }
        let flights = self.clone();
        // The task begins when the flight is first waited for, after the map is let go: a runtime that
        // is stopping drops the task at once, and with it the entry.
        let flight = async move {
            let entry = Entry { flights: flights.clone(), id };
            let refresh = async move {
                let _entry = entry;
                refresh.await
            };
            let task = flights.tasks.spawn_on(refresh, &flights.runtime);
            task.await.unwrap_or(Err(TokenError::Interrupted))
        };
        let flight = flight.boxed().shared();
        map.insert(id, (flight.clone(), present));
        flight
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a refresh in the map, for as long as its task lives.
struct Entry {
    flights: Flights,
    id: IntegratedAccountId,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.flights.map().remove(&self.id);
    }
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

    fn second_pair() -> Fresh {
        Fresh { token: "xoxe.xoxp-2".to_owned().into(), generation: 2, is_renewable: true }
    }

    #[tokio::test]
    async fn a_refresh_that_panics_is_not_waited_for_by_the_next_caller() {
        let flights = Flights::new(TaskTracker::new());
        let broken = flights.join(account(), Present::Dead, async { panic!("on purpose") });
        assert!(matches!(broken.await, Err(TokenError::Interrupted)));
        let next = flights.join(account(), Present::Dead, async { Ok(second_pair()) }).await;
        assert_eq!(next.unwrap().generation, 2);
        assert!(flights.map().is_empty());
    }

    #[tokio::test]
    async fn a_refresh_outlives_the_runtime_of_its_caller() {
        let flights = Flights::new(TaskTracker::new());
        let (go, gone) = tokio::sync::oneshot::channel();
        let of_connection = flights.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let flight = of_connection.join(account(), Present::Dead, async {
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
        let next = flights.join(account(), Present::Dead, never);
        go.send(()).unwrap();
        assert_eq!(next.await.unwrap().generation, 2);
        assert!(flights.map().is_empty());
    }

    #[tokio::test]
    async fn callers_share_a_refresh_and_say_what_they_know_of_the_tokens() {
        let flights = Flights::new(TaskTracker::new());
        let (go, gone) = tokio::sync::oneshot::channel();
        let ahead = flights.join(account(), Present::Alive, async {
            gone.await.map_err(|_| TokenError::Interrupted)?;
            Ok(second_pair())
        });
        assert!(flights.of_dead(account()).is_none(), "the present token is good");
        let never = async { panic!("a second refresh") };
        let called = flights.join(account(), Present::Dead, never);
        let joined = flights.of_dead(account()).unwrap();
        go.send(()).unwrap();
        for flight in [ahead, called, joined] {
            assert_eq!(flight.await.unwrap().generation, 2);
        }
        assert!(flights.map().is_empty());
    }
}
