//! Where the state of the buckets is, and the share of the rates that this process uses.

use std::borrow::Cow;

use super::Rate;

/// Where the state of the buckets is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Backend {
    /// In this process, one of `process_count` that use the buckets.
    Local { process_count: u32 },
    /// In Redis, over the connection with this number. For a moment after an outage this process still uses its
    /// share of the rates only, because others may not have reconnected yet.
    Redis { connection_id: u64, process_count: u32 },
}

pub(super) fn process_count(backend: Backend) -> u32 {
    match backend {
        Backend::Local { process_count } | Backend::Redis { process_count, .. } => process_count,
    }
}

/// Returns the part of the rates that one of `process_count` processes may use.
pub(super) fn rates_per_process(rates: &[Rate], process_count: u32) -> Cow<'_, [Rate]> {
    if process_count <= 1 {
        return Cow::Borrowed(rates);
    }
    let part = |rate: &Rate| Rate {
        per_minute: rate.per_minute / f64::from(process_count),
        burst: (rate.burst / process_count).max(1),
    };
    Cow::Owned(rates.iter().map(part).collect())
}
