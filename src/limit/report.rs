//! The status of the buckets that one request took from, for its rate limit headers.

use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The status of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketStatus {
    /// The provider's method, or its name for a set of them.
    pub name: Cow<'static, str>,
    /// Calls a minute.
    pub quota: u32,
    /// Calls that would be admitted now.
    pub remaining: u32,
    /// The time until the bucket is full again without further calls.
    pub reset: Duration,
}

/// Collects the status of the buckets that one request takes from.
#[derive(Debug, Default)]
pub struct LimitReport(Mutex<Vec<BucketStatus>>);

impl LimitReport {
    /// Records the current status of buckets.
    pub fn record(&self, statuses: Vec<BucketStatus>) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.is_empty() {
            *notes = statuses;
            return;
        }
        for status in statuses {
            match notes.iter_mut().find(|previous| previous.name == status.name) {
                Some(previous) => *previous = status,
                None => notes.push(status),
            }
        }
    }

    /// Returns the result of `show` for the recorded statuses, the bucket with the fewest remaining calls first.
    pub fn read<T>(&self, show: impl FnOnce(&[BucketStatus]) -> T) -> T {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.sort_by_key(|status| (status.remaining, std::cmp::Reverse(status.reset)));
        show(&notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(name: &str, remaining: u32, seconds: u64) -> BucketStatus {
        let reset = Duration::from_secs(seconds);
        BucketStatus { name: name.to_owned().into(), quota: 60, remaining, reset }
    }

    #[test]
    fn the_bucket_with_the_fewest_remaining_calls_comes_first() {
        let report = LimitReport::default();
        report.record(vec![standing("a", 9, 1), standing("b", 3, 2)]);
        report.record(vec![standing("c", 3, 7), standing("a", 2, 8)]);
        let names =
            report.read(|notes| notes.iter().map(|one| one.name.to_string()).collect::<Vec<_>>());
        assert_eq!(names, ["a", "c", "b"]);
    }
}
