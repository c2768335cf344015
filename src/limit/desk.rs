//! Who stands where, and what each of them is to do next. Nothing here waits: [`FairLimiter`] asks
//! again when the time has come, and a turn is taken in the moment in which its caller goes on. So a
//! caller that is dropped has either left the lane or gone: there is no turn in between to lose.
//!
//! Lanes that share a budget take turns at it: the one that was served the longest ago goes first among
//! those that could go.
//!
//! [`FairLimiter`]: super::FairLimiter

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gcra::Pace;
use super::lane::{Lane, Spare, Ticket};
use super::ledger::{Known, Ledger};
use super::{Claim, Class, LimitKey, Price, Rate, Refused, Standing};
use crate::domain::ids::IntegratedAccountId;

/// How often what is idle is looked for.
const SWEEP: Duration = Duration::from_mins(1);
/// Callers that are refused together are told times that are so many periods apart at the most.
const WIDEST_SPREAD: u32 = 8;
/// For how long a call that needs no waiting may wait for what Redis says.
const ANSWER_MAY_TAKE: Duration = Duration::from_secs(2);

/// Who knows the budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// This process, one of so many that use them.
    Ours { share: u32 },
    /// Redis, on its connection of that number. For a moment after it was away this process goes on as one
    /// of so many, because the others may not have found it yet.
    Shared { link: u64, share: u32 },
}

/// A caller's place.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) price: Price,
    pub(super) account: IntegratedAccountId,
    pub(super) class: Class,
    pub(super) deadline: Instant,
    /// Until when it stays for an answer of Redis.
    stays_until: Instant,
    pub(super) ticket: Ticket,
}

/// What is to be asked of Redis for a lane.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) price: Price,
    pub(super) goes_as: Class,
    /// What Redis may have forgotten, for each budget.
    pub(super) untold: Vec<Known>,
}

/// What a caller is to do.
#[derive(Debug)]
pub(super) enum Step {
    /// Go.
    Go(Vec<Standing>),
    /// Give up.
    GiveUp(Refused),
    /// Look again when woken, or then.
    Wait(Instant),
    /// Ask Redis, and look again when woken, or then.
    Ask(Question, Instant),
}

/// The budgets and the lanes in front of them.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) ledger: Ledger,
    lanes: HashMap<Arc<[LimitKey]>, Lane>,
    swept_at: Instant,
    tickets: u64,
    served: u64,
    refused: u32,
}

impl Desk {
    pub(super) fn new(now: Instant) -> Self {
        let (ledger, lanes) = (Ledger::default(), HashMap::default());
        Self { ledger, lanes, swept_at: now, tickets: 0, served: 0, refused: 0 }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.lanes.values().map(|lane| lane.len() as usize).sum()
    }

    /// A turn without a place, where nobody waits and there is room.
    pub(super) fn go_at_once(
        &mut self,
        claim: &Claim<'_>,
        source: Source,
        now: Instant,
    ) -> Option<Vec<Standing>> {
        self.sweep(now);
        let Source::Ours { share } = source else { return None };
        let rates = part_of(&claim.price.rates, share);
        self.ledger.take(claim.price, &rates, claim.class, now)
    }

    /// How long a claim would wait now; an error when that is longer than it may.
    pub(super) fn expected_wait(
        &mut self,
        claim: &Claim<'_>,
        source: Source,
        now: Instant,
    ) -> Result<Duration, Refused> {
        let Claim { price, account, class, max_wait } = *claim;
        let rates = part_of(&price.rates, share(source));
        let expected = self.expected(&price.keys, &rates, class, account, None, now);
        if expected > max_wait {
            return Err(self.refuse(price, &rates, expected, now));
        }
        Ok(expected)
    }

    /// A place behind those who came before; none when the turn would come too late.
    pub(super) fn enter(
        &mut self,
        claim: &Claim<'_>,
        source: Source,
        now: Instant,
    ) -> Result<Place, Refused> {
        let expected = self.expected_wait(claim, source, now)?;
        let Claim { price, account, class, max_wait } = *claim;
        self.tickets += 1;
        let ticket = Ticket { number: self.tickets, wake: Arc::new(Notify::new()) };
        for key in price.keys.iter() {
            let budget = self.ledger.open(key, now);
            if !budget.lanes.contains(&price.keys) {
                budget.lanes.push(Arc::clone(&price.keys));
            }
        }
        let served = self.served;
        let lane = self.lanes.entry(Arc::clone(&price.keys));
        let lane = lane.or_insert_with(|| Lane::new(price.rates.clone(), served, now));
        lane.rates.clone_from(&price.rates);
        lane.push(class, account, ticket.clone(), now);
        let deadline = now + max_wait;
        let stays_until = match source {
            Source::Shared { .. } if expected.is_zero() => deadline.max(now + ANSWER_MAY_TAKE),
            Source::Shared { .. } | Source::Ours { .. } => deadline,
        };
        Ok(Place { price: price.clone(), account, class, deadline, stays_until, ticket })
    }

    /// What the holder of a place is to do.
    pub(super) fn step(&mut self, place: &Place, source: Source, now: Instant) -> Step {
        let keys = &place.price.keys;
        let Some(head) = self.lanes.get(keys).and_then(|lane| lane.head(now)) else {
            return self.give_up(place, source, now);
        };
        if head.ticket.number != place.ticket.number {
            head.ticket.wake.notify_one();
            let is_late = now >= place.stays_until;
            return if is_late {
                self.give_up(place, source, now)
            } else {
                Step::Wait(place.stays_until)
            };
        }
        let goes_as = head.goes_as;
        if let Some(lane) = self.lanes.get_mut(keys)
            && lane.has_spare(now)
        {
            lane.spare = None;
            return self.go(place, now);
        }
        let rates = part_of(&place.price.rates, share(source));
        let wait = self.ledger.wait(keys, &rates, goes_as, now);
        if !wait.is_zero() {
            return self.wait(place, source, now + wait, now);
        }
        if let Some(until) = self.yield_to_another(keys, source, now) {
            return Step::Wait(until.min(place.stays_until.max(now + Duration::from_millis(1))));
        }
        match source {
            Source::Ours { .. } => {
                self.ledger.charge(keys, &rates, now);
                self.go(place, now)
            }
            Source::Shared { link, .. } => {
                let price = Price { keys: Arc::clone(keys), rates: rates.into_owned() };
                self.ask(price, goes_as, link, now)
            }
        }
    }

    /// The head of a lane waits until its budgets have room, or gives up when that is too late.
    fn wait(&mut self, place: &Place, source: Source, ready_at: Instant, now: Instant) -> Step {
        let keys = &place.price.keys;
        // Bulk work may use the whole burst once its patience has ended.
        let due_at = self.lanes.get(keys).and_then(Lane::patience_ends).filter(|end| *end > now);
        if ready_at > place.deadline {
            return self.give_up(place, source, now);
        }
        Step::Wait(due_at.map_or(ready_at, |due_at| due_at.min(ready_at)))
    }

    fn ask(&mut self, price: Price, goes_as: Class, link: u64, now: Instant) -> Step {
        let until = now + ANSWER_MAY_TAKE;
        let Some(lane) = self.lanes.get_mut(&price.keys) else { return Step::Wait(until) };
        if lane.is_asking {
            return Step::Wait(until);
        }
        lane.is_asking = true;
        let untold = price.keys.iter().map(|key| self.ledger.untold(key, link, now)).collect();
        Step::Ask(Question { price, goes_as, untold }, until)
    }

    /// What Redis answered for a lane; whether a turn came that nobody waits for any more.
    pub(super) fn answered(
        &mut self,
        keys: &Arc<[LimitKey]>,
        answer: Option<(bool, Vec<Known>, u64)>,
        now: Instant,
    ) -> bool {
        let Some(lane) = self.lanes.get_mut(keys) else { return false };
        lane.is_asking = false;
        let mut is_left_over = false;
        if let Some((is_taken, known, link)) = answer {
            is_left_over = is_taken && lane.len() == 0;
            lane.spare = (is_taken && !is_left_over).then_some(Spare { at: now });
            self.ledger.learn(keys, &known, link, now);
        }
        self.after(keys, now);
        is_left_over
    }

    /// Whether another lane goes first that waits for one of the same budgets and could go: it is woken,
    /// and this one is when it has gone. Until when to wait for that at the most.
    fn yield_to_another(
        &self,
        keys: &Arc<[LimitKey]>,
        source: Source,
        now: Instant,
    ) -> Option<Instant> {
        let lane = self.lanes.get(keys)?;
        let rank = |lane: &Lane| lane.head(now).map(|head| (head.goes_as, lane.served));
        let own = rank(lane)?;
        let others = keys.iter().filter_map(|key| self.ledger.get(key)).flat_map(|it| &it.lanes);
        for other in others.filter(|other| *other != keys) {
            let Some(rival) = self.lanes.get(other) else { continue };
            let (Some(theirs), Some(head)) = (rank(rival), rival.head(now)) else { continue };
            let rates = part_of(&rival.rates, share(source));
            let could_go = self.ledger.wait(other, &rates, head.goes_as, now).is_zero();
            if theirs < own && could_go && !rival.is_asking {
                head.ticket.wake.notify_one();
                return Some(now + lane.period());
            }
        }
        None
    }

    /// The holder of a place goes: the next ones are woken.
    fn go(&mut self, place: &Place, now: Instant) -> Step {
        let keys = &place.price.keys;
        self.served += 1;
        if let Some(lane) = self.lanes.get_mut(keys) {
            lane.served = self.served;
            lane.pop(now);
        }
        self.after(keys, now);
        Step::Go(self.ledger.standings(&place.price, now))
    }

    fn give_up(&mut self, place: &Place, source: Source, now: Instant) -> Step {
        let Place { price, account, class, ticket, .. } = place;
        let rates = part_of(&price.rates, share(source));
        let expected =
            self.expected(&price.keys, &rates, *class, *account, Some(ticket.number), now);
        Step::GiveUp(self.refuse(price, &rates, expected, now))
    }

    /// Takes a caller out of its lane, if it is still there.
    pub(super) fn leave(&mut self, place: &Place, now: Instant) {
        let Place { price, account, class, ticket, .. } = place;
        let lane = self.lanes.get_mut(&price.keys);
        if lane.is_some_and(|lane| lane.remove(*class, *account, ticket.number)) {
            self.after(&price.keys, now);
        }
    }

    /// Wakes the next one of a lane and those of its neighbours; forgets a lane in which nobody is.
    fn after(&mut self, keys: &Arc<[LimitKey]>, now: Instant) {
        let is_done = self.lanes.get(keys).is_some_and(|lane| lane.is_done(now));
        if is_done {
            self.lanes.remove(keys);
        }
        for key in keys.iter() {
            if is_done {
                self.ledger.open(key, now).lanes.retain(|lane| lane != keys);
            }
            let lanes = self.ledger.get(key).map(|budget| &budget.lanes).into_iter().flatten();
            for lane in lanes.filter_map(|lane| self.lanes.get(lane)) {
                lane.wake(now);
            }
        }
    }

    /// When a call has its turn: a new one, or the one with that number.
    fn expected(
        &self,
        keys: &Arc<[LimitKey]>,
        rates: &[Rate],
        class: Class,
        account: IntegratedAccountId,
        number: Option<u64>,
        now: Instant,
    ) -> Duration {
        let own = self.lanes.get(keys).map_or(0, |lane| lane.ahead(class, account, number));
        let waits = keys.iter().zip(rates).filter_map(|(key, rate)| {
            let budget = self.ledger.get(key)?;
            let others = budget.lanes.iter().filter(|other| *other != keys);
            let others = others.filter_map(|other| self.lanes.get(other));
            let others: u32 = others.map(|lane| lane.len_before(class)).sum();
            Some(budget.wait(Pace::new(*rate, class), now, own.saturating_add(others)))
        });
        waits.max().unwrap_or_default()
    }

    fn refuse(
        &mut self,
        price: &Price,
        rates: &[Rate],
        expected: Duration,
        now: Instant,
    ) -> Refused {
        let slowest = rates.iter().max_by_key(|rate| rate.period());
        let apart = slowest.map_or(Duration::ZERO, |rate| {
            // Who comes back together finds no more room than a burst.
            rate.period() * (self.refused % rate.burst.clamp(1, WIDEST_SPREAD))
        });
        self.refused = self.refused.wrapping_add(1);
        let retry_after = (expected + apart).max(Duration::from_millis(1));
        Refused { retry_after, standings: self.ledger.standings(price, now) }
    }

    /// Forgets what is idle, once in a while.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept_at) < SWEEP {
            return;
        }
        self.swept_at = now;
        let done: Vec<_> = self.lanes.iter().filter(|(_, lane)| lane.is_done(now)).collect();
        let done: Vec<_> = done.into_iter().map(|(keys, _)| Arc::clone(keys)).collect();
        for keys in done {
            self.after(&keys, now);
        }
        self.ledger.sweep(now);
    }
}

fn share(source: Source) -> u32 {
    match source {
        Source::Ours { share } | Source::Shared { share, .. } => share,
    }
}

/// The part of the rates that one of so many processes may use.
fn part_of(rates: &[Rate], share: u32) -> Cow<'_, [Rate]> {
    if share <= 1 {
        return Cow::Borrowed(rates);
    }
    let part = |rate: &Rate| Rate {
        per_minute: rate.per_minute / f64::from(share),
        burst: (rate.burst / share).max(1),
    };
    Cow::Owned(rates.iter().map(part).collect())
}
