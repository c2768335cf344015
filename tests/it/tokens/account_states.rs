//! The statuses of an account against a model, through the API: random sequences of evidence and of what only
//! resembles it.

use anyhow::{Context as _, ensure};
use proptest::collection::vec;
use proptest::prelude::Strategy as _;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::{DEFAULT_SIGNING_SECRET, Fault, FaultKind};
use time::Duration;

use super::advance;
use crate::support::{TestApp, slack_signature};

const CASES: usize = 16;
const STEPS: usize = 12;
const TOKENS: &str = "oauth.v2.access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The customer links again.
    Link,
    /// The customer uninstalls the app, and a call detects it.
    Uninstall,
    /// The provider signs a notice of a revocation so many seconds ago.
    Notice(i64),
    /// A caller makes the provider return that the token is invalid.
    EchoedError,
    /// The token expired, and the token endpoint returns an HTML page.
    HtmlPage,
    /// The token expired, and the token endpoint rejects the refresh for a reason other than the grant.
    OtherError,
    /// A caller forces a refresh.
    Refresh,
    /// A caller disconnects the account.
    Disconnect,
}

const ALL: [Step; 14] = [
    Step::Link,
    Step::Link,
    Step::Link,
    Step::Uninstall,
    Step::Uninstall,
    Step::Notice(0),
    Step::Notice(0),
    Step::Notice(100_000),
    Step::EchoedError,
    Step::EchoedError,
    Step::HtmlPage,
    Step::OtherError,
    Step::Refresh,
    Step::Disconnect,
];

/// An account and its expected state.
struct Case<'a> {
    app: &'a TestApp,
    id: String,
    /// Whether the customer's app is installed at the provider.
    is_installed: bool,
    /// Time of the last link.
    granted_at: i64,
    status: &'static str,
}

impl Case<'_> {
    async fn act(&mut self, step: Step) -> anyhow::Result<()> {
        advance(self.app, Duration::minutes(2));
        match step {
            Step::Link if self.status == "disconnected" => {}
            Step::Link => {
                self.app.relink("acme", &self.id).await?;
                (self.is_installed, self.status) = (true, "active");
                self.granted_at = self.now();
            }
            Step::Uninstall => {
                if self.status == "active" && self.is_installed {
                    self.app.uninstall(&self.id).await?;
                    self.is_installed = false;
                }
                self.call().await?;
                if self.status == "active" {
                    self.status = "needs_reauth";
                }
            }
            Step::Notice(seconds_ago) => {
                self.notice(seconds_ago).await?;
                if self.status == "active" && self.now() - seconds_ago >= self.granted_at {
                    self.status = "needs_reauth";
                }
            }
            Step::EchoedError => {
                let api = self.app.client_for(&self.id)?;
                let status = api.get("proxy/api/api.test?error=token_revoked").await?.status;
                ensure!((status == 200) == (self.status == "active"), "an echo is {status}");
            }
            Step::HtmlPage | Step::OtherError => {
                let fault = if matches!(step, Step::HtmlPage) {
                    Fault::for_next_calls(TOKENS, FaultKind::Html, 1)
                } else {
                    Fault::refused(TOKENS, "bad_redirect_uri", 1)
                };
                self.app.sandbox.add_fault(fault);
                if self.status == "active" {
                    advance(self.app, Duration::hours(13));
                    self.call().await?;
                    advance(self.app, Duration::minutes(2));
                }
                self.app.sandbox.clear_faults();
            }
            Step::Refresh => {
                let path = format!("integrated-accounts/{}/refresh", self.id);
                let status = self.app.home.api.post(&path, &json!({})).await?.status;
                ensure!((status == 200) == (self.status == "active"), "a refresh is {status}");
            }
            Step::Disconnect => {
                let path = format!("integrated-accounts/{}?force=true", self.id);
                self.app.home.admin.delete(&path).await?.success()?;
                self.status = "disconnected";
            }
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        self.app.clock.now().unix_timestamp()
    }

    async fn call(&self) -> anyhow::Result<()> {
        self.app.client_for(&self.id)?.get("proxy/api/team.info").await?;
        Ok(())
    }

    async fn account(&self) -> anyhow::Result<Value> {
        let path = format!("integrated-accounts/{}", self.id);
        let response = self.app.home.api.get(&path).await?.success()?;
        response.get("result").cloned().context("no account")
    }

    async fn notice(&self, seconds_ago: i64) -> anyhow::Result<()> {
        let account = self.account().await?;
        let now = self.now();
        let organization = account.pointer("/organization/id");
        let installer = account.get("installer_id");
        let body = json!({
            "type": "event_callback", "team_id": organization, "enterprise_id": organization,
            "api_app_id": "A1", "event_id": "Ev1", "event_time": now - seconds_ago,
            "authorizations": [{"enterprise_id": organization, "is_enterprise_install": true}],
            "event": {"type": "tokens_revoked",
                "tokens": {"oauth": [installer], "bot": []}},
        })
        .to_string();
        let signature = slack_signature(DEFAULT_SIGNING_SECRET, &now.to_string(), &body)?;
        let slack = self
            .app
            .anonymous()?
            .with("x-slack-request-timestamp", &now.to_string())?
            .with("x-slack-signature", &signature)?;
        let body = Some(("application/json", body.as_str()));
        let response = slack.send(http::Method::POST, "events/slack", body).await?;
        ensure!(response.status == 200, "{response:?}");
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_sequence_of_evidence_matches_the_model(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[19; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let sequences = vec(select(&ALL[..]), 1..=STEPS);
    for _ in 0..CASES {
        let tree = sequences.new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?;
        let steps = tree.current();
        let id = app.link("acme").await?;
        let granted_at = app.clock.now().unix_timestamp();
        let mut case = Case { app: &app, id, is_installed: true, granted_at, status: "active" };
        for (number, step) in steps.iter().enumerate() {
            case.act(*step).await?;
            let account = case.account().await?;
            ensure!(
                account["status"] == case.status,
                "{} and not {} after step {number} of {steps:?}",
                account["status"],
                case.status
            );
            let has_reason = account["status_reason"].is_string();
            ensure!(has_reason == (case.status == "needs_reauth"), "{account}");
        }
        case.act(Step::Disconnect).await?;
    }
    Ok(())
}
