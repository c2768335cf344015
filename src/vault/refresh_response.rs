//! Response to a refresh request, and the new pair built from it and the old one.

use std::time::Duration as Pause;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::error::{RefreshFailure, TokenError};
use super::renewal::{CustomerClient, Renewal};
use super::sealing::Grant;
use super::secret::{AccessToken, ClientSecret, RefreshToken};
use crate::domain::provider::Provider;
use crate::store::Credentials;
use crate::telemetry::RefreshResult;

/// Lifetime of an access token when no response ever stated one.
const DEFAULT_LIFETIME: Duration = Duration::hours(1);
/// Minimum plausible lifetime: a shorter last one is that of a token that was invalidated early.
const MIN_LIFETIME: Duration = Duration::minutes(5);

/// When a caller may retry after a response without an access token.
const INCOMPLETE_RETRY_AFTER: Pause = Pause::from_secs(1);

/// Client of token endpoints.
#[async_trait]
pub trait Refresher: Send + Sync {
    /// Sends one refresh request, without retries.
    async fn refresh(
        &self,
        provider: Provider,
        client_id: &str,
        client_secret: &ClientSecret,
        refresh_token: &RefreshToken,
    ) -> Result<RefreshResponse, RefreshFailure>;

    /// Requests an access token with a customer's client credentials, without retries.
    async fn request_token(
        &self,
        client: &CustomerClient,
    ) -> Result<RefreshResponse, RefreshFailure>;
}

/// The tokens that a token endpoint returned for a refresh token: at least one of the two.
#[derive(Debug, Clone, Default)]
pub struct RefreshResponse {
    /// The access token; `None` if the response has none.
    pub access_token: Option<AccessToken>,
    /// The next refresh token; `None` if the old one stays valid (RFC 6749, section 6).
    pub refresh_token: Option<RefreshToken>,
    /// The lifetime of the access token; `None` if the response does not state it.
    pub lifetime: Option<Duration>,
}

impl RefreshResponse {
    /// Returns the pair of a first exchange, or `None` without an access token. A refreshable token always expires,
    /// others only if the provider says so.
    pub(crate) fn into_first_grant(self, now: OffsetDateTime) -> Option<Grant> {
        let renewal = self.refresh_token.clone().map(Renewal::RefreshToken);
        self.into_grant(renewal, now)
    }

    /// Returns the grant of a first request with a customer's client credentials, or `None` without an access token.
    pub(crate) fn into_client_grant(
        self,
        client: CustomerClient,
        now: OffsetDateTime,
    ) -> Option<Grant> {
        self.into_grant(Some(Renewal::ClientCredentials(Box::new(client))), now)
    }

    fn into_grant(self, renewal: Option<Renewal>, now: OffsetDateTime) -> Option<Grant> {
        let default = renewal.as_ref().map(|_| DEFAULT_LIFETIME);
        let lifetime = self.lifetime.or(default);
        Some(Grant {
            access_token: self.access_token?,
            renewal,
            expires_at: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        })
    }

    /// Returns the pair to store: missing values are taken from the old pair or a default.
    pub(super) fn complete(&self, old: &Grant, row: &Credentials, now: OffsetDateTime) -> Grant {
        let last = row.expires_at.map(|end| end - row.issued_at);
        let lifetime = self.lifetime.or(last.filter(|last| *last >= MIN_LIFETIME));
        // Without a new access token the old one counts as expired: the next call refreshes it.
        let lifetime = if self.access_token.is_some() {
            lifetime.unwrap_or(DEFAULT_LIFETIME)
        } else {
            Duration::ZERO
        };
        let renewal = match (&old.renewal, &self.refresh_token) {
            (Some(Renewal::RefreshToken(_)) | None, Some(next)) => {
                Some(Renewal::RefreshToken(next.clone()))
            }
            // Client credentials remain valid (RFC 6749 §4.4.3: no refresh token is issued for them).
            (renewal, _) => renewal.clone(),
        };
        Grant {
            access_token: self.access_token.as_ref().unwrap_or(&old.access_token).clone(),
            renewal,
            expires_at: now.checked_add(lifetime),
        }
    }
}

/// Returns the error of a response with a refresh token but no access token.
pub(super) fn missing_access_token() -> TokenError {
    let failure = RefreshFailure::ResponseLost("the response has no access token".to_owned());
    TokenError::Refresh { failure, retry_after: INCOMPLETE_RETRY_AFTER }
}

/// Returns the outcome of an attempt for metrics.
pub(super) fn outcome(response: &Result<RefreshResponse, RefreshFailure>) -> RefreshResult {
    match response {
        Ok(_) => RefreshResult::Refreshed,
        Err(RefreshFailure::Rejected(_)) => RefreshResult::Rejected,
        Err(RefreshFailure::ClientRejected(_)) => RefreshResult::ClientRejected,
        Err(RefreshFailure::RequestRejected(_)) => RefreshResult::RequestRejected,
        Err(RefreshFailure::TimedOut) => RefreshResult::TimedOut,
        Err(RefreshFailure::Unreachable) => RefreshResult::Unreachable,
        Err(RefreshFailure::ServerError(_) | RefreshFailure::Busy) => RefreshResult::ServerError,
        Err(RefreshFailure::ResponseLost(_)) => RefreshResult::ResponseLost,
    }
}
