//! Backoff after inconclusive responses of a token endpoint: short at first, so that an account recovers automatically
//! within seconds, and doubled after each further round of attempts.
//!
//! The backoff is stored in the record of attempts, which all processes share, together with the failure that callers
//! get. It belongs to a pair of tokens: a newer pair, by a refresh or a link, ends it.

use std::time::Duration;

use time::OffsetDateTime;

use super::error::{RefreshFailure, TokenError};
use crate::domain::entropy::{Entropy, random_bytes};
use crate::store::RefreshBackoff;

/// Maximum number of attempts per refresh: providers keep a consumed refresh token valid for a short time, so a request
/// whose response was lost can be repeated immediately.
pub(super) const MAX_ATTEMPTS: u32 = 3;
pub(super) const FIRST_DELAY: Duration = Duration::from_millis(250);
/// A delay that doubles with every round of attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExponentialBackoff {
    /// Delay after the first round.
    pub(super) first: Duration,
    /// Maximum delay.
    pub(super) max: Duration,
}

/// Backoff during which callers get the failure of the last round.
pub(super) const CALL_BACKOFF: ExponentialBackoff =
    ExponentialBackoff { first: Duration::from_secs(1), max: Duration::from_mins(1) };

impl ExponentialBackoff {
    /// Returns the delay after this many attempts.
    pub(super) fn delay_after(self, attempts: i32) -> Duration {
        let rounds = u32::try_from(attempts - 1).unwrap_or(0) / MAX_ATTEMPTS;
        let factor = 1_u32.checked_shl(rounds.min(16)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

/// Returns the backoff that begins `now`, after this many attempts: the provider's `Retry-After` or a longer delay of
/// ours. Half of our delay is fixed, the other half is random, so that accounts that failed together spread out.
pub(super) fn begin<'f>(
    failure: &'f RefreshFailure,
    attempts: i32,
    now: OffsetDateTime,
    entropy: &dyn Entropy,
) -> RefreshBackoff<'f> {
    let whole = CALL_BACKOFF.delay_after(attempts);
    let chance = u32::from(u16::from_be_bytes(random_bytes(entropy)));
    let ours = whole / 2 + whole / 2 * chance / u32::from(u16::MAX);
    let until = now + ours.max(failure.retry_after().unwrap_or_default());
    let (kind, detail) = match failure {
        RefreshFailure::Rejected(code) => (REJECTED, code.as_str()),
        RefreshFailure::ClientRejected(code) => (CLIENT_REJECTED, code.as_str()),
        RefreshFailure::RequestRejected(code) => (REQUEST_REJECTED, code.as_str()),
        RefreshFailure::TimedOut | RefreshFailure::Busy => (TIMED_OUT, ""),
        RefreshFailure::Unreachable => (UNREACHABLE, ""),
        RefreshFailure::ServerError(outage) => (SERVER_ERROR, outage.status.as_str()),
        RefreshFailure::ResponseLost(reason) => (RESPONSE_LOST, reason.as_str()),
    };
    RefreshBackoff { since: now, until, failure: kind.into(), detail: detail.into() }
}

const REJECTED: &str = "rejected";
const CLIENT_REJECTED: &str = "client_rejected";
const REQUEST_REJECTED: &str = "request_rejected";
const TIMED_OUT: &str = "timed_out";
const UNREACHABLE: &str = "unreachable";
const SERVER_ERROR: &str = "server_error";
const RESPONSE_LOST: &str = "response_lost";

/// Returns the failure for callers while a backoff lasts; `None` when it is over, or when an app whose credentials were
/// rejected was changed since.
pub(super) fn current_failure(
    pause: RefreshBackoff<'_>,
    app_changed_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Option<TokenError> {
    let left = Duration::try_from(pause.until - now).ok().filter(|left| !left.is_zero())?;
    // A clock that was set back must not extend it.
    let length = Duration::try_from(pause.until - pause.since).unwrap_or_default();
    if left > length + CALL_BACKOFF.max
        || (pause.failure == CLIENT_REJECTED && app_changed_at.is_some_and(|at| at >= pause.since))
    {
        return None;
    }
    let detail = pause.detail.into_owned();
    let failure = match &*pause.failure {
        REJECTED => RefreshFailure::Rejected(detail),
        CLIENT_REJECTED => RefreshFailure::ClientRejected(detail),
        REQUEST_REJECTED => RefreshFailure::RequestRejected(detail),
        TIMED_OUT => RefreshFailure::TimedOut,
        UNREACHABLE => RefreshFailure::Unreachable,
        RESPONSE_LOST => RefreshFailure::ResponseLost(detail),
        _ => RefreshFailure::ServerError(detail.into()),
    };
    Some(TokenError::Refresh { failure, retry_after: left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn the_first_delays_are_short_and_the_last_is_a_minute() {
        let after = |round: i32| CALL_BACKOFF.delay_after(round * 3).as_secs();
        let pauses: Vec<u64> = (1..=9).map(after).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(CALL_BACKOFF.delay_after(i32::MAX), CALL_BACKOFF.max);
        assert_eq!(CALL_BACKOFF.delay_after(0), CALL_BACKOFF.first);
    }

    #[test]
    fn a_delay_is_never_shorter_than_its_half() {
        let entropy = SeededEntropy::new(1);
        let now = OffsetDateTime::UNIX_EPOCH;
        for attempts in 1..200 {
            let pause = begin(&RefreshFailure::Unreachable, attempts, now, &entropy);
            let lasts = Duration::try_from(pause.until - now).unwrap();
            let whole = CALL_BACKOFF.delay_after(attempts);
            assert!(lasts >= whole / 2 && lasts <= whole, "{lasts:?} of {whole:?}");
        }
    }
}
