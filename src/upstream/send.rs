//! One call: its turn, its token, its repetitions.

use std::sync::Arc;
use std::time::Duration;

use http::header;
use tokio::time::Instant;

use super::answer::{Answer, Verdict};
use super::client::HttpClient;
use super::error::UpstreamError;
use super::request::{Budget, Dialect, ProviderRequest, RequestBody, Safety, bearer};
use crate::domain::account::IntegratedAccount;
use crate::domain::entropy::{Entropy, random_bytes};
use crate::limit::{LimitKey, Limiter, Rate};
use crate::telemetry::{Called, Metrics};
use crate::vault::secret::AccessToken;
use crate::vault::{Fresh, Tokens};

/// How often a call is sent at the most.
const ATTEMPTS: u32 = 4;
/// The first pause between two attempts; it doubles, and chance takes a part of it away.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// A provider that says "too fast" without saying for how long.
const UNSAID_PAUSE: Duration = Duration::from_secs(1);

/// What a caller wants of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions {
    /// How long it may wait for turns, all attempts together.
    pub max_wait: Duration,
}

/// The way out to every provider.
#[derive(Clone)]
pub struct Upstream {
    client: HttpClient,
    limiter: Arc<dyn Limiter>,
    tokens: Tokens,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    time_scale: f64,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

/// What the attempts of one call share.
struct Call<'a> {
    account: &'a IntegratedAccount,
    request: ProviderRequest,
    dialect: &'a dyn Dialect,
    wait_until: Instant,
    /// The token pair that the provider called dead.
    dead: Option<i64>,
}

impl Upstream {
    /// A way out through `client`, paced by `limiter` (times `time_scale`), with the tokens of `tokens`.
    #[must_use]
    pub fn new(
        client: HttpClient,
        limiter: Arc<dyn Limiter>,
        tokens: Tokens,
        entropy: Arc<dyn Entropy>,
        metrics: Metrics,
        time_scale: f64,
    ) -> Self {
        Self { client, limiter, tokens, entropy, metrics, time_scale }
    }

    /// Sends a call and hands over the answer as soon as its head is here; the body streams.
    ///
    /// # Errors
    ///
    /// When there is no answer. An answer of trouble that stayed is an `Ok` with that verdict.
    pub async fn send(
        &self,
        account: &IntegratedAccount,
        request: ProviderRequest,
        dialect: &dyn Dialect,
        options: CallOptions,
    ) -> Result<Answer, UpstreamError> {
        self.run(account, request, dialect, options, false).await
    }

    /// Sends a call and reads the whole answer; a body that breaks off counts as a failed attempt.
    ///
    /// # Errors
    ///
    /// When there is no answer, or it is larger than 64 MiB.
    pub async fn fetch(
        &self,
        account: &IntegratedAccount,
        request: ProviderRequest,
        dialect: &dyn Dialect,
        options: CallOptions,
    ) -> Result<Answer, UpstreamError> {
        self.run(account, request, dialect, options, true).await
    }

    async fn run(
        &self,
        account: &IntegratedAccount,
        request: ProviderRequest,
        dialect: &dyn Dialect,
        options: CallOptions,
        whole: bool,
    ) -> Result<Answer, UpstreamError> {
        let wait_until = Instant::now() + options.max_wait;
        let mut call = Call { account, request, dialect, wait_until, dead: None };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let fresh = self.turn_and_token(&call).await?;
            let Some(outgoing) = call.outgoing(&fresh.token) else {
                return Err(UpstreamError::TooLarge);
            };
            let started = Instant::now();
            let result = self.attempt(outgoing, call.dialect, whole).await;
            log(&call, attempt, started, &result);
            let (provider, name) = (call.account.provider, &call.request.name);
            self.metrics.call(provider, name, called(&result), started.elapsed());
            let again = call.request.can_repeat() && attempt < ATTEMPTS;
            match result {
                Ok(answer) => match answer.verdict {
                    Verdict::DeadToken if call.dead.is_none() && again => {
                        call.dead = Some(fresh.generation);
                    }
                    Verdict::TooFast(pause) => {
                        let pause = pause.unwrap_or(UNSAID_PAUSE);
                        self.block(&call, pause);
                        if !again {
                            return Err(UpstreamError::Limited { retry_after: pause });
                        }
                    }
                    Verdict::Trouble if again && call.request.safety == Safety::Repeatable => {
                        self.pause(attempt).await;
                    }
                    Verdict::Final | Verdict::DeadToken | Verdict::Trouble => return Ok(answer),
                },
                Err(error) => {
                    let safe =
                        error.is_before_sending() || call.request.safety == Safety::Repeatable;
                    if !(again && safe && error.may_pass()) {
                        return Err(error);
                    }
                    self.pause(attempt).await;
                }
            }
        }
    }

    /// Waits for the call's turn, then takes the newest token: it may have been renewed meanwhile.
    async fn turn_and_token(&self, call: &Call<'_>) -> Result<Fresh, UpstreamError> {
        if let Some(generation) = call.dead {
            // First the token: a lost grant shall not wait for a turn.
            self.tokens.newer_than(call.account, generation).await?;
        }
        for budget in &call.request.budgets {
            let left = call.wait_until.saturating_duration_since(Instant::now());
            self.limiter.acquire(&call.key(budget), self.rate(budget), left).await.map_err(
                |refused| {
                    self.metrics.limited(call.account.provider, &call.request.name);
                    UpstreamError::Limited { retry_after: refused.retry_after }
                },
            )?;
        }
        Ok(self.tokens.fresh(call.account).await?)
    }

    async fn attempt(
        &self,
        outgoing: reqwest::Request,
        dialect: &dyn Dialect,
        whole: bool,
    ) -> Result<Answer, UpstreamError> {
        let response = self.client.execute(outgoing).await.map_err(UpstreamError::broken)?;
        let answer = Answer::receive(response, |status, headers, body| {
            dialect.verdict(status, headers, body)
        })
        .await?;
        if whole { answer.whole().await } else { Ok(answer) }
    }

    fn block(&self, call: &Call<'_>, pause: Duration) {
        if let Some(budget) = call.request.budgets.first() {
            self.limiter.block(&call.key(budget), self.rate(budget), pause);
        }
    }

    fn rate(&self, budget: &Budget) -> Rate {
        Rate { per_minute: budget.rate.per_minute * self.time_scale, ..budget.rate }
    }

    /// Half of the pause is certain, the other half is chance: callers that failed together come apart.
    async fn pause(&self, attempt: u32) {
        let whole = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1));
        let chance = u32::from(u16::from_be_bytes(random_bytes(&*self.entropy)));
        tokio::time::sleep(whole / 2 + whole / 2 * chance / u32::from(u16::MAX)).await;
    }
}

impl Call<'_> {
    fn key(&self, budget: &Budget) -> LimitKey {
        LimitKey {
            app: budget.per_app.then_some(self.account.provider_app_id),
            organization: self.account.organization.id.as_str().into(),
            bucket: budget.bucket.as_ref().into(),
        }
    }

    /// The request with its token; `None` when its body has passed through already.
    fn outgoing(&mut self, token: &AccessToken) -> Option<reqwest::Request> {
        let mut outgoing =
            reqwest::Request::new(self.request.method.clone(), self.request.url.clone());
        outgoing.headers_mut().clone_from(&self.request.headers);
        outgoing.headers_mut().insert(header::AUTHORIZATION, bearer(token)?);
        *outgoing.body_mut() = match &mut self.request.body {
            RequestBody::Empty => None,
            RequestBody::Bytes(bytes) => Some(bytes.clone().into()),
            RequestBody::Stream(body) => Some(std::mem::replace(body, reqwest::Body::from(""))),
        };
        Some(outgoing)
    }
}

impl ProviderRequest {
    fn can_repeat(&self) -> bool {
        match self.body {
            RequestBody::Empty | RequestBody::Bytes(_) => true,
            RequestBody::Stream(_) => false,
        }
    }
}

/// How a call is counted.
fn called(result: &Result<Answer, UpstreamError>) -> Called {
    match result {
        Ok(answer) => match answer.verdict {
            Verdict::Final => Called::Answered,
            Verdict::DeadToken => Called::DeadToken,
            Verdict::TooFast(_) => Called::TooFast,
            Verdict::Trouble => Called::Trouble,
        },
        Err(UpstreamError::Connect(_)) => Called::Unreachable,
        Err(UpstreamError::Timeout(_)) => Called::Timeout,
        Err(
            UpstreamError::Broken(_)
            | UpstreamError::TooLarge
            | UpstreamError::Limited { .. }
            | UpstreamError::Token(_),
        ) => Called::Broken,
    }
}

fn log(call: &Call<'_>, attempt: u32, started: Instant, result: &Result<Answer, UpstreamError>) {
    let account = call.account.id;
    let method = &*call.request.name;
    let ms = started.elapsed().as_millis();
    match result {
        Ok(answer) => {
            let (status, verdict) = (answer.status.as_u16(), &answer.verdict);
            tracing::debug!(%account, method, attempt, status, ?verdict, ms, "provider answered");
        }
        Err(error) => tracing::debug!(%account, method, attempt, %error, ms, "no answer"),
    }
}
