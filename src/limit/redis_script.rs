//! Invocations of the Lua script that holds the buckets in Redis.

use std::time::Duration;

use redis::{Script, ScriptInvocation};

use super::buckets::BucketState;
use super::gcra::GcraQuota;
use super::{BucketKey, Cost, Priority};

const SCRIPT: &str = include_str!("redis.lua");

/// The Lua script.
pub(super) struct BucketScript(Script);

impl BucketScript {
    /// Creates the script; nothing is sent yet.
    pub(super) fn new() -> Self {
        Self(Script::new(SCRIPT))
    }

    /// Returns the invocation of `task` with the argument `number` for the buckets of `cost`. `unsynced` is the state
    /// of each that the server may have lost.
    pub(super) fn call(
        &self,
        task: &str,
        number: Duration,
        cost: &Cost,
        priority: Priority,
        unsynced: &[BucketState],
    ) -> ScriptInvocation<'_> {
        let mut invocation = self.0.prepare_invoke();
        invocation.arg(task).arg(micros(number));
        for (index, (key, rate)) in cost.keys.iter().zip(&cost.rates).enumerate() {
            let (quota, full_quota) =
                (GcraQuota::new(*rate, priority), GcraQuota::new(*rate, Priority::Interactive));
            let state = unsynced.get(index);
            invocation
                .key(redis_key(key))
                .arg(micros(quota.emission_interval))
                .arg(micros(quota.burst_tolerance))
                .arg(micros(state.map_or(Duration::ZERO, |state| state.backlog)))
                .arg(micros(state.map_or(Duration::ZERO, |state| state.blocked_for)))
                .arg(micros(full_quota.burst_tolerance + full_quota.emission_interval));
        }
        invocation
    }

    /// Returns the invocation that adds `process` to the list at `key` and counts the processes seen within `ttl`.
    pub(super) fn count(&self, key: &str, ttl: Duration, process: &str) -> ScriptInvocation<'_> {
        let mut invocation = self.0.prepare_invoke();
        invocation.key(key).arg("count").arg(micros(ttl)).arg(process);
        invocation
    }
}

/// Returns the Redis key of a bucket. The organization is the hash tag: its keys are on one node of a cluster.
fn redis_key(key: &BucketKey) -> String {
    let BucketKey { app, organization, bucket } = key;
    let organization = organization.replace(['{', '}'], "_");
    match app {
        Some(app) => format!("switchboard:limit:{{{organization}}}:{app}:{bucket}"),
        None => format!("switchboard:limit:{{{organization}}}:all:{bucket}"),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_of_an_organization_share_a_hash_tag() {
        let key = |organization: &str, bucket: &str| {
            redis_key(&BucketKey {
                app: None,
                organization: organization.into(),
                bucket: bucket.to_owned().into(),
            })
        };
        assert_eq!(key("E1", "scim.read"), "switchboard:limit:{E1}:all:scim.read");
        assert_eq!(key("a}b{c", "x"), "switchboard:limit:{a_b_c}:all:x");
    }
}
