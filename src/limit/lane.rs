//! A lane: the calls that wait for the same budgets, in the order of their turns.
//!
//! People come before bulk work; within a class the accounts take turns, and an account's own calls go
//! in the order of asking. So that bulk work always ends, it has a right to a turn [`PATIENCE`] periods
//! after its last one, however many people call.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Class, Rate};
use crate::domain::ids::IntegratedAccountId;

/// After so many periods without a turn bulk work goes before people, once.
pub(super) const PATIENCE: u32 = 10;
/// A turn from Redis has to be used within this time.
const SPARE_HOLDS: Duration = Duration::from_millis(100);

/// A place in a lane.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    /// No two tickets of a limiter have the same.
    pub(super) number: u64,
    /// Wakes whoever holds it.
    pub(super) wake: Arc<Notify>,
}

/// The calls of one class.
#[derive(Debug, Default)]
struct Ring {
    /// The accounts that wait, the next one first.
    accounts: VecDeque<IntegratedAccountId>,
    waiting: HashMap<IntegratedAccountId, VecDeque<Ticket>>,
    len: u32,
}

/// A turn that was taken from Redis and that nobody has used yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spare {
    /// When it was taken.
    pub(super) at: Instant,
}

/// The calls that wait for the same budgets.
#[derive(Debug)]
pub(super) struct Lane {
    /// The rates of the budgets.
    pub(super) rates: Vec<Rate>,
    interactive: Ring,
    background: Ring,
    /// Since when bulk work has waited without a turn.
    background_since: Instant,
    /// Grows with each turn of any lane: the lane with the smallest one was served the longest ago.
    pub(super) served: u64,
    /// Whether Redis is being asked for a turn.
    pub(super) is_asking: bool,
    /// A turn to be used.
    pub(super) spare: Option<Spare>,
}

/// Whose turn is next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) ticket: &'a Ticket,
    /// The class it goes as: bulk work whose patience has ended goes as people do.
    pub(super) goes_as: Class,
}

impl Ring {
    fn head(&self) -> Option<&Ticket> {
        self.waiting.get(self.accounts.front()?)?.front()
    }

    fn push(&mut self, account: IntegratedAccountId, ticket: Ticket) {
        let own = self.waiting.entry(account).or_default();
        if own.is_empty() {
            self.accounts.push_back(account);
        }
        own.push_back(ticket);
        self.len += 1;
    }

    /// Takes the head; its account goes to the end of the ring.
    fn pop(&mut self) {
        let Some(account) = self.accounts.pop_front() else { return };
        let Some(own) = self.waiting.get_mut(&account) else { return };
        own.pop_front();
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(&account);
        } else {
            self.accounts.push_back(account);
        }
    }

    fn remove(&mut self, account: IntegratedAccountId, number: u64) -> bool {
        let Some(own) = self.waiting.get_mut(&account) else { return false };
        let before = own.len();
        own.retain(|ticket| ticket.number != number);
        if own.len() == before {
            return false;
        }
        self.len -= 1;
        if own.is_empty() {
            self.waiting.remove(&account);
            self.accounts.retain(|one| *one != account);
        }
        true
    }

    /// How many go before a ticket of the account; before a new one when it is not there.
    fn ahead(&self, account: IntegratedAccountId, number: Option<u64>) -> u32 {
        let own = self.waiting.get(&account);
        let mine = own.map_or(0, |own| {
            let place = own.iter().position(|ticket| Some(ticket.number) == number);
            place.unwrap_or(own.len())
        });
        // While it waits for its own calls before it, each other account has as many turns, and one more.
        let others = self.waiting.iter().filter(|(other, _)| **other != account);
        let others: usize = others.map(|(_, theirs)| theirs.len().min(mine + 1)).sum();
        u32::try_from(mine + others).unwrap_or(u32::MAX)
    }
}

impl Lane {
    /// An empty lane for budgets of these rates.
    pub(super) fn new(rates: Vec<Rate>, served: u64, now: Instant) -> Self {
        let (interactive, background) = (Ring::default(), Ring::default());
        let (is_asking, spare) = (false, None);
        Self { rates, interactive, background, background_since: now, served, is_asking, spare }
    }

    /// How many wait.
    pub(super) fn len(&self) -> u32 {
        self.interactive.len + self.background.len
    }

    /// How many wait that go before a new call of a class at the latest.
    pub(super) fn len_before(&self, class: Class) -> u32 {
        match class {
            Class::Interactive => self.interactive.len,
            Class::Background => self.len(),
        }
    }

    /// How many of this lane go before a ticket; before a new one when it has no number yet.
    pub(super) fn ahead(
        &self,
        class: Class,
        account: IntegratedAccountId,
        number: Option<u64>,
    ) -> u32 {
        match class {
            Class::Interactive => self.interactive.ahead(account, number),
            Class::Background => self.interactive.len + self.background.ahead(account, number),
        }
    }

    /// Puts a call at its place.
    pub(super) fn push(
        &mut self,
        class: Class,
        account: IntegratedAccountId,
        ticket: Ticket,
        now: Instant,
    ) {
        if class == Class::Background && self.background.len == 0 {
            self.background_since = now;
        }
        self.ring(class).push(account, ticket);
    }

    /// Takes a call out; whether it was there.
    pub(super) fn remove(
        &mut self,
        class: Class,
        account: IntegratedAccountId,
        number: u64,
    ) -> bool {
        self.ring(class).remove(account, number)
    }

    /// The longest of the lane's periods.
    pub(super) fn period(&self) -> Duration {
        self.rates.iter().map(|rate| rate.period()).max().unwrap_or_default()
    }

    /// When bulk work has a right to a turn; `None` when there is none or nobody is before it.
    pub(super) fn patience_ends(&self) -> Option<Instant> {
        let waits = self.background.len > 0;
        waits.then(|| self.background_since + self.period() * PATIENCE)
    }

    fn next_class(&self, now: Instant) -> Class {
        let is_due = self.patience_ends().is_some_and(|end| end <= now);
        if is_due || self.interactive.len == 0 { Class::Background } else { Class::Interactive }
    }

    /// Whose turn is next.
    pub(super) fn head(&self, now: Instant) -> Option<Head<'_>> {
        let class = self.next_class(now);
        let is_due = self.patience_ends().is_some_and(|end| end <= now);
        let goes_as = if is_due { Class::Interactive } else { class };
        let ring = match class {
            Class::Interactive => &self.interactive,
            Class::Background => &self.background,
        };
        ring.head().map(|ticket| Head { ticket, goes_as })
    }

    /// Takes the next one out: it has its turn.
    pub(super) fn pop(&mut self, now: Instant) {
        let class = self.next_class(now);
        if class == Class::Background {
            self.background_since = now;
        }
        self.ring(class).pop();
    }

    /// Wakes the next one.
    pub(super) fn wake(&self, now: Instant) {
        if let Some(head) = self.head(now) {
            head.ticket.wake.notify_one();
        }
    }

    /// Whether a turn that was taken a moment ago may still be used. Used late it would come too close to
    /// those after it.
    pub(super) fn has_spare(&self, now: Instant) -> bool {
        self.spare.is_some_and(|spare| now.duration_since(spare.at) <= SPARE_HOLDS)
    }

    /// Whether nothing is in it.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.len() == 0 && !self.is_asking && !self.has_spare(now)
    }

    fn ring(&mut self, class: Class) -> &mut Ring {
        match class {
            Class::Interactive => &mut self.interactive,
            Class::Background => &mut self.background,
        }
    }
}
