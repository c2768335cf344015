//! Runs a sequence on real gateways and compares with the oracle.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, ensure};
use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::{Clock as _, ManualClock, SystemClock};
use switchboard::sandbox::{Fault, FaultKind};
use switchboard::vault::RefreshPass;
use time::{Duration, OffsetDateTime};

use super::gateway::{KillableGateway, LEAD};
use super::oracle::{Expected, Oracle, UNKNOWN};
use super::{KillPoint, Step};
use crate::support::{ApiResponse, Browser, TestApp, link_url};

const TOKENS: &str = "oauth.v2.access";
const METHOD: &str = "team.info";
const CALL: &str = "proxy/api/team.info";
/// Longer than any test runs.
const LONG_S: f64 = 600.0;

/// No two sequences share an environment.
static NUMBER: AtomicU32 = AtomicU32::new(0);

struct Simulation {
    app: TestApp,
    account: String,
    gateways: [KillableGateway; 2],
    oracle: Oracle,
    /// The gateways' clock at the start.
    origin: OffsetDateTime,
}

/// Runs the steps, and at the end what every sequence must recover from.
pub(super) async fn run(pool: &PgPool, grace: i64, steps: &[Step]) -> anyhow::Result<()> {
    let mut world = Simulation::begin(pool, grace).await?;
    let recovery = [Step::AdvanceClocks(61), Step::Calls(1, 1), Step::LinkAgain, Step::Calls(1, 1)];
    let mut outcome = Ok(());
    for (number, step) in steps.iter().chain(&recovery).enumerate() {
        if let (Step::Calls(..), true) = (step, number >= steps.len()) {
            world.app.sandbox.clear_faults();
            world.oracle.faults.clear();
        }
        outcome = world.run_steps(*step).await.with_context(|| format!("step {number}, {step:?}"));
        if outcome.is_err() {
            break;
        }
    }
    // The proactive refresh covers every environment.
    world.end().await?;
    outcome
}

impl Simulation {
    async fn begin(pool: &PgPool, grace: i64) -> anyhow::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let app = TestApp::with(pool.clone(), |setup| {
            setup.home = format!("home-{number}");
            setup.provider_clock = Arc::new(ManualClock::at(SystemClock.now()));
            setup.sandbox.refresh_grace_s = grace;
            setup.sandbox.enforce_limits = false;
            (setup.sandbox.users, setup.sandbox.workspaces) = (5, 1);
        });
        let app = app.await?;
        let account = app.link("acme").await?;
        let gateways = [
            KillableGateway::start(&app, &account).await?,
            KillableGateway::start(&app, &account).await?,
        ];
        let origin = app.clock.now();
        Ok(Self { app, account, gateways, oracle: Oracle::linked(grace), origin })
    }

    async fn run_steps(&mut self, step: Step) -> anyhow::Result<()> {
        for gateway in &self.gateways {
            gateway.wait_for_feed().await?;
        }
        let invalid = self.invalid_tokens_sent();
        let may_be_sent = match step {
            Step::AdvanceClocks(seconds) => {
                self.app.clock.advance(Duration::seconds(seconds));
                self.app.sandbox.advance_clock(Duration::seconds(seconds));
                self.oracle.advance(seconds, true);
                0..=0
            }
            Step::AdvanceProviderClock(seconds) => {
                self.app.sandbox.advance_clock(Duration::seconds(seconds));
                self.oracle.advance(seconds, false);
                0..=0
            }
            Step::Calls(here, there) => self.call(here, there).await?,
            Step::RefreshProactively(who) => self.refresh_proactively(who).await?,
            Step::ForceRefresh(who) => {
                let path = format!("integrated-accounts/{}/refresh", self.account);
                let response = self.gateway(who).api.post(&path, &json!({})).await?;
                let expected = self.oracle.refresh();
                self.check_response(expected, &response)?;
                0..=0
            }
            Step::Fault(kind, count) => {
                self.app.sandbox.add_fault(Fault::for_next_calls(TOKENS, kind, count));
                self.oracle.faults.extend((0..count).map(|_| kind));
                0..=0
            }
            Step::Kill(who, moment) => self.kill_gateway(who, moment).await?,
            Step::LinkAgain => {
                self.app.sandbox.clear_faults();
                let body = json!({"tenant_id": "acme", "integrated_account_id": self.account});
                let url = link_url(&self.app.home, &body).await?;
                let end = Browser::new()?.complete_link(&url).await?;
                ensure!(end.status == 200, "{}: {}", end.status, end.text);
                self.oracle.link_again();
                0..=0
            }
        };
        let sent = self.invalid_tokens_sent() - invalid;
        ensure!(may_be_sent.contains(&sent), "an invalid token was sent {sent} times");
        self.check().await
    }

    /// Deletes all tokens.
    async fn end(&self) -> anyhow::Result<()> {
        self.app.sandbox.clear_faults();
        let path = format!("integrated-accounts/{}", self.account);
        self.app.home.admin.delete(&path).await?.success()?;
        Ok(())
    }

    fn gateway(&self, who: usize) -> &KillableGateway {
        let [first, second] = &self.gateways;
        if who == 0 { first } else { second }
    }

    async fn call(&mut self, here: usize, there: usize) -> anyhow::Result<RangeInclusive<usize>> {
        let [first, second] = &self.gateways;
        let callers = std::iter::repeat_n(first, here).chain(std::iter::repeat_n(second, there));
        let responses = join_all(callers.map(|gateway| gateway.api.get(CALL))).await;
        let (expected, invalid) = self.oracle.call(here + there);
        for response in responses {
            self.check_response(expected, &response?)?;
        }
        Ok(invalid)
    }

    async fn refresh_proactively(&mut self, who: usize) -> anyhow::Result<RangeInclusive<usize>> {
        let looked = self.gateway(who).refresh_proactively().await?;
        let left = Duration::seconds(self.oracle.believed_end - self.oracle.now());
        let may_be_idle = !self.oracle.is_active || left > LEAD / 2 || self.oracle.attempts > 0;
        let may_renew = self.oracle.is_active && left <= LEAD;
        let (renewed, failed) =
            (RefreshPass { refreshed: 1, failed: 0 }, RefreshPass { refreshed: 0, failed: 1 });
        let expected = if looked == RefreshPass::default() {
            ensure!(may_be_idle, "it missed that the token expires in {left}");
            return Ok(0..=0);
        } else {
            ensure!(may_renew, "{looked:?} though the token expires in {left}");
            if self.oracle.refresh() == Expected::Success { renewed } else { failed }
        };
        ensure!(looked == expected, "{looked:?} and not {expected:?}");
        Ok(0..=0)
    }

    async fn kill_gateway(
        &mut self,
        who: usize,
        moment: KillPoint,
    ) -> anyhow::Result<RangeInclusive<usize>> {
        let fresh = KillableGateway::start(&self.app, &self.account).await?;
        let [first, second] = &mut self.gateways;
        let doomed = std::mem::replace(if who == 0 { first } else { second }, fresh);
        let sandbox = &self.app.sandbox;
        sandbox.clear_faults();
        let (method, kind) = match moment {
            KillPoint::Requested => (TOKENS, FaultKind::Timeout),
            KillPoint::Responded => (TOKENS, FaultKind::Latency),
            KillPoint::Stored => (METHOD, FaultKind::Latency),
        };
        let fault = Fault::for_next_calls(method, kind, 1);
        sandbox.add_fault(Fault { seconds: Some(LONG_S), ..fault });
        let before = self.app.calls(method);
        let path = format!("integrated-accounts/{}/refresh", self.account);
        let body = json!({});
        let held = async {
            match moment {
                KillPoint::Requested | KillPoint::Responded => doomed.api.post(&path, &body).await,
                KillPoint::Stored => doomed.api.get(CALL).await,
            }
        };
        let has_come = async {
            let is_there = || match moment {
                KillPoint::Requested => self.app.sandbox.faults().is_empty(),
                KillPoint::Responded | KillPoint::Stored => self.app.calls(method) > before,
            };
            while !is_there() {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        let was_held = tokio::select! {
            response = held => { response?; false }
            () = has_come => true,
        };
        doomed.kill().await?;
        sandbox.clear_faults();
        let (believed, now) = (self.oracle.believed_end, self.oracle.now());
        let expected = match moment {
            KillPoint::Requested => self.oracle.kill_while_refreshing(false),
            KillPoint::Responded => self.oracle.kill_while_refreshing(true),
            KillPoint::Stored => self.oracle.kill_while_calling(),
        };
        ensure!(was_held == expected, "it died at that moment: {was_held}, and not {expected}");
        // It was killed before it learned that the token was invalid.
        Ok(0..=usize::from(moment == KillPoint::Stored && believed > now))
    }

    /// Returns how often the provider received an invalid token.
    fn invalid_tokens_sent(&self) -> usize {
        let calls = self.app.sandbox.requests(Some(METHOD)).requests;
        let is_invalid = |error: &String| error == "token_expired" || error == "token_revoked";
        calls.iter().filter(|call| call.error.as_ref().is_some_and(is_invalid)).count()
    }

    fn check_response(&self, expected: Expected, response: &ApiResponse) -> anyhow::Result<()> {
        let result = match response.status {
            200 => Expected::Success,
            502 => Expected::RefreshUnavailable,
            409 => Expected::LinkAgain,
            _ => anyhow::bail!("{response:?}"),
        };
        ensure!(result == expected, "{result:?} and not {expected:?}: {}", response.text);
        if result == Expected::RefreshUnavailable {
            let pause: f64 = response.header("retry-after").parse()?;
            let (_, longest) = self.oracle.pause_bounds();
            ensure!(pause <= longest, "Retry-After: {pause}, beyond {longest}");
        }
        Ok(())
    }

    /// Compares the account, the provider and the recorded attempts with the oracle.
    async fn check(&mut self) -> anyhow::Result<()> {
        let status: String = sqlx::query_scalar(
            "select status from integrated_accounts where integrated_account_id = $1",
        )
        .bind(&self.account)
        .fetch_one(&self.app.pool)
        .await?;
        let expected = if self.oracle.is_active { "active" } else { "needs_reauth" };
        ensure!(status == expected, "the account is {status} and not {expected}");
        let granted = self.app.sandbox.stats().refreshes;
        ensure!(granted == self.oracle.granted, "{granted} refreshes and not {:?}", self.oracle);
        let marked: i64 = sqlx::query_scalar(
            "select count(*) from audit_log
             where action = 'integrated_account.needs_reauth' and environment_id = $1",
        )
        .bind(self.app.home.environment_id.to_string())
        .fetch_one(&self.app.pool)
        .await?;
        ensure!(marked == self.oracle.marked, "marked {marked} times");
        let last: Option<(i32, Option<OffsetDateTime>)> = sqlx::query_as(
            "select attempt, pause_until from credential_refreshes join account_credentials
             using (environment_id, integrated_account_id, generation)
             where integrated_account_id = $1 order by attempt desc limit 1",
        )
        .bind(&self.account)
        .fetch_optional(&self.app.pool)
        .await?;
        let attempts = last.map_or(0, |(attempt, _)| attempt);
        ensure!(attempts == self.oracle.attempts, "{attempts} attempts and not {:?}", self.oracle);
        self.check_pause(last.and_then(|(_, until)| until))
    }

    /// A backoff is random: it is read when it begins, and must be within its bounds.
    fn check_pause(&mut self, until: Option<OffsetDateTime>) -> anyhow::Result<()> {
        let now = self.oracle.now();
        let lasts = until.map(|until| (until - self.origin).as_seconds_f64());
        match (lasts, self.oracle.pause_until) {
            (Some(end), Some(begun)) if begun == UNKNOWN => {
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let length = end - now as f64;
                let (least, most) = self.oracle.pause_bounds();
                ensure!(length > least - 0.01 && length <= most, "a pause of {length} s");
                #[expect(clippy::cast_possible_truncation, reason = "small numbers")]
                let end = end.ceil() as i64;
                self.oracle.pause_until = Some(end);
            }
            (None, None) | (Some(_), Some(_)) => {}
            (lasts, expected) => anyhow::bail!("a pause until {lasts:?} and not {expected:?}"),
        }
        Ok(())
    }
}
