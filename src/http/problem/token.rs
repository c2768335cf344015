//! The problems of calls without an access token: the grant is lost, or the token could not be refreshed.

use std::time::Duration;

use super::database::{busy, unavailable};
use super::{Problem, ProblemKind};
use crate::store::StoreError;
use crate::vault::{RefreshFailure, TokenError};

/// The problem of an account whose grant is lost.
pub(in crate::http) fn needs_reauth(reason: Option<&str>) -> Problem {
    let reason = reason.unwrap_or("unknown");
    let detail = format!(
        "The provider refuses the account's tokens ({reason}). Create a link token with this \
         integrated_account_id and let the customer link again."
    );
    Problem::new(ProblemKind::AccountNeedsReauth, detail)
}

/// The problem of a call that had no token to go with.
pub(super) fn no_token(error: &TokenError) -> Problem {
    match error {
        TokenError::NeedsReauth { reason } => needs_reauth(Some(reason)),
        TokenError::NoRefreshToken => Problem::new(
            ProblemKind::NoRefreshToken,
            "The account's grant has no refresh token, so its access token can't be renewed. Use the \
             account as it is: nothing was changed.",
        ),
        TokenError::Refresh { failure, retry_after } => not_renewed(failure, *retry_after),
        TokenError::Pending { retry_after } => Problem::new(
            ProblemKind::ProviderTimeout,
            "The access token is still being refreshed, and the request's wait for that is over. Nothing else was \
             sent. Send it again, or let it wait longer with `Prefer: wait=N`.",
        )
        .retry_after(*retry_after),
        TokenError::Store(store) if matches!(**store, StoreError::Unavailable(_)) => unavailable(),
        TokenError::Store(store) if matches!(**store, StoreError::Busy(_)) => busy(),
        TokenError::Store(_) | TokenError::Cipher(_) | TokenError::Interrupted => {
            Problem::internal()
        }
    }
}

/// The problem of a token that is at its end and could not be renewed.
fn not_renewed(failure: &RefreshFailure, retry_after: Duration) -> Problem {
    let why = match failure {
        RefreshFailure::Refused(code) => return needs_reauth(Some(code)),
        RefreshFailure::ClientRefused(code) => {
            let detail = format!(
                "The access token could not be renewed: the provider refuses the client id or \
                 secret of the environment's app ({code}). The customer's grant is untouched."
            );
            return Problem::new(ProblemKind::ProviderAppRefused, detail);
        }
        RefreshFailure::Busy => {
            let detail =
                "Too many other access tokens are being refreshed. The provider was not asked.";
            return Problem::new(ProblemKind::Overloaded, detail).retry_after(retry_after);
        }
        RefreshFailure::Unclear(_) => "the provider refused it for a reason of its own",
        RefreshFailure::TimedOut => "the provider did not answer in time",
        RefreshFailure::Unreachable => "the provider could not be reached",
        RefreshFailure::Down(_) => "the provider is in trouble",
        RefreshFailure::AnswerLost(_) => "the provider's answer was lost",
    };
    let detail = format!("The access token could not be renewed: {why}. Nothing else was sent.");
    Problem::new(ProblemKind::ProviderError, detail).retry_after(retry_after)
}
