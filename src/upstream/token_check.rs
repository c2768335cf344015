//! Checks access tokens by a GET without side effects: a new token before it is stored, a rejected one before the
//! account is given up. Results are cached per account, and concurrent calls share one check.
//!
//! "Invalid" applies to all calls. "Valid" applies to the method that was rejected, for a while, so that a method
//! that the token does not permit costs no check each time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use foldhash::HashMap;
use http::{Request, header};
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::body::UpstreamRequestBody;
use super::client::HttpClient;
use super::oauth::{OAuthError, send_checked};
use super::request::{ResponseClassifier, TokenCheckResponse, TokenStatus};
use super::secret_header::authorization;
use super::ssrf::AddressSource;
use crate::domain::ids::IntegratedAccountId;
use crate::vault::secret::AccessToken;

/// How long a status is cached.
const STATUS_TTL: Duration = Duration::from_mins(1);
/// How long it is cached that a new token was rejected as well: another one would not help.
const NEW_TOKEN_REJECTED_TTL: Duration = Duration::from_mins(5);
/// The number of accounts from which on expired entries are removed.
const SWEEP_THRESHOLD: usize = 1_000;

/// Checks a token by one GET of `url`.
///
/// # Errors
///
/// `Rejected` without a request when the token holds bytes that no header allows; else when there is no response, or
/// a server error.
pub async fn check_token(
    http: &HttpClient,
    url: Url,
    token: &AccessToken,
    source: AddressSource,
    now: OffsetDateTime,
) -> Result<TokenCheckResponse, OAuthError> {
    let invalid = || OAuthError::Rejected("its token is not valid in a header".to_owned());
    let credentials = authorization(token).ok_or_else(invalid)?;
    let request = Request::get(url.as_str())
        .header(header::AUTHORIZATION, credentials)
        .body(UpstreamRequestBody::from(Bytes::new()))
        .map_err(|_| OAuthError::Unreachable)?;
    let (head, body) = send_checked(http, request, source, now).await?.into_parts();
    let is_empty = body.is_empty();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (status, headers, scheme) = (head.status, head.headers, token.scheme());
    Ok(TokenCheckResponse { status, headers, body, is_empty, scheme })
}

/// Checks a token and classifies the response.
pub(super) async fn token_status(
    token: &AccessToken,
    (http, url, source): (&HttpClient, Url, AddressSource),
    classifier: &dyn ResponseClassifier,
    now: OffsetDateTime,
) -> TokenStatus {
    match check_token(http, url, token, source, now).await {
        Ok(response) => classifier.token_status(&response),
        Err(_) => TokenStatus::Unknown,
    }
}

/// A call whose token was rejected.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallRejection<'a> {
    /// The account.
    pub(super) account: IntegratedAccountId,
    /// The provider's method.
    pub(super) method: &'a str,
    /// When the response arrived.
    pub(super) rejected_at: Instant,
}

/// The cached status of one token pair.
#[derive(Debug, Clone)]
struct CachedStatus {
    generation: i64,
    status: TokenStatus,
    /// The method whose rejection was checked; `None` for all.
    method: Option<Box<str>>,
    checked_at: Instant,
    expires_at: Instant,
}

impl CachedStatus {
    /// Whether it applies to `rejection`.
    fn applies_to(&self, rejection: &CallRejection<'_>, generation: i64) -> bool {
        let is_for_all = matches!(self.status, TokenStatus::Invalid(_)) || self.method.is_none();
        let is_same_method = self.method.as_deref() == Some(rejection.method);
        self.generation == generation
            && self.expires_at > Instant::now()
            && (is_for_all || is_same_method || self.checked_at >= rejection.rejected_at)
    }
}

type CacheSlot = Arc<tokio::sync::Mutex<Option<CachedStatus>>>;

/// The cached status of each account's token. Clones share the cache.
#[derive(Debug, Clone, Default)]
pub(super) struct TokenCheckCache(Arc<Mutex<HashMap<IntegratedAccountId, CacheSlot>>>);

impl TokenCheckCache {
    /// Returns the status of the account's token pair `generation`: from the cache, else from `check`.
    pub(super) async fn get_or_check(
        &self,
        rejection: &CallRejection<'_>,
        generation: i64,
        check: impl Future<Output = TokenStatus>,
    ) -> TokenStatus {
        let slot = self.slot(rejection.account);
        let mut cached = slot.lock().await;
        if let Some(cached) =
            cached.as_ref().filter(|cached| cached.applies_to(rejection, generation))
        {
            return cached.status;
        }
        let checked_at = Instant::now();
        let status = check.await;
        if status != TokenStatus::Unknown {
            let (method, until) = (Some(rejection.method.into()), Instant::now() + STATUS_TTL);
            *cached =
                Some(CachedStatus { generation, status, method, checked_at, expires_at: until });
        }
        status
    }

    /// Records that a new token pair was rejected as well.
    pub(super) async fn record_new_token_rejected(
        &self,
        account: IntegratedAccountId,
        generation: i64,
    ) {
        let slot = self.slot(account);
        let checked_at = Instant::now();
        let (status, until) = (TokenStatus::Valid, checked_at + NEW_TOKEN_REJECTED_TTL);
        *slot.lock().await =
            Some(CachedStatus { generation, status, method: None, checked_at, expires_at: until });
    }

    fn slot(&self, account: IntegratedAccountId) -> CacheSlot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SWEEP_THRESHOLD {
            let now = Instant::now();
            // A locked one is in use.
            slots.retain(|_, slot| {
                let locked = slot.try_lock();
                locked.map_or(true, |cached| {
                    cached.as_ref().is_some_and(|cached| cached.expires_at > now)
                })
            });
        }
        Arc::clone(slots.entry(account).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVALID: TokenStatus = TokenStatus::Invalid("token_revoked");

    fn account(number: u128) -> IntegratedAccountId {
        format!("acc_{}", ulid::Ulid::from(number)).parse().unwrap()
    }

    async fn of(
        cache: &TokenCheckCache,
        method: &str,
        generation: i64,
        status: TokenStatus,
    ) -> TokenStatus {
        let rejected_at = Instant::now();
        let rejection = CallRejection { account: account(1), method, rejected_at };
        cache.get_or_check(&rejection, generation, async move { status }).await
    }

    #[tokio::test(start_paused = true)]
    async fn caches_valid_per_method_and_invalid_for_all() {
        let cache = TokenCheckCache::default();
        let step = || tokio::time::advance(Duration::from_millis(1));
        assert_eq!(of(&cache, "a", 1, TokenStatus::Unknown).await, TokenStatus::Unknown);
        assert_eq!(of(&cache, "a", 1, TokenStatus::Valid).await, TokenStatus::Valid);
        step().await;
        assert_eq!(of(&cache, "a", 1, INVALID).await, TokenStatus::Valid, "cached");
        assert_eq!(of(&cache, "b", 1, INVALID).await, INVALID, "another method");
        step().await;
        assert_eq!(of(&cache, "a", 1, TokenStatus::Valid).await, INVALID, "cached for all methods");
        assert_eq!(
            of(&cache, "a", 2, TokenStatus::Valid).await,
            TokenStatus::Valid,
            "another pair"
        );
        tokio::time::advance(STATUS_TTL).await;
        assert_eq!(of(&cache, "a", 2, INVALID).await, INVALID, "expired");
        cache.record_new_token_rejected(account(1), 3).await;
        tokio::time::advance(STATUS_TTL).await;
        assert_eq!(
            of(&cache, "c", 3, INVALID).await,
            TokenStatus::Valid,
            "a new one would not help"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn calls_rejected_before_a_check_share_it() {
        let cache = TokenCheckCache::default();
        let rejected_at = Instant::now();
        for (method, status) in [("a", TokenStatus::Valid), ("b", INVALID)] {
            let rejection = CallRejection { account: account(1), method, rejected_at };
            assert_eq!(
                cache.get_or_check(&rejection, 1, async move { status }).await,
                TokenStatus::Valid
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn removes_expired_entries_above_the_threshold() {
        let cache = TokenCheckCache::default();
        let rejected_at = Instant::now();
        let of = |number| CallRejection { account: account(number), method: "a", rejected_at };
        for number in 0..SWEEP_THRESHOLD as u128 {
            cache.get_or_check(&of(number), 1, async { TokenStatus::Valid }).await;
        }
        tokio::time::advance(STATUS_TTL).await;
        cache.get_or_check(&of(u128::MAX), 1, async { TokenStatus::Valid }).await;
        assert_eq!(cache.0.lock().unwrap().len(), 1);
    }
}
