//! When a call is sent again: one table, for every provider and for the proxy as well.
//!
//! | an attempt ended with | safe to repeat | once only |
//! | --- | --- | --- |
//! | any sign of an invalid token, the first time | with a new token, when the known path confirms it; else done | the same: nothing was done |
//! | the same, again | done | done |
//! | rate limited | after the pause it asks for | after it: nothing was done |
//! | a server error | after a pause, the one it asks for at least | done: it may have been done |
//! | no connection | after a pause | after a pause: nothing was sent |
//! | no answer, or a broken one | after a pause | failed: it may have been done |
//! | an answer | done | done |
//!
//! All pauses end within the caller's wait, or the attempt was the last one.
//!
//! It is a table and not a stack of `tower` layers: the token, the turn and the pause that an attempt
//! ends with decide on what the next one takes, and between two layers each would have to pass the
//! others' business along.

use std::time::Duration;

use super::answer::{Answer, Verdict};
use super::error::UpstreamError;
use super::request::Safety;

/// The pause after a rate limit that names none.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);

/// What comes after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the answer or the error is what the caller gets.
    Done,
    /// The token has to be tried: when it is invalid, the same call with a newer one.
    TryToken,
    /// The same call, once the provider's pause is over.
    Blocked(Duration),
    /// The same call, after a pause of our own, and of this length at least.
    Again(Duration),
}

/// What comes after an attempt that ended so. `renewed` says whether the token was renewed already.
pub(super) fn next(
    end: &Result<Box<Answer>, UpstreamError>,
    safety: Safety,
    renewed: bool,
) -> Next {
    let when_safe = |pause| match safety {
        Safety::Repeatable => Next::Again(pause),
        Safety::Once => Next::Done,
    };
    match end {
        Ok(answer) => match answer.verdict {
            Verdict::Final => Next::Done,
            Verdict::DeadToken | Verdict::RefusedToken if renewed => Next::Done,
            Verdict::DeadToken | Verdict::RefusedToken => Next::TryToken,
            Verdict::TooFast => Next::Blocked(answer.retry_after.unwrap_or(DEFAULT_PAUSE)),
            Verdict::Trouble => when_safe(answer.retry_after.unwrap_or_default()),
        },
        Err(UpstreamError::Connect(_)) => Next::Again(Duration::ZERO),
        Err(UpstreamError::Timeout | UpstreamError::Broken(_)) => when_safe(Duration::ZERO),
        Err(
            UpstreamError::CallerStalled
            | UpstreamError::Limited { .. }
            | UpstreamError::Token(_)
            | UpstreamError::TooManyWaiting
            | UpstreamError::Resting { .. }
            | UpstreamError::NotAllowed
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge,
        ) => Next::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds() {
        let seven = Duration::from_secs(7);
        let (some, none) = (Some(seven), None);
        let rows = [
            (Verdict::Final, none, Next::Done, Next::Done),
            (Verdict::DeadToken, none, Next::TryToken, Next::TryToken),
            (Verdict::RefusedToken, none, Next::TryToken, Next::TryToken),
            (Verdict::TooFast, some, Next::Blocked(seven), Next::Blocked(seven)),
            (Verdict::TooFast, none, Next::Blocked(DEFAULT_PAUSE), Next::Blocked(DEFAULT_PAUSE)),
            (Verdict::Trouble, none, Next::Again(Duration::ZERO), Next::Done),
            (Verdict::Trouble, some, Next::Again(seven), Next::Done),
        ];
        for (verdict, retry_after, repeatable, once) in rows {
            let mut answer = Answer::of_verdict(verdict);
            answer.retry_after = retry_after;
            let end = Ok(answer);
            assert_eq!(next(&end, Safety::Repeatable, false), repeatable, "{end:?}");
            assert_eq!(next(&end, Safety::Once, false), once, "{end:?}");
        }
        for verdict in [Verdict::DeadToken, Verdict::RefusedToken] {
            let twice = next(&Ok(Answer::of_verdict(verdict)), Safety::Repeatable, true);
            assert_eq!(twice, Next::Done, "a token is renewed once");
        }
        let resting = Err(UpstreamError::Resting { retry_after: seven });
        assert_eq!(next(&resting, Safety::Repeatable, false), Next::Done);
    }
}
