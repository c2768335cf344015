//! The queue of the calls that wait for the same buckets.
//!
//! Interactive calls come before background calls; within a priority, accounts are served round-robin, and the
//! calls of an account first in, first out. So that background calls never starve, one is admitted
//! [`STARVATION_PERIODS`] periods after the last one, however many interactive calls wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Priority, Rate};
use crate::domain::ids::IntegratedAccountId;

/// Periods without a permit after which one background call goes before interactive calls.
pub(super) const STARVATION_PERIODS: u32 = 10;
/// How long a permit from Redis may stay unused.
const UNUSED_PERMIT_TTL: Duration = Duration::from_millis(100);

/// A place in a queue.
#[derive(Debug, Clone)]
pub(super) struct WaitTicket {
    /// Unique within a limiter.
    pub(super) number: u64,
    /// Wakes the waiter.
    pub(super) wake: Arc<Notify>,
}

/// The waiting calls of one priority, by account.
#[derive(Debug, Default)]
struct RoundRobin {
    /// The accounts with waiting calls, the next one first.
    accounts: VecDeque<IntegratedAccountId>,
    waiting: HashMap<IntegratedAccountId, VecDeque<WaitTicket>>,
    len: u32,
}

/// A permit that was taken from Redis and is not used yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct UnusedPermit {
    /// When the reply came.
    pub(super) granted_at: Instant,
}

/// The calls that wait for the same buckets.
#[derive(Debug)]
pub(super) struct WaitQueue {
    /// The rates of the buckets.
    pub(super) rates: Vec<Rate>,
    interactive: RoundRobin,
    background: RoundRobin,
    /// Since when background calls have waited without a permit.
    background_waiting_since: Instant,
    /// The number of the last permit, counted over all queues: the smallest one marks the least recently served queue.
    pub(super) last_served: u64,
    /// Whether a query to Redis for a permit is running.
    pub(super) is_query_pending: bool,
    /// A permit from Redis to be used.
    pub(super) unused_permit: Option<UnusedPermit>,
}

/// The call to be admitted next.
#[derive(Debug, Clone, Copy)]
pub(super) struct NextWaiter<'a> {
    pub(super) ticket: &'a WaitTicket,
    /// The effective priority: a background call past its starvation deadline counts as interactive.
    pub(super) priority: Priority,
}

impl RoundRobin {
    fn head(&self) -> Option<&WaitTicket> {
        self.waiting.get(self.accounts.front()?)?.front()
    }

    fn push(&mut self, account: IntegratedAccountId, ticket: WaitTicket) {
        let own = self.waiting.entry(account).or_default();
        if own.is_empty() {
            self.accounts.push_back(account);
        }
        own.push_back(ticket);
        self.len += 1;
    }

    /// Removes the head; its account goes to the end.
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

    /// Returns how many calls go before a ticket of the account, or before a new one when `number` is `None`.
    fn ahead(&self, account: IntegratedAccountId, number: Option<u64>) -> u32 {
        let own = self.waiting.get(&account);
        let mine = own.map_or(0, |own| {
            let position = own.iter().position(|ticket| Some(ticket.number) == number);
            position.unwrap_or(own.len())
        });
        // Until its own earlier calls are admitted, each other account gets as many permits, and one more.
        let others = self.waiting.iter().filter(|(other, _)| **other != account);
        let others: usize = others.map(|(_, theirs)| theirs.len().min(mine + 1)).sum();
        u32::try_from(mine + others).unwrap_or(u32::MAX)
    }
}

impl WaitQueue {
    /// Creates an empty queue for buckets of these rates.
    pub(super) fn new(rates: Vec<Rate>, last_served: u64, now: Instant) -> Self {
        let (interactive, background) = (RoundRobin::default(), RoundRobin::default());
        let (is_query_pending, unused_permit) = (false, None);
        Self {
            rates,
            interactive,
            background,
            background_waiting_since: now,
            last_served,
            is_query_pending,
            unused_permit,
        }
    }

    /// Returns the number of waiting calls.
    pub(super) fn len(&self) -> u32 {
        self.interactive.len + self.background.len
    }

    /// Returns how many waiting calls go before a new call of this priority at most.
    pub(super) fn len_ahead_of(&self, priority: Priority) -> u32 {
        match priority {
            Priority::Interactive => self.interactive.len,
            Priority::Background => self.len(),
        }
    }

    /// Returns how many calls of this queue go before a ticket, or before a new one when `number` is `None`.
    pub(super) fn ahead(
        &self,
        priority: Priority,
        account: IntegratedAccountId,
        number: Option<u64>,
    ) -> u32 {
        match priority {
            Priority::Interactive => self.interactive.ahead(account, number),
            Priority::Background => self.interactive.len + self.background.ahead(account, number),
        }
    }

    /// Appends a call.
    pub(super) fn push(
        &mut self,
        priority: Priority,
        account: IntegratedAccountId,
        ticket: WaitTicket,
        now: Instant,
    ) {
        if priority == Priority::Background && self.background.len == 0 {
            self.background_waiting_since = now;
        }
        self.round_robin(priority).push(account, ticket);
    }

    /// Removes a call; returns whether it was there.
    pub(super) fn remove(
        &mut self,
        priority: Priority,
        account: IntegratedAccountId,
        number: u64,
    ) -> bool {
        self.round_robin(priority).remove(account, number)
    }

    /// Returns the longest period of the buckets.
    pub(super) fn period(&self) -> Duration {
        self.rates.iter().map(|rate| rate.period()).max().unwrap_or_default()
    }

    /// Returns when the next background call goes before interactive calls; `None` when no background call waits.
    pub(super) fn starvation_deadline(&self) -> Option<Instant> {
        let waits = self.background.len > 0;
        waits.then(|| self.background_waiting_since + self.period() * STARVATION_PERIODS)
    }

    fn next_priority(&self, now: Instant) -> Priority {
        let is_due = self.starvation_deadline().is_some_and(|end| end <= now);
        if is_due || self.interactive.len == 0 {
            Priority::Background
        } else {
            Priority::Interactive
        }
    }

    /// Returns the call to be admitted next.
    pub(super) fn next_waiter(&self, now: Instant) -> Option<NextWaiter<'_>> {
        let priority = self.next_priority(now);
        let is_due = self.starvation_deadline().is_some_and(|end| end <= now);
        let calls = match priority {
            Priority::Interactive => &self.interactive,
            Priority::Background => &self.background,
        };
        let priority = if is_due { Priority::Interactive } else { priority };
        calls.head().map(|ticket| NextWaiter { ticket, priority })
    }

    /// Removes the next call: it was admitted.
    pub(super) fn pop(&mut self, now: Instant) {
        let priority = self.next_priority(now);
        if priority == Priority::Background {
            self.background_waiting_since = now;
        }
        self.round_robin(priority).pop();
    }

    /// Wakes the next call.
    pub(super) fn wake_next(&self, now: Instant) {
        if let Some(head) = self.next_waiter(now) {
            head.ticket.wake.notify_one();
        }
    }

    /// Whether a permit from Redis may still be used. Used late, the call would come too close to those after it.
    pub(super) fn has_unused_permit(&self, now: Instant) -> bool {
        self.unused_permit.is_some_and(|unused_permit| {
            now.duration_since(unused_permit.granted_at) <= UNUSED_PERMIT_TTL
        })
    }

    /// Whether the queue can be removed.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.len() == 0 && !self.is_query_pending && !self.has_unused_permit(now)
    }

    fn round_robin(&mut self, priority: Priority) -> &mut RoundRobin {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Background => &mut self.background,
        }
    }
}
