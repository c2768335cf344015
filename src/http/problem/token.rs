//! The problems of calls without an access token: the grant is invalid, or the refresh failed.

use std::time::Duration;

use super::database::{busy, unavailable};
use super::{Problem, ProblemKind};
use crate::store::StoreError;
use crate::vault::{RefreshFailure, TokenError};

/// Returns `account_needs_reauth` with the provider's reason.
pub(in crate::http) fn needs_reauth(reason: Option<&str>) -> Problem {
    let reason = reason.unwrap_or("unknown");
    let detail = format!(
        "The provider rejects the account's tokens ({reason}). Create a link token with this \
         integrated_account_id and let the customer link again."
    );
    Problem::new(ProblemKind::AccountNeedsReauth, detail)
}

/// Returns the problem of a call for which no access token is available.
pub(super) fn token_problem(error: &TokenError) -> Problem {
    match error {
        TokenError::NeedsReauth { reason } => needs_reauth(Some(reason)),
        TokenError::NoRefreshToken => Problem::new(
            ProblemKind::NotRefreshable,
            "The account has no refresh token and no client credentials, so its access token can't be refreshed. \
             Use the account as it is: nothing was changed.",
        ),
        TokenError::Refresh { failure, retry_after } => refresh_problem(failure, *retry_after),
        TokenError::Pending { retry_after } => Problem::new(
            ProblemKind::ProviderTimeout,
            "The access token is still being refreshed, and the request's maximum wait is over. Nothing else was \
             sent. Retry, or let the request wait longer with `Prefer: wait=N`.",
        )
        .with_retry_after(*retry_after),
        TokenError::Store(store) if matches!(**store, StoreError::Unavailable(_)) => unavailable(),
        TokenError::Store(store) if matches!(**store, StoreError::Busy(_)) => busy(),
        TokenError::Store(_) | TokenError::Cipher(_) | TokenError::Interrupted => {
            Problem::internal()
        }
    }
}

/// Returns the problem of an expired token whose refresh failed.
fn refresh_problem(failure: &RefreshFailure, retry_after: Duration) -> Problem {
    let why = match failure {
        RefreshFailure::Rejected(code) => return needs_reauth(Some(code)),
        RefreshFailure::ClientRejected(code) => {
            let detail = format!(
                "The access token could not be refreshed: the provider rejects the client id or \
                 secret of the environment's app ({code}). The customer's grant is not affected."
            );
            return Problem::new(ProblemKind::ProviderAppRefused, detail);
        }
        RefreshFailure::Busy => {
            let detail = "Too many other access tokens are being refreshed. Nothing was sent to the provider.";
            return Problem::new(ProblemKind::Overloaded, detail).with_retry_after(retry_after);
        }
        RefreshFailure::RequestRejected(_) => "the provider rejected it without a known reason",
        RefreshFailure::TimedOut => "the provider did not respond in time",
        RefreshFailure::Unreachable => "the provider could not be reached",
        RefreshFailure::ServerError(_) => "the provider returned a server error",
        RefreshFailure::ResponseLost(_) => "the provider's response was lost",
    };
    let detail = format!("The access token could not be refreshed: {why}. Nothing else was sent.");
    Problem::new(ProblemKind::ProviderError, detail).with_retry_after(retry_after)
}
