//! Sends a call: circuit breaker, permit, token, attempts and retries.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_immediate;
use http::Request;
use tokio::time::{Instant, timeout_at};

use super::acquire_permit::Throttle;
use super::body::UpstreamRequestBody;
use super::call::{ProviderCall, address_source, circuit_key, log_attempt, with_stats};
use super::circuit_breaker::CircuitBreakers;
use super::client::{HttpClient, ReadMode};
use super::error::UpstreamError;
use super::outcome::{call_outcome, end_span, reachable};
use super::request::{
    CallOptions, ProviderBucket, ProviderRequest, RequestToken, ResponseClassifier, TokenStatus,
};
use super::response::{CallStats, MAX_BUFFERED_BYTES, ProviderResponse};
use super::retry_policy::{RetryAction, retry_action};
use super::ssrf::AddressSource;
use super::token_check::{CallRejection, TokenCheckCache, token_status};
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::Clock;
use crate::domain::entropy::{Entropy, random_bytes};
use crate::limit::{ByteBudget, ConcurrencyLimit, Limiter, RateTable};
use crate::telemetry::Metrics;
use crate::vault::{AccessTokenLease, AccessTokens};

/// The maximum number of attempts of a call.
const MAX_ATTEMPTS: u32 = 4;
/// The first backoff; it doubles with each attempt, and has a jitter of half its length.
const INITIAL_BACKOFF: Duration = Duration::from_millis(200);
/// The metric label of the quota of waiting calls.
const WAITING_CALLS_QUOTA: &str = "waiting_calls";

/// The client for calls to providers on behalf of accounts.
#[derive(Clone)]
pub struct Upstream {
    client: HttpClient,
    throttle: Throttle,
    tokens: AccessTokens,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    circuit_breakers: CircuitBreakers,
    token_checks: TokenCheckCache,
    memory: ResponseMemory,
    waiting_limit: ConcurrencyLimit,
}

/// The memory limits of buffered responses.
#[derive(Debug, Clone)]
pub struct ResponseMemory {
    /// The limit of all responses together.
    pub budget: ByteBudget,
    /// The maximum size of a response from an address that a customer provides, in bytes.
    pub max_customer_response: usize,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

impl Upstream {
    /// Creates the client from an HTTP client, the rate limiter with its rates, and the access tokens. `waiting` limits
    /// the waiting calls of each environment.
    #[must_use]
    pub fn new(
        client: HttpClient,
        limiter: Arc<dyn Limiter>,
        rates: RateTable,
        tokens: AccessTokens,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        metrics: Metrics,
        (memory, waiting): (ResponseMemory, ConcurrencyLimit),
    ) -> Self {
        let throttle = Throttle::new(limiter, rates);
        let (circuit_breakers, token_checks) =
            (CircuitBreakers::default(), TokenCheckCache::default());
        Self {
            client,
            throttle,
            tokens,
            clock,
            entropy,
            metrics,
            circuit_breakers,
            token_checks,
            memory,
            waiting_limit: waiting,
        }
    }

    /// Returns the client with separate connection pools.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { client: self.client.with_own_connections(), ..self.clone() }
    }

    /// Sends a call and returns the response when its head has arrived; the body streams.
    ///
    /// # Errors
    ///
    /// When there is no response. A server error after all retries is an `Ok` with that class.
    pub async fn send(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        classifier: &dyn ResponseClassifier,
        options: CallOptions<'_>,
    ) -> Result<Box<ProviderResponse>, UpstreamError> {
        // Boxed: callers move their own future, and would move this one with it.
        Box::pin(self.run(account, request, classifier, options, false)).await
    }

    /// Sends a call and buffers the response; an interrupted body counts as a failed attempt.
    ///
    /// # Errors
    ///
    /// When there is no response, it is larger than 64 MiB or than the limit for addresses of customers, or the limit
    /// of bytes in flight is reached.
    pub async fn fetch(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        classifier: &dyn ResponseClassifier,
        options: CallOptions<'_>,
    ) -> Result<Box<ProviderResponse>, UpstreamError> {
        Box::pin(self.run(account, request, classifier, options, true)).await
    }

    async fn run(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        classifier: &dyn ResponseClassifier,
        options: CallOptions<'_>,
        is_buffered: bool,
    ) -> Result<Box<ProviderResponse>, UpstreamError> {
        let began = Instant::now();
        let (mut now, wait_until) = (began, options.wait_until);
        let cost = self.throttle.cost(account, &request.buckets);
        let mut call =
            ProviderCall { account, request, classifier, cost, options, rejected_token: None };
        let uri = call.request.uri.clone();
        let host = circuit_key(account, &uri);
        let mut stats = CallStats::default();
        loop {
            stats.attempts += 1;
            self.circuit_breakers.check(&host, now)?;
            let (waited, lease) = {
                // Pinned on the stack: a future of this size is expensive to move.
                let permit = pin!(self.permit_and_token(&mut call, now));
                self.count_waiting(account, permit).await??
            };
            let Some(mut outgoing) = call.build_request(&lease.token) else {
                return Err(UpstreamError::TooLarge);
            };
            let span = call.span(stats.attempts);
            span.inject(outgoing.headers_mut());
            let started = Instant::now();
            // Last, when nothing is left to wait for: other calls depend on the result of a probe.
            let guard = self.circuit_breakers.admit(&host, started)?;
            let result = self.attempt(outgoing, account, call.classifier, is_buffered).await;
            let ended = Instant::now();
            guard.report(reachable(&result), ended);
            stats.provider_time = ended - started;
            log_attempt(&call, stats, &result);
            end_span(&span, &result);
            let (provider, name) = (call.account.provider, &call.request.name);
            self.metrics.record_call(
                provider,
                name,
                call_outcome(&result),
                (waited, stats.provider_time),
            );
            let may_repeat =
                call.request.is_replayable() && stats.attempts < MAX_ATTEMPTS && ended < wait_until;
            let is_last =
                call.rejected_token.is_some() || call.request.token == RequestToken::RefreshToken;
            match retry_action(&result, call.request.idempotency, is_last) {
                RetryAction::RetryAfter(pause) => {
                    self.throttle.block(&call.cost, pause);
                    if !may_repeat {
                        return Err(UpstreamError::RateLimited { retry_after: pause });
                    }
                }
                RetryAction::CheckToken if may_repeat => {
                    let method = &call.request.name;
                    let rejection =
                        CallRejection { account: account.id, method, rejected_at: ended };
                    let check = self.confirm_invalid(account, classifier, &rejection, &lease);
                    // After the caller's deadline it gets the rejection, and a later call checks the token.
                    call.rejected_token = timeout_at(wait_until, check).await.ok().flatten();
                    if call.rejected_token.is_none() {
                        return Ok(with_stats(result?, stats, ended - began));
                    }
                }
                RetryAction::Backoff(min_pause)
                    if may_repeat
                        && self.backoff(account, stats.attempts, min_pause, wait_until).await => {}
                RetryAction::Return | RetryAction::CheckToken | RetryAction::Backoff(_) => {
                    let response = with_stats(result?, stats, ended - began);
                    if call.rejected_token.is_some() && response.class.is_token_error() {
                        self.token_checks
                            .record_new_token_rejected(account.id, lease.generation)
                            .await;
                    }
                    return Ok(response);
                }
            }
            now = Instant::now();
        }
    }

    /// Awaits work. If it is not ready immediately, it counts as a waiting call of the account's environment.
    ///
    /// # Errors
    ///
    /// `TooManyWaiting` when the environment is at its limit.
    async fn count_waiting<T>(
        &self,
        account: &IntegratedAccount,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, UpstreamError> {
        if let Some(done) = poll_immediate(work.as_mut()).await {
            return Ok(done);
        }
        let Some(_place) = self.waiting_limit.try_acquire(account.environment_id) else {
            self.metrics.record_quota_rejection(WAITING_CALLS_QUOTA);
            return Err(UpstreamError::TooManyWaiting);
        };
        Ok(work.await)
    }

    /// Returns how long background calls of an account take by the rate limits alone: each entry is the number of calls
    /// that take permits from these buckets.
    #[must_use]
    pub fn background_duration<'b>(
        &self,
        account: &IntegratedAccount,
        calls: impl IntoIterator<Item = (&'b [ProviderBucket], u64)>,
    ) -> Duration {
        self.throttle.duration(account, calls)
    }

    /// Checks whether a call would be rejected without being sent. Nothing is taken, so a later call can still be
    /// rejected.
    ///
    /// # Errors
    ///
    /// When the circuit of its host is open, its permit would come too late, or too many calls of its environment wait.
    pub fn check(
        &self,
        account: &IntegratedAccount,
        request: &ProviderRequest,
        options: CallOptions<'_>,
    ) -> Result<(), UpstreamError> {
        let now = Instant::now();
        self.circuit_breakers.check(&circuit_key(account, &request.uri), now)?;
        let cost = self.throttle.cost(account, &request.buckets);
        let wait = (now, options.wait_until);
        let checked = self.throttle.check(account, &cost, options, wait);
        match checked {
            Ok(expected)
                if expected.is_zero() || self.waiting_limit.has_permit(account.environment_id) =>
            {
                Ok(())
            }
            Ok(_) => {
                self.metrics.record_quota_rejection(WAITING_CALLS_QUOTA);
                Err(UpstreamError::TooManyWaiting)
            }
            Err(error) => {
                self.metrics.record_rate_limited(account.provider, &request.name);
                Err(error)
            }
        }
    }

    /// Waits for the call's permit, then gets the newest token, which may have been refreshed meanwhile. Returns the
    /// wait for the permit, too.
    async fn permit_and_token(
        &self,
        call: &mut ProviderCall<'_>,
        mut asked: Instant,
    ) -> Result<(Duration, AccessTokenLease), UpstreamError> {
        let until = call.options.wait_until;
        if let Some((generation, code)) = call.rejected_token {
            // First the token: a lost grant is reported without waiting for a permit.
            Box::pin(self.tokens.replace_rejected(call.account, generation, code, until)).await?;
            asked = Instant::now();
        }
        let waiting = call.options.span.start_child("rate_limit.acquire");
        let wait = (asked, until);
        let permit = self.throttle.acquire(call.account, &call.cost, call.options, wait).await;
        if permit.is_err() {
            self.metrics.record_rate_limited(call.account.provider, &call.request.name);
        }
        permit?;
        drop(waiting);
        let waited = asked.elapsed();
        let _span = call.options.span.start_child("access_token.get");
        let token = match call.request.token {
            RequestToken::AccessToken => self.tokens.access_token(call.account, until).await?,
            RequestToken::RefreshToken => self.tokens.token_for_revocation(call.account).await?,
        };
        Ok((waited, token))
    }

    /// Returns the generation of a rejected call's token pair and the provider's code, if a token check confirms that
    /// the token is invalid. A rejection alone does not justify a refresh or giving up the account: a valid token
    /// without the scope is rejected as well, and a raw call can provoke any response.
    async fn confirm_invalid(
        &self,
        account: &IntegratedAccount,
        classifier: &dyn ResponseClassifier,
        rejection: &CallRejection<'_>,
        token: &AccessTokenLease,
    ) -> Option<(i64, &'static str)> {
        let url = classifier.token_check_url(account)?;
        let to = (&self.client, url, address_source(account));
        let check = token_status(&token.token, to, classifier, self.clock.now());
        match Box::pin(self.token_checks.get_or_check(rejection, token.generation, check)).await {
            TokenStatus::Invalid(code) => Some((token.generation, code)),
            // A new pair may be accepted; an account without a refresh token is not given up for that.
            TokenStatus::Rejected(code) => token.is_refreshable.then_some((token.generation, code)),
            TokenStatus::Valid | TokenStatus::Unknown => None,
        }
    }

    async fn attempt(
        &self,
        outgoing: Box<Request<UpstreamRequestBody>>,
        account: &IntegratedAccount,
        classifier: &dyn ResponseClassifier,
        is_buffered: bool,
    ) -> Result<Box<ProviderResponse>, UpstreamError> {
        let mode = if is_buffered { ReadMode::Buffered } else { ReadMode::Prefix };
        let response = self.client.execute(outgoing, address_source(account), mode).await;
        let response =
            ProviderResponse::receive(response?, &*self.clock, |status, headers, body| {
                classifier.classify(status, headers, body)
            })
            .await?;
        if !is_buffered {
            return Ok(response);
        }
        let max_bytes = match address_source(account) {
            AddressSource::Config => MAX_BUFFERED_BYTES,
            AddressSource::Customer => self.memory.max_customer_response,
        };
        response.buffer(max_bytes, self.memory.budget.reserve(account.environment_id)).await
    }

    /// Waits for the backoff before the next attempt, `least` at least. Returns `false` without waiting when the pause
    /// would end after the caller's deadline. Half of the backoff is jitter, which spreads calls that failed together.
    async fn backoff(
        &self,
        account: &IntegratedAccount,
        attempt: u32,
        min_pause: Duration,
        wait_until: Instant,
    ) -> bool {
        let backoff = INITIAL_BACKOFF * 2_u32.saturating_pow(attempt.saturating_sub(1));
        let chance = u32::from(u16::from_be_bytes(random_bytes(&*self.entropy)));
        let pause = backoff / 2 + backoff / 2 * chance / u32::from(u16::MAX);
        let end_at = Instant::now() + pause.max(min_pause);
        if end_at > wait_until {
            return false;
        }
        let pause = pin!(tokio::time::sleep_until(end_at));
        self.count_waiting(account, pause).await.is_ok()
    }
}
