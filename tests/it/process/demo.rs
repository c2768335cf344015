//! `switchboard demo --json`, started and talked to.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::home::Home;
use super::program::Program;
use super::talk::{Answer, Client, text};

/// What the demo tells when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Report {
    pub(super) base_url: String,
    pub(super) api_key: String,
    pub(super) admin_key: String,
    pub(super) environment_id: String,
    pub(super) integrated_account_id: String,
    pub(super) sandbox_url: String,
    pub(super) console_url: String,
    pub(super) link_url: String,
}

/// A running demo. Dropping it is `kill -9`.
#[derive(Debug)]
pub(super) struct Demo {
    pub(super) program: Program,
    pub(super) report: Report,
    pub(super) ready_after: Duration,
    client: Client,
}

impl Demo {
    /// Starts one whose data are gone with it.
    pub(super) async fn start(home: &Home, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(home, arguments, &[]).await
    }

    /// Starts one whose data stay in the home.
    pub(super) async fn start_on_data(home: &Home) -> anyhow::Result<Self> {
        let data = home.data().display().to_string();
        Self::start(home, &["--data-dir", &data]).await
    }

    /// Starts one with variables of its environment.
    pub(super) async fn start_with(
        home: &Home,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let all = [&["demo", "--json", "--port", "0"], arguments].concat();
        let mut program = Program::start(home, &all, variables)?;
        let whole = |out: &str, _: &str| Some(out.split_once('\n')?.0.to_owned());
        let line = program.says(whole, super::START).await?;
        let ready_after = started.elapsed();
        let report = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self { program, report, ready_after, client: Client::new()? })
    }

    /// Asks the gateway, with the account named in a header.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let bearer = format!("Bearer {key}");
        let account = self.report.integrated_account_id.as_str();
        let headers = [("authorization", bearer.as_str()), ("x-integrated-account-id", account)];
        let url = format!("{}{path}", self.report.base_url);
        self.client.send(method, &url, &headers, body).await
    }

    /// Reads from the gateway with the demo's key.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, &self.report.api_key, None).await
    }

    /// Sends JSON to the gateway with the demo's key.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, &self.report.api_key, Some(body)).await
    }

    /// Asks the sandbox about itself.
    pub(super) async fn ask_sandbox(&self, what: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{what}", self.report.sandbox_url);
        self.client.get(&url).await?.ok()
    }

    /// Tells the sandbox something.
    pub(super) async fn tell_sandbox(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{what}", self.report.sandbox_url);
        self.client.send(Method::POST, &url, &[], Some(body)).await?.ok()
    }

    /// Moves the provider's clock beyond the end of every access token.
    pub(super) async fn age_tokens(&self) -> anyhow::Result<()> {
        let wish = serde_json::json!({"seconds": 46_800});
        self.tell_sandbox("advance-clock", &wish).await.map(drop)
    }

    /// A token bound to the linked account.
    pub(super) async fn account_token(&self) -> anyhow::Result<String> {
        let path = format!("/integrated-accounts/{}/tokens", self.report.integrated_account_id);
        let wish = serde_json::json!({});
        let made = self.post(&path, &wish).await?;
        text(&made.ok()?, "/result/token")
    }

    /// Every user through the unified API.
    pub(super) async fn all_users(&self) -> anyhow::Result<Vec<Value>> {
        let mut users = Vec::new();
        let mut cursor = String::new();
        for _ in 0..100 {
            let page = self.get(&format!("/users?limit=90{cursor}")).await?.ok()?;
            users.extend_from_slice(super::talk::list(&page, "/result")?);
            let Ok(next) = text(&page, "/next_cursor") else {
                return Ok(users);
            };
            cursor = format!("&next_cursor={next}");
        }
        anyhow::bail!("the list of users has no end")
    }
}
