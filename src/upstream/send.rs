//! One call: its turn, its token, its repetitions.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_immediate;
use http::Request;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Facts, MAX_WHOLE};
use super::breaker::Breakers;
use super::call::{Call, finished, host, log, named_by};
use super::client::{HttpClient, Reading};
use super::error::UpstreamError;
use super::guard::NamedBy;
use super::outcome::{called, end, reached};
use super::payload::Payload;
use super::request::{CallOptions, Carried, Dialect, ProviderRequest, Validity};
use super::retry::{Next, next};
use super::trials::{Refusal, Trials, validity_of};
use super::turns::Turns;
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::Clock;
use crate::domain::entropy::{Entropy, random_bytes};
use crate::limit::{ByteBudget, Limiter, Pacing, Places};
use crate::telemetry::Metrics;
use crate::vault::{Fresh, Tokens};

/// How often a call is sent at the most.
const ATTEMPTS: u32 = 4;
/// The first pause between two attempts; it doubles, and chance takes a part of it away.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// What the quota of waiting calls is called, for metrics.
const WAITING_CALLS: &str = "waiting_calls";

/// The way out to every provider.
#[derive(Clone)]
pub struct Upstream {
    client: HttpClient,
    turns: Turns,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    breakers: Breakers,
    trials: Trials,
    memory: Memory,
    waiting: Places,
}

/// How much of responses may be held as a whole.
#[derive(Debug, Clone)]
pub struct Memory {
    /// All of them together.
    pub budget: ByteBudget,
    /// One of an address that a customer names, in bytes.
    pub max_named_response: usize,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upstream")
    }
}

impl Upstream {
    /// A way out through `client`, with the turns of `limiter` at the rates of `pacing`, and the tokens of
    /// `tokens`. Calls that wait have places for each environment.
    #[must_use]
    pub fn new(
        client: HttpClient,
        limiter: Arc<dyn Limiter>,
        pacing: Pacing,
        tokens: Tokens,
        (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>),
        metrics: Metrics,
        (memory, waiting): (Memory, Places),
    ) -> Self {
        let turns = Turns::new(limiter, pacing);
        let (breakers, trials) = (Breakers::default(), Trials::default());
        Self { client, turns, tokens, clock, entropy, metrics, breakers, trials, memory, waiting }
    }

    /// The same way out with connections of its own.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        Self { client: self.client.with_own_connections(), ..self.clone() }
    }

    /// Sends a call and hands over the answer as soon as its head is here; the body streams.
    ///
    /// # Errors
    ///
    /// When there is no answer. An answer of trouble that stayed is an `Ok` with that verdict.
    pub async fn send(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        dialect: &dyn Dialect,
        options: CallOptions<'_>,
    ) -> Result<Box<Answer>, UpstreamError> {
        // Apart: whoever awaits this moves its own future, and would move this one with it.
        Box::pin(self.run(account, request, dialect, options, false)).await
    }

    /// Sends a call and reads the whole answer; a body that breaks off counts as a failed attempt.
    ///
    /// # Errors
    ///
    /// When there is no answer, it is larger than 64 MiB or than a customer's server may send, or too much is held in
    /// memory.
    pub async fn fetch(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        dialect: &dyn Dialect,
        options: CallOptions<'_>,
    ) -> Result<Box<Answer>, UpstreamError> {
        Box::pin(self.run(account, request, dialect, options, true)).await
    }

    async fn run(
        &self,
        account: &IntegratedAccount,
        request: Box<ProviderRequest>,
        dialect: &dyn Dialect,
        options: CallOptions<'_>,
        whole: bool,
    ) -> Result<Box<Answer>, UpstreamError> {
        let began = Instant::now();
        let (mut now, wait_until) = (began, options.wait_until);
        let price = self.turns.price(account, &request.budgets);
        let mut call = Call { account, request, dialect, price, options, invalid: None };
        let uri = call.request.uri.clone();
        let host = host(account, &uri);
        let mut facts = Facts::default();
        loop {
            facts.attempts += 1;
            self.breakers.check(&host, now)?;
            let (waited, fresh) = {
                // In its place: futures of this size are dear to move.
                let turn = pin!(self.turn_and_token(&mut call, now));
                self.wait_in_place(account, turn).await??
            };
            let Some(mut outgoing) = call.outgoing(&fresh.token) else {
                return Err(UpstreamError::TooLarge);
            };
            let span = call.span(facts.attempts);
            span.tell(outgoing.headers_mut());
            let started = Instant::now();
            // Last, when nothing is waited for any more: others wait for what a trial finds.
            let leave = self.breakers.enter(&host, started)?;
            let result = self.attempt(outgoing, account, call.dialect, whole).await;
            let ended = Instant::now();
            leave.report(reached(&result), ended);
            facts.upstream = ended - started;
            log(&call, facts, &result);
            end(&span, &result);
            let (provider, name) = (call.account.provider, &call.request.name);
            self.metrics.call(provider, name, called(&result), (waited, facts.upstream));
            let may_repeat =
                call.request.can_repeat() && facts.attempts < ATTEMPTS && ended < wait_until;
            let is_last = call.invalid.is_some() || call.request.carried == Carried::RefreshToken;
            match next(&result, call.request.safety, is_last) {
                Next::Blocked(pause) => {
                    self.turns.block(&call.price, pause);
                    if !may_repeat {
                        return Err(UpstreamError::Limited { retry_after: pause });
                    }
                }
                Next::TryToken if may_repeat => {
                    let method = &call.request.name;
                    let refusal = Refusal { account: account.id, method, refused_at: ended };
                    let tried = self.invalid(account, dialect, &refusal, &fresh);
                    // When the caller's wait is over it gets the refusal, and a later call tries the token.
                    call.invalid = timeout_at(wait_until, tried).await.ok().flatten();
                    if call.invalid.is_none() {
                        return Ok(finished(result?, facts, ended - began));
                    }
                }
                Next::Again(least)
                    if may_repeat
                        && self.pause(account, facts.attempts, least, wait_until).await => {}
                Next::Done | Next::TryToken | Next::Again(_) => {
                    let answer = finished(result?, facts, ended - began);
                    if call.invalid.is_some() && answer.verdict.is_about_the_token() {
                        self.trials.refused_anew(account.id, fresh.generation).await;
                    }
                    return Ok(answer);
                }
            }
            now = Instant::now();
        }
    }

    /// Awaits something. While that takes time, it is in one of the places for calls of the account's environment that
    /// wait; fails when all of these are taken.
    async fn wait_in_place<T>(
        &self,
        account: &IntegratedAccount,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, UpstreamError> {
        if let Some(done) = poll_immediate(work.as_mut()).await {
            return Ok(done);
        }
        let Some(_place) = self.waiting.enter(account.environment_id) else {
            self.metrics.over_quota(WAITING_CALLS);
            return Err(UpstreamError::TooManyWaiting);
        };
        Ok(work.await)
    }

    /// Whether a call would be refused without being sent: its host is left alone, its permit would come too late, or too
    /// many calls of its environment wait. Nothing is taken, so what others take meanwhile can still refuse it.
    ///
    /// # Errors
    ///
    /// When it would be.
    pub fn check(
        &self,
        account: &IntegratedAccount,
        request: &ProviderRequest,
        options: CallOptions<'_>,
    ) -> Result<(), UpstreamError> {
        let now = Instant::now();
        self.breakers.check(&host(account, &request.uri), now)?;
        let price = self.turns.price(account, &request.budgets);
        let wait = (now, options.wait_until);
        let checked = self.turns.check(account, &price, options, wait);
        match checked {
            Ok(expected) if expected.is_zero() || self.waiting.is_free(account.environment_id) => {
                Ok(())
            }
            Ok(_) => {
                self.metrics.over_quota(WAITING_CALLS);
                Err(UpstreamError::TooManyWaiting)
            }
            Err(error) => {
                self.metrics.limited(account.provider, &request.name);
                Err(error)
            }
        }
    }

    /// Waits for the call's turn, then takes the newest token: it may have been renewed meanwhile. Gives how
    /// long the turn took, too.
    async fn turn_and_token(
        &self,
        call: &mut Call<'_>,
        mut asked: Instant,
    ) -> Result<(Duration, Fresh), UpstreamError> {
        let until = call.options.wait_until;
        if let Some((generation, code)) = call.invalid {
            // First the token: a lost grant shall not wait for a turn.
            Box::pin(self.tokens.newer_than(call.account, generation, code, until)).await?;
            asked = Instant::now();
        }
        let waiting = call.options.span.part("wait for turn");
        let wait = (asked, until);
        let turn = self.turns.wait(call.account, &call.price, call.options, wait).await;
        if turn.is_err() {
            self.metrics.limited(call.account.provider, &call.request.name);
        }
        turn?;
        drop(waiting);
        let waited = asked.elapsed();
        let _span = call.options.span.part("take token");
        let token = match call.request.carried {
            Carried::AccessToken => self.tokens.fresh(call.account, until).await?,
            Carried::RefreshToken => self.tokens.to_give_back(call.account).await?,
        };
        Ok((waited, token))
    }

    /// The pair of a call that was refused, with the code of the known path, when that confirms that it is
    /// invalid. A refusal alone is no reason to spend a grant or to give an account up: a call is refused for
    /// what the token may not do as well, and callers of raw calls can make a provider say anything.
    async fn invalid(
        &self,
        account: &IntegratedAccount,
        dialect: &dyn Dialect,
        refusal: &Refusal<'_>,
        token: &Fresh,
    ) -> Option<(i64, &'static str)> {
        let url = dialect.trial_url(account)?;
        let to = (&self.client, url, named_by(account));
        let tried = validity_of(&token.token, to, dialect, self.clock.now());
        match Box::pin(self.trials.of(refusal, token.generation, tried)).await {
            Validity::Invalid(code) => Some((token.generation, code)),
            // A new pair may be admitted; an account without one is not given up for that.
            Validity::Refused(code) => token.is_renewable.then_some((token.generation, code)),
            Validity::Valid | Validity::Unknown => None,
        }
    }

    async fn attempt(
        &self,
        outgoing: Box<Request<Payload>>,
        account: &IntegratedAccount,
        dialect: &dyn Dialect,
        whole: bool,
    ) -> Result<Box<Answer>, UpstreamError> {
        let reading = if whole { Reading::Whole } else { Reading::Beginning };
        let response = self.client.execute(outgoing, named_by(account), reading).await;
        let answer = Answer::receive(response?, &*self.clock, |status, headers, body| {
            dialect.verdict(status, headers, body)
        })
        .await?;
        if !whole {
            return Ok(answer);
        }
        let most = match named_by(account) {
            NamedBy::Operator => MAX_WHOLE,
            NamedBy::Customer => self.memory.max_named_response,
        };
        answer.whole(most, self.memory.budget.hold(account.environment_id)).await
    }

    /// Waits before the next attempt, `least` at least; tells whether the pause ends within the caller's wait, and does
    /// not begin one that would not. Half of the pause is certain, the other half is chance: callers that failed
    /// together come apart.
    async fn pause(
        &self,
        account: &IntegratedAccount,
        attempt: u32,
        least: Duration,
        wait_until: Instant,
    ) -> bool {
        let whole = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1));
        let chance = u32::from(u16::from_be_bytes(random_bytes(&*self.entropy)));
        let pause = whole / 2 + whole / 2 * chance / u32::from(u16::MAX);
        let over = Instant::now() + pause.max(least);
        if over > wait_until {
            return false;
        }
        let pause = pin!(tokio::time::sleep_until(over));
        self.wait_in_place(account, pause).await.is_ok()
    }
}
