//! What a refresh brings, and the pair that it makes of the old one.

use std::time::Duration as Pause;

use async_trait::async_trait;
use time::{Duration, OffsetDateTime};

use super::failure::{RefreshFailure, TokenError};
use super::secret::{AccessToken, ClientSecret, RefreshToken};
use super::tokens::Grant;
use crate::domain::provider::Provider;
use crate::store::Credentials;
use crate::telemetry::Renewed;

/// How long an access token is used when no response ever said how long it is valid.
const DEFAULT_LIFETIME: Duration = Duration::hours(1);
/// A last lifetime below this is that of a token that ended early, and no guide for the next one.
const LEAST_LIFETIME: Duration = Duration::minutes(5);

/// When a caller may ask again after a response without an access token.
const INCOMPLETE_PAUSE: Pause = Pause::from_secs(1);

/// Asks a provider for a new pair of tokens.
#[async_trait]
pub trait Refresher: Send + Sync {
    /// One request, without repetition.
    async fn refresh(
        &self,
        provider: Provider,
        client_id: &str,
        client_secret: &ClientSecret,
        refresh_token: &RefreshToken,
    ) -> Result<Renewal, RefreshFailure>;
}

/// What a token endpoint granted for a refresh token: at least one of the two tokens.
#[derive(Debug, Clone, Default)]
pub struct Renewal {
    /// What calls are made with; `None` when the response has none.
    pub access_token: Option<AccessToken>,
    /// What the next pair is asked with; `None` when the old one stays (RFC 6749, section 6).
    pub refresh_token: Option<RefreshToken>,
    /// How long the access token is valid; `None` when the response does not say.
    pub lifetime: Option<Duration>,
}

impl Renewal {
    /// The pair of a first exchange; `None` without an access token. One that can be renewed always ends, one
    /// that can't ends when the provider says so.
    pub(crate) fn first(self, now: OffsetDateTime) -> Option<Grant> {
        let default = self.refresh_token.as_ref().map(|_| DEFAULT_LIFETIME);
        let lifetime = self.lifetime.or(default);
        Some(Grant {
            access_token: self.access_token?,
            refresh_token: self.refresh_token,
            expires_at: lifetime.and_then(|lifetime| now.checked_add(lifetime)),
        })
    }

    /// The pair to store: what the response left out is taken from the old pair, or is a safe default.
    pub(super) fn completed(&self, old: &Grant, row: &Credentials, now: OffsetDateTime) -> Grant {
        let last = row.expires_at.map(|end| end - row.issued_at);
        let lifetime = self.lifetime.or(last.filter(|last| *last >= LEAST_LIFETIME));
        // Without a new access token the old one is as good as ended: the next call renews it.
        let lifetime = if self.access_token.is_some() {
            lifetime.unwrap_or(DEFAULT_LIFETIME)
        } else {
            Duration::ZERO
        };
        Grant {
            access_token: self.access_token.as_ref().unwrap_or(&old.access_token).clone(),
            refresh_token: self.refresh_token.as_ref().or(old.refresh_token.as_ref()).cloned(),
            expires_at: now.checked_add(lifetime),
        }
    }
}

/// The failure of a refresh that brought a refresh token and no access token.
pub(super) fn incomplete() -> TokenError {
    let failure = RefreshFailure::AnswerLost("the response has no access token".to_owned());
    TokenError::Refresh { failure, retry_after: INCOMPLETE_PAUSE }
}

/// How an attempt is counted.
pub(super) fn counted(answer: &Result<Renewal, RefreshFailure>) -> Renewed {
    match answer {
        Ok(_) => Renewed::Refreshed,
        Err(RefreshFailure::Refused(_)) => Renewed::Refused,
        Err(RefreshFailure::ClientRefused(_)) => Renewed::ClientRefused,
        Err(RefreshFailure::Unclear(_)) => Renewed::Unclear,
        Err(RefreshFailure::TimedOut) => Renewed::TimedOut,
        Err(RefreshFailure::Unreachable) => Renewed::Unreachable,
        Err(RefreshFailure::Down(_) | RefreshFailure::Busy) => Renewed::Down,
        Err(RefreshFailure::AnswerLost(_)) => Renewed::AnswerLost,
    }
}
