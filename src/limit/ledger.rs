//! What this process knows of each budget.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::gcra::{Debt, Pace};
use super::{Class, LimitKey, Price, Rate, Standing};

/// What is known of a budget.
#[derive(Debug)]
pub(super) struct Budget {
    debt: Debt,
    blocked_until: Instant,
    /// The lanes in which somebody waits for it.
    pub(super) lanes: Vec<Arc<[LimitKey]>>,
    /// The connection to Redis on which our debt was told.
    told: u64,
}

/// How a budget stands in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) owed: Duration,
    pub(super) blocked: Duration,
}

/// The budgets.
#[derive(Debug, Default)]
pub(super) struct Ledger(HashMap<LimitKey, Budget>);

impl Budget {
    fn new(now: Instant) -> Self {
        Self { debt: Debt { paid_at: now }, blocked_until: now, lanes: Vec::new(), told: 0 }
    }

    fn blocked(&self, now: Instant) -> Duration {
        self.blocked_until.saturating_duration_since(now)
    }

    /// How long a call has to wait that comes after `ahead` others.
    pub(super) fn wait(&self, pace: Pace, now: Instant, ahead: u32) -> Duration {
        self.debt.wait(pace, now, self.blocked(now), ahead)
    }

    /// A full budget is as good as a new one.
    fn is_idle(&self, now: Instant) -> bool {
        self.lanes.is_empty() && self.debt.paid_at <= now && self.blocked_until <= now
    }

    fn standing(&self, key: &LimitKey, rate: Rate, now: Instant) -> Standing {
        let (blocked, owed) = (self.blocked(now), self.debt.owed(now));
        let left = self.debt.left(Pace::new(rate, Class::Interactive), now);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let quota = rate.per_minute.ceil() as u32;
        Standing {
            name: key.bucket.clone(),
            quota,
            remaining: if blocked.is_zero() { left.min(quota) } else { 0 },
            reset: owed.max(blocked),
        }
    }
}

impl Ledger {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many budgets are blocked.
    pub(super) fn blocked(&self, now: Instant) -> usize {
        self.0.values().filter(|budget| budget.blocked_until > now).count()
    }

    pub(super) fn get(&self, key: &LimitKey) -> Option<&Budget> {
        self.0.get(key)
    }

    /// The budget of a key, a full one when it was not known.
    pub(super) fn open(&mut self, key: &LimitKey, now: Instant) -> &mut Budget {
        self.0.entry(key.clone()).or_insert_with(|| Budget::new(now))
    }

    /// Takes a call from all budgets, if nobody waits for one of them and all have room for it now: then this is
    /// how they stand.
    pub(super) fn take(
        &mut self,
        price: &Price,
        rates: &[Rate],
        class: Class,
        now: Instant,
    ) -> Option<Vec<Standing>> {
        let both = || price.keys.iter().zip(rates);
        let has_room = |(key, rate): (&LimitKey, &Rate)| {
            self.get(key).is_none_or(|budget| {
                budget.lanes.is_empty() && budget.wait(Pace::new(*rate, class), now, 0).is_zero()
            })
        };
        if !both().all(has_room) {
            return None;
        }
        let told = both().zip(&price.rates).map(|((key, rate), whole)| {
            let budget = self.open(key, now);
            budget.debt.charge(Pace::new(*rate, Class::Interactive), now);
            budget.standing(key, *whole, now)
        });
        Some(told.collect())
    }

    /// How long a call has to wait until all budgets have room for it.
    pub(super) fn wait(
        &self,
        keys: &[LimitKey],
        rates: &[Rate],
        goes_as: Class,
        now: Instant,
    ) -> Duration {
        let waits = keys.iter().zip(rates).map(|(key, rate)| {
            self.get(key).map_or(Duration::ZERO, |it| it.wait(Pace::new(*rate, goes_as), now, 0))
        });
        waits.max().unwrap_or_default()
    }

    /// Takes a call from all budgets.
    pub(super) fn charge(&mut self, keys: &[LimitKey], rates: &[Rate], now: Instant) {
        for (key, rate) in keys.iter().zip(rates) {
            self.open(key, now).debt.charge(Pace::new(*rate, Class::Interactive), now);
        }
    }

    /// Blocks all budgets.
    pub(super) fn block(&mut self, price: &Price, until: Instant, now: Instant) {
        for key in price.keys.iter() {
            let budget = self.open(key, now);
            budget.blocked_until = budget.blocked_until.max(until);
        }
    }

    /// How the budgets stand.
    pub(super) fn standings(&self, price: &Price, now: Instant) -> Vec<Standing> {
        let both = price.keys.iter().zip(&price.rates);
        both.map(|(key, rate)| match self.get(key) {
            Some(budget) => budget.standing(key, *rate, now),
            None => Budget::new(now).standing(key, *rate, now),
        })
        .collect()
    }

    /// Takes over how budgets stand in Redis, as told on its connection number `link`.
    pub(super) fn learn(&mut self, keys: &[LimitKey], known: &[Known], link: u64, now: Instant) {
        for (key, known) in keys.iter().zip(known) {
            let budget = self.open(key, now);
            budget.debt = Debt { paid_at: now + known.owed };
            // Redis may have said this before it was told of a pause that came here meanwhile.
            budget.blocked_until = budget.blocked_until.max(now + known.blocked);
            budget.told = link;
        }
    }

    /// What is to be told to Redis of a budget on connection number `link`: what we know it to stand at,
    /// once after each time that Redis was away, because it may have forgotten.
    pub(super) fn untold(&self, key: &LimitKey, link: u64, now: Instant) -> Known {
        let untold = self.get(key).filter(|budget| budget.told != link);
        untold.map_or(Known { owed: Duration::ZERO, blocked: Duration::ZERO }, |budget| Known {
            owed: budget.debt.owed(now),
            blocked: budget.blocked(now),
        })
    }

    /// Forgets the budgets that are full.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, budget| !budget.is_idle(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_pause_does_not_end_it() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let key = LimitKey { app: None, organization: "E1".into(), bucket: "a".into() };
        let price = Price::new([(key.clone(), Rate { per_minute: 60.0, burst: 9 })]);
        let pause = Duration::from_secs(30);
        ledger.block(&price, now + pause, now);
        for blocked in [Duration::ZERO, Duration::from_secs(1)] {
            let known = Known { owed: Duration::ZERO, blocked };
            ledger.learn(&price.keys, &[known], 1, now);
            assert_eq!(ledger.get(&key).unwrap().blocked(now), pause);
        }
        let longer = Known { owed: Duration::ZERO, blocked: pause * 2 };
        ledger.learn(&price.keys, &[longer], 1, now);
        assert_eq!(ledger.get(&key).unwrap().blocked(now), pause * 2);
    }
}
