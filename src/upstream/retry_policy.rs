//! The retry policy: what follows a 429, a 5xx, an invalid token or no response. One table for all providers and the
//! proxy.
//!
//! | an attempt ended with | idempotent | not idempotent |
//! | --- | --- | --- |
//! | an invalid or rejected token, the first time | retry with a new token if a token check confirms it | the same |
//! | an invalid or rejected token, again | return | return |
//! | rate limited | retry after the requested pause | retry after it: the call had no effect |
//! | a server error | retry after the backoff or the requested pause | return: the call may have had an effect |
//! | no connection | retry after the backoff | retry after the backoff: nothing was sent |
//! | no response, or an interrupted one | retry after the backoff | fail: the call may have had an effect |
//! | any other response | return | return |
//!
//! A pause that would end after the caller's deadline makes the attempt the last one.
//!
//! This is a table and not a stack of `tower` layers: the token, the permit and the pause of an attempt decide on
//! the next one together, and each layer would have to pass on the state of the others.

use std::time::Duration;

use super::error::UpstreamError;
use super::request::Idempotency;
use super::response::{ProviderResponse, ResponseClass};

/// The pause after a 429 without `Retry-After`.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The action after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryAction {
    /// Return the response or the error.
    Return,
    /// Check the token; if it is invalid, retry with a newer one.
    CheckToken,
    /// Block the bucket for the provider's pause, and retry after it.
    RetryAfter(Duration),
    /// Retry after the backoff, and after this pause at least.
    Backoff(Duration),
}

/// Returns the action after an attempt with this result. `refreshed`: the token was already replaced once.
pub(super) fn retry_action(
    result: &Result<Box<ProviderResponse>, UpstreamError>,
    safety: Idempotency,
    refreshed: bool,
) -> RetryAction {
    let when_safe = |pause| match safety {
        Idempotency::Idempotent => RetryAction::Backoff(pause),
        Idempotency::NonIdempotent => RetryAction::Return,
    };
    match result {
        Ok(response) => match response.class {
            ResponseClass::Final => RetryAction::Return,
            ResponseClass::TokenInvalid | ResponseClass::TokenRejected if refreshed => {
                RetryAction::Return
            }
            ResponseClass::TokenInvalid | ResponseClass::TokenRejected => RetryAction::CheckToken,
            ResponseClass::RateLimited => {
                RetryAction::RetryAfter(response.retry_after.unwrap_or(DEFAULT_RETRY_AFTER))
            }
            ResponseClass::ServerError => when_safe(response.retry_after.unwrap_or_default()),
        },
        Err(UpstreamError::Connect(_)) => RetryAction::Backoff(Duration::ZERO),
        Err(UpstreamError::Timeout | UpstreamError::Interrupted(_)) => when_safe(Duration::ZERO),
        Err(
            UpstreamError::CallerStalled
            | UpstreamError::RateLimited { .. }
            | UpstreamError::Token(_)
            | UpstreamError::TooManyWaiting
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::NotAllowed
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge,
        ) => RetryAction::Return,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_table() {
        let seven = Duration::from_secs(7);
        let (some, none) = (Some(seven), None);
        let rows = [
            (ResponseClass::Final, none, RetryAction::Return, RetryAction::Return),
            (ResponseClass::TokenInvalid, none, RetryAction::CheckToken, RetryAction::CheckToken),
            (ResponseClass::TokenRejected, none, RetryAction::CheckToken, RetryAction::CheckToken),
            (
                ResponseClass::RateLimited,
                some,
                RetryAction::RetryAfter(seven),
                RetryAction::RetryAfter(seven),
            ),
            (
                ResponseClass::RateLimited,
                none,
                RetryAction::RetryAfter(DEFAULT_RETRY_AFTER),
                RetryAction::RetryAfter(DEFAULT_RETRY_AFTER),
            ),
            (
                ResponseClass::ServerError,
                none,
                RetryAction::Backoff(Duration::ZERO),
                RetryAction::Return,
            ),
            (ResponseClass::ServerError, some, RetryAction::Backoff(seven), RetryAction::Return),
        ];
        for (class, retry_after, idempotent, non_idempotent) in rows {
            let mut response = ProviderResponse::of_class(class);
            response.retry_after = retry_after;
            let result = Ok(response);
            assert_eq!(
                retry_action(&result, Idempotency::Idempotent, false),
                idempotent,
                "{result:?}"
            );
            assert_eq!(
                retry_action(&result, Idempotency::NonIdempotent, false),
                non_idempotent,
                "{result:?}"
            );
        }
        for class in [ResponseClass::TokenInvalid, ResponseClass::TokenRejected] {
            let twice =
                retry_action(&Ok(ProviderResponse::of_class(class)), Idempotency::Idempotent, true);
            assert_eq!(twice, RetryAction::Return, "a token is refreshed once");
        }
        let circuit_open = Err(UpstreamError::CircuitOpen { retry_after: seven });
        assert_eq!(
            retry_action(&circuit_open, Idempotency::Idempotent, false),
            RetryAction::Return
        );
    }
}
