//! The states of an account held against a model, through the front door: random sequences of evidence and of what only
//! looks like it.

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

use super::pass;
use crate::support::{TestApp, slack_signature};

const CASES: usize = 16;
const STEPS: usize = 12;
const TOKENS: &str = "oauth.v2.access";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The customer links again.
    Link,
    /// The customer takes the app out, and a call finds out.
    Uninstall,
    /// The provider signs a notice of a revocation so many seconds ago.
    Notice(i64),
    /// A caller makes the provider say that the token is invalid.
    Echo,
    /// The token ended, and the token endpoint answers with a page.
    Page,
    /// The token ended, and the token endpoint refuses for a reason that does not name the grant.
    Unclear,
    /// A caller asks for new tokens.
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
    Step::Echo,
    Step::Echo,
    Step::Page,
    Step::Unclear,
    Step::Refresh,
    Step::Disconnect,
];

/// An account and what is true of it.
struct Case<'a> {
    app: &'a TestApp,
    id: String,
    /// Whether the customer's app is installed at the provider.
    is_installed: bool,
    /// When the customer last linked.
    granted_at: i64,
    status: &'static str,
}

impl Case<'_> {
    async fn act(&mut self, step: Step) -> anyhow::Result<()> {
        pass(self.app, Duration::minutes(2));
        match step {
            Step::Link if self.status == "disconnected" => {}
            Step::Link => {
                self.app.link_again("acme", &self.id).await?;
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
            Step::Echo => {
                let api = self.app.on(&self.id)?;
                let status = api.get("proxy/api/api.test?error=token_revoked").await?.status;
                ensure!((status == 200) == (self.status == "active"), "an echo is {status}");
            }
            Step::Page | Step::Unclear => {
                let fault = if matches!(step, Step::Page) {
                    Fault::next(TOKENS, FaultKind::Html, 1)
                } else {
                    Fault::refusal(TOKENS, "bad_redirect_uri", 1)
                };
                self.app.sandbox.add_fault(fault);
                if self.status == "active" {
                    pass(self.app, Duration::hours(13));
                    self.call().await?;
                    pass(self.app, Duration::minutes(2));
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
                self.app.home.admin.delete(&path).await?.okay()?;
                self.status = "disconnected";
            }
        }
        Ok(())
    }

    fn now(&self) -> i64 {
        self.app.clock.now().unix_timestamp()
    }

    async fn call(&self) -> anyhow::Result<()> {
        self.app.on(&self.id)?.get("proxy/api/team.info").await?;
        Ok(())
    }

    async fn account(&self) -> anyhow::Result<Value> {
        let path = format!("integrated-accounts/{}", self.id);
        let answer = self.app.home.api.get(&path).await?.okay()?;
        answer.get("result").cloned().context("no account")
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
            .nobody()?
            .with("x-slack-request-timestamp", &now.to_string())?
            .with("x-slack-signature", &signature)?;
        let body = Some(("application/json", body.as_str()));
        let answer = slack.send(http::Method::POST, "events/slack", body).await?;
        ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_sequence_of_evidence_leaves_the_account_where_the_model_says(
    pool: PgPool,
) -> anyhow::Result<()> {
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
