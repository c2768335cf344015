//! How long a provider is left alone after it gave no clear answer: short at first, so that an account
//! recovers by itself within seconds, twice as long after each further round of attempts.
//!
//! The pause stands in the record of attempts, which all processes share, beside the failure that its
//! callers are told. It belongs to a pair of tokens: a newer pair, by a refresh or a link, ends it.

use std::time::Duration;

use time::OffsetDateTime;

use super::failure::{RefreshFailure, TokenError};
use crate::domain::entropy::{Entropy, random_bytes};
use crate::store::{ProviderApp, RefreshPause};

/// How often a refresh without a clear answer is repeated: providers keep a used refresh token valid
/// for a short while, so an answer that got lost can be asked for again at once.
pub(super) const ATTEMPTS: u32 = 3;
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A pause that doubles with every round of attempts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Growing {
    /// After the first round.
    pub(super) first: Duration,
    /// The longest it gets.
    pub(super) longest: Duration,
}

/// How long callers are told the failure of the last round.
pub(super) const CALLS: Growing =
    Growing { first: Duration::from_secs(1), longest: Duration::from_mins(1) };

impl Growing {
    /// The pause after so many attempts.
    pub(super) fn after(self, attempts: i32) -> Duration {
        let rounds = u32::try_from(attempts - 1).unwrap_or(0) / ATTEMPTS;
        let factor = 1_u32.checked_shl(rounds.min(16)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }
}

/// The pause that begins `now`, after so many attempts: the one that the provider asks for, or a longer one of ours. Half of it is certain, the other half is chance:
/// accounts that failed together come apart.
pub(super) fn begin<'f>(
    failure: &'f RefreshFailure,
    attempts: i32,
    now: OffsetDateTime,
    entropy: &dyn Entropy,
) -> RefreshPause<'f> {
    let whole = CALLS.after(attempts);
    let chance = u32::from(u16::from_be_bytes(random_bytes(entropy)));
    let ours = whole / 2 + whole / 2 * chance / u32::from(u16::MAX);
    let until = now + ours.max(failure.retry_after().unwrap_or_default());
    let (kind, detail) = match failure {
        RefreshFailure::Refused(code) => (REFUSED, code.as_str()),
        RefreshFailure::ClientRefused(code) => (CLIENT_REFUSED, code.as_str()),
        RefreshFailure::Unclear(code) => (UNCLEAR, code.as_str()),
        RefreshFailure::TimedOut | RefreshFailure::Busy => (TIMED_OUT, ""),
        RefreshFailure::Unreachable => (UNREACHABLE, ""),
        RefreshFailure::Down(outage) => (DOWN, outage.status.as_str()),
        RefreshFailure::AnswerLost(reason) => (ANSWER_LOST, reason.as_str()),
    };
    RefreshPause { since: now, until, failure: kind.into(), detail: detail.into() }
}

const REFUSED: &str = "refused";
const CLIENT_REFUSED: &str = "client_refused";
const UNCLEAR: &str = "unclear";
const TIMED_OUT: &str = "timed_out";
const UNREACHABLE: &str = "unreachable";
const DOWN: &str = "down";
const ANSWER_LOST: &str = "answer_lost";

/// What callers are told while a pause lasts; `None` when it is over, or an app that was refused has
/// been changed since.
pub(super) fn told(
    pause: RefreshPause<'_>,
    app: &ProviderApp,
    now: OffsetDateTime,
) -> Option<TokenError> {
    let left = Duration::try_from(pause.until - now).ok().filter(|left| !left.is_zero())?;
    // A clock that was set back must not make it longer than it was meant to be.
    let length = Duration::try_from(pause.until - pause.since).unwrap_or_default();
    if left > length + CALLS.longest
        || (pause.failure == CLIENT_REFUSED && app.updated_at >= pause.since)
    {
        return None;
    }
    let detail = pause.detail.into_owned();
    let failure = match &*pause.failure {
        REFUSED => RefreshFailure::Refused(detail),
        CLIENT_REFUSED => RefreshFailure::ClientRefused(detail),
        UNCLEAR => RefreshFailure::Unclear(detail),
        TIMED_OUT => RefreshFailure::TimedOut,
        UNREACHABLE => RefreshFailure::Unreachable,
        ANSWER_LOST => RefreshFailure::AnswerLost(detail),
        _ => RefreshFailure::Down(detail.into()),
    };
    Some(TokenError::Refresh { failure, retry_after: left })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn the_first_pauses_are_short_and_the_last_is_a_minute() {
        let after = |round: i32| CALLS.after(round * 3).as_secs();
        let pauses: Vec<u64> = (1..=9).map(after).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(CALLS.after(i32::MAX), CALLS.longest);
        assert_eq!(CALLS.after(0), CALLS.first);
    }

    #[test]
    fn a_pause_is_never_shorter_than_its_half() {
        let entropy = SeededEntropy::new(1);
        let now = OffsetDateTime::UNIX_EPOCH;
        for attempts in 1..200 {
            let pause = begin(&RefreshFailure::Unreachable, attempts, now, &entropy);
            let lasts = Duration::try_from(pause.until - now).unwrap();
            let whole = CALLS.after(attempts);
            assert!(lasts >= whole / 2 && lasts <= whole, "{lasts:?} of {whole:?}");
        }
    }
}
