//! The buckets of this process: their state by key, and the exchange of that state with Redis.

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::gcra::{GcraQuota, GcraState};
use super::{BucketKey, BucketStatus, Cost, Priority, Rate};
use crate::domain::ids::ProviderAppId;

/// The state of one bucket.
#[derive(Debug)]
pub(super) struct Bucket {
    state: GcraState,
    blocked_until: Instant,
    /// The rate of the last call, for reports.
    rate: Option<Rate>,
    /// The queues with calls that wait for it.
    pub(super) queues: Vec<Arc<[BucketKey]>>,
    /// The number of the Redis connection over which this state was last exchanged.
    synced_on: u64,
}

/// The state of a bucket as it is exchanged with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketState {
    pub(super) backlog: Duration,
    pub(super) blocked_for: Duration,
}

/// The buckets by key.
#[derive(Debug, Default)]
pub(super) struct BucketMap(HashMap<BucketKey, Bucket>);

impl Bucket {
    fn new(now: Instant) -> Self {
        Self {
            state: GcraState { tat: now },
            blocked_until: now,
            rate: None,
            queues: Vec::new(),
            synced_on: 0,
        }
    }

    fn blocked_for(&self, now: Instant) -> Duration {
        self.blocked_until.saturating_duration_since(now)
    }

    /// Returns how long a call waits that comes after `ahead` others.
    pub(super) fn wait(&self, pace: GcraQuota, now: Instant, ahead: u32) -> Duration {
        self.state.wait(pace, now, self.blocked_for(now), ahead)
    }

    /// Whether it can be removed: a full bucket equals a new one.
    fn is_idle(&self, now: Instant) -> bool {
        self.queues.is_empty() && self.state.tat <= now && self.blocked_until <= now
    }

    fn status(&self, key: &BucketKey, rate: Rate, now: Instant) -> BucketStatus {
        let (blocked, backlog) = (self.blocked_for(now), self.state.backlog(now));
        let left = self.state.remaining(GcraQuota::new(rate, Priority::Interactive), now);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let quota = rate.per_minute.ceil() as u32;
        BucketStatus {
            name: key.bucket.clone(),
            quota,
            remaining: if blocked.is_zero() { left.min(quota) } else { 0 },
            reset: backlog.max(blocked),
        }
    }
}

impl BucketMap {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of blocked buckets.
    pub(super) fn blocked_count(&self, now: Instant) -> usize {
        self.0.values().filter(|bucket| bucket.blocked_until > now).count()
    }

    pub(super) fn get(&self, key: &BucketKey) -> Option<&Bucket> {
        self.0.get(key)
    }

    /// Returns the bucket of a key; inserts a full one when there is none.
    pub(super) fn get_or_insert(&mut self, key: &BucketKey, now: Instant) -> &mut Bucket {
        self.0.entry(key.clone()).or_insert_with(|| Bucket::new(now))
    }

    /// Takes a permit from all buckets and returns their status; `None` when a call waits for one of them or one has
    /// no room.
    pub(super) fn try_take(
        &mut self,
        cost: &Cost,
        rates: &[Rate],
        priority: Priority,
        now: Instant,
    ) -> Option<Vec<BucketStatus>> {
        let both = || cost.keys.iter().zip(rates);
        let has_room = |(key, rate): (&BucketKey, &Rate)| {
            self.get(key).is_none_or(|bucket| {
                bucket.queues.is_empty()
                    && bucket.wait(GcraQuota::new(*rate, priority), now, 0).is_zero()
            })
        };
        if !both().all(has_room) {
            return None;
        }
        let statuses = both().zip(&cost.rates).map(|((key, rate), whole)| {
            let bucket = self.get_or_insert(key, now);
            bucket.rate = Some(*whole);
            bucket.state.charge(GcraQuota::new(*rate, Priority::Interactive), now);
            bucket.status(key, *whole, now)
        });
        Some(statuses.collect())
    }

    /// Returns how long a call waits until all buckets have room.
    pub(super) fn wait(
        &self,
        keys: &[BucketKey],
        rates: &[Rate],
        priority: Priority,
        now: Instant,
    ) -> Duration {
        let waits = keys.iter().zip(rates).map(|(key, rate)| {
            self.get(key)
                .map_or(Duration::ZERO, |it| it.wait(GcraQuota::new(*rate, priority), now, 0))
        });
        waits.max().unwrap_or_default()
    }

    /// Takes a permit from all buckets.
    pub(super) fn charge(&mut self, keys: &[BucketKey], rates: &[Rate], now: Instant) {
        for (key, rate) in keys.iter().zip(rates) {
            self.get_or_insert(key, now)
                .state
                .charge(GcraQuota::new(*rate, Priority::Interactive), now);
        }
    }

    /// Blocks all buckets until `until`.
    pub(super) fn block(&mut self, cost: &Cost, until: Instant, now: Instant) {
        for (key, rate) in cost.keys.iter().zip(&cost.rates) {
            let bucket = self.get_or_insert(key, now);
            bucket.rate = Some(*rate);
            bucket.blocked_until = bucket.blocked_until.max(until);
        }
    }

    /// Returns the status of each bucket.
    pub(super) fn statuses(&self, cost: &Cost, now: Instant) -> Vec<BucketStatus> {
        let both = cost.keys.iter().zip(&cost.rates);
        both.map(|(key, rate)| match self.get(key) {
            Some(bucket) => bucket.status(key, *rate, now),
            None => Bucket::new(now).status(key, *rate, now),
        })
        .collect()
    }

    /// Records the rates of buckets, for reports.
    pub(super) fn record_rates(&mut self, cost: &Cost, now: Instant) {
        for (key, rate) in cost.keys.iter().zip(&cost.rates) {
            self.get_or_insert(key, now).rate = Some(*rate);
        }
    }

    /// Returns the status of the buckets of an organization and a client that are not full, in the order of their names.
    pub(super) fn statuses_of(
        &self,
        organization: &str,
        app: Option<ProviderAppId>,
        now: Instant,
    ) -> Vec<BucketStatus> {
        let own = self.0.iter().filter(|(key, _)| {
            &*key.organization == organization && (key.app.is_none() || key.app == app)
        });
        let mut statuses: Vec<BucketStatus> =
            own.filter_map(|(key, bucket)| Some(bucket.status(key, bucket.rate?, now))).collect();
        statuses.sort_by(|one, other| one.name.cmp(&other.name));
        statuses
    }

    /// Replaces the state of buckets with that of Redis, received over the connection `connection_id`.
    pub(super) fn apply_remote_state(
        &mut self,
        keys: &[BucketKey],
        states: &[BucketState],
        connection_id: u64,
        now: Instant,
    ) {
        for (key, state) in keys.iter().zip(states) {
            let bucket = self.get_or_insert(key, now);
            bucket.state = GcraState { tat: now + state.backlog };
            // Redis may have replied before it received a pause that was set here meanwhile.
            bucket.blocked_until = bucket.blocked_until.max(now + state.blocked_for);
            bucket.synced_on = connection_id;
        }
    }

    /// Returns the state of a bucket to send to Redis over the connection `connection_id`: the local state once per
    /// connection, because Redis may have lost it; else zero.
    pub(super) fn unsynced_state(
        &self,
        key: &BucketKey,
        connection_id: u64,
        now: Instant,
    ) -> BucketState {
        let unsynced = self.get(key).filter(|bucket| bucket.synced_on != connection_id);
        unsynced.map_or(
            BucketState { backlog: Duration::ZERO, blocked_for: Duration::ZERO },
            |bucket| BucketState {
                backlog: bucket.state.backlog(now),
                blocked_for: bucket.blocked_for(now),
            },
        )
    }

    /// Removes full buckets.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.0.retain(|_, bucket| !bucket.is_idle(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_from_before_a_pause_does_not_end_it() {
        let (mut buckets, now) = (BucketMap::default(), Instant::now());
        let key = BucketKey { app: None, organization: "E1".into(), bucket: "a".into() };
        let cost = Cost::new([(key.clone(), Rate { per_minute: 60.0, burst: 9 })]);
        let pause = Duration::from_secs(30);
        buckets.block(&cost, now + pause, now);
        for blocked in [Duration::ZERO, Duration::from_secs(1)] {
            let state = BucketState { backlog: Duration::ZERO, blocked_for: blocked };
            buckets.apply_remote_state(&cost.keys, &[state], 1, now);
            assert_eq!(buckets.get(&key).unwrap().blocked_for(now), pause);
        }
        let longer = BucketState { backlog: Duration::ZERO, blocked_for: pause * 2 };
        buckets.apply_remote_state(&cost.keys, &[longer], 1, now);
        assert_eq!(buckets.get(&key).unwrap().blocked_for(now), pause * 2);
    }
}
