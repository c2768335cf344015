//! The limiter: callers wait in its lanes, wake each other, and go when the budgets have room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::desk::{Desk, Place, Question, Source, Step};
use super::shared::{Answer, Shared};
use super::tally::Tally;
use super::{Claim, Figures, Limiter, Price, Refused, Standing};

/// The limiter of a process: by what it knows itself, or by what Redis knows for several processes.
/// Clones are the same limiter.
#[derive(Debug, Clone)]
pub struct FairLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    desk: Mutex<Desk>,
    shared: Option<Shared>,
    tally: Tally,
}

/// A place in a lane, given back when dropped.
struct Held<'a> {
    inner: &'a Inner,
    place: Place,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.inner.desk().leave(&self.place, Instant::now());
    }
}

impl FairLimiter {
    /// A limiter for the only process that uses the budgets.
    #[must_use]
    pub fn local() -> Self {
        Self::new(None)
    }

    /// One of several processes that share the budgets.
    #[must_use]
    pub fn shared(shared: Shared) -> Self {
        Self::new(Some(shared))
    }

    fn new(shared: Option<Shared>) -> Self {
        let desk = Mutex::new(Desk::new(Instant::now()));
        Self(Arc::new(Inner { desk, shared, tally: Tally::default() }))
    }

    /// Asks Redis for a turn, on a task of its own: the answer counts for whoever is next when it comes.
    fn ask(&self, shared: &Shared, Question { price, goes_as, untold }: Question) {
        let (inner, link) = (Arc::clone(&self.0), shared.clone());
        shared.spawn(async move {
            let answer = link.take(&price, goes_as, &untold).await;
            let answer = answer.map(|Answer { taken, known, link }| (taken, known, link));
            let is_left_over = inner.desk().answered(&price.keys, answer, Instant::now());
            if is_left_over {
                link.give_back(&price).await;
            }
        });
    }
}

impl Inner {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self) -> Source {
        self.shared.as_ref().map_or(Source::Ours { share: 1 }, Shared::source)
    }
}

#[async_trait]
impl Limiter for FairLimiter {
    fn at_once(&self, claim: &Claim<'_>) -> Option<Vec<Standing>> {
        let standings = self.0.desk().go_at_once(claim, self.0.source(), Instant::now());
        standings.inspect(|_| self.0.tally.grants.add_one())
    }

    fn expected_wait(&self, claim: &Claim<'_>) -> Result<Duration, Refused> {
        let inner = &*self.0;
        let expected = inner.desk().expected_wait(claim, inner.source(), Instant::now());
        expected.inspect_err(|_| inner.tally.refused.add_one())
    }

    async fn acquire(&self, claim: Claim<'_>) -> Result<Vec<Standing>, Refused> {
        let inner = &*self.0;
        let entered = {
            let (mut desk, source, now) = (inner.desk(), inner.source(), Instant::now());
            if let Some(standings) = desk.go_at_once(&claim, source, now) {
                inner.tally.grants.add_one();
                return Ok(standings);
            }
            desk.enter(&claim, source, now)
        };
        let place = entered.inspect_err(|_| inner.tally.refused.add_one())?;
        let held = Held { inner, place };
        loop {
            let step = inner.desk().step(&held.place, inner.source(), Instant::now());
            let until = match step {
                Step::Go(standings) => {
                    inner.tally.grants.add_one();
                    return Ok(standings);
                }
                Step::GiveUp(refused) => {
                    inner.tally.refused.add_one();
                    return Err(refused);
                }
                Step::Wait(until) => until,
                Step::Ask(question, until) => {
                    if let Some(shared) = &inner.shared {
                        self.ask(shared, question);
                    }
                    until
                }
            };
            // Woken or not: it looks again.
            let _ = tokio::time::timeout_at(until, held.place.ticket.wake.notified()).await;
        }
    }

    fn block(&self, price: &Price, pause: Duration) {
        let now = Instant::now();
        self.0.tally.blocks.add_one();
        self.0.desk().ledger.block(price, now + pause, now);
        if let Some(shared) = &self.0.shared {
            let (link, price) = (shared.clone(), price.clone());
            shared.spawn(async move { link.block(&price, pause).await });
        }
    }

    fn figures(&self) -> Figures {
        let Inner { tally, shared, .. } = &*self.0;
        let desk = self.0.desk();
        Figures {
            grants: tally.grants.get(),
            refused: tally.refused.get(),
            blocks: tally.blocks.get(),
            keys: desk.ledger.len(),
            waiting: desk.waiting(),
            blocked: desk.ledger.blocked(Instant::now()),
            shared: shared.as_ref().map(Shared::is_up),
        }
    }
}
