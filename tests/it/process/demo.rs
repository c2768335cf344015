//! `switchboard demo --json` as a process, and its client.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::http_client::{Client, HttpResponse, text};
use super::program::Program;
use super::test_dir::TestDir;

/// The JSON that the demo prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DemoInfo {
    pub(super) base_url: String,
    pub(super) api_key: String,
    pub(super) admin_key: String,
    pub(super) environment_id: String,
    pub(super) integrated_account_id: String,
    pub(super) sandbox_url: String,
    pub(super) console_url: String,
    pub(super) link_url: String,
}

/// A running demo. Dropping it sends SIGKILL.
#[derive(Debug)]
pub(super) struct Demo {
    pub(super) program: Program,
    pub(super) report: DemoInfo,
    pub(super) ready_after: Duration,
    client: Client,
}

impl Demo {
    /// Starts one whose data is deleted with it.
    pub(super) async fn start(home: &TestDir, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_with(home, arguments, &[]).await
    }

    /// Starts one whose data stays in the folder.
    pub(super) async fn start_on_data(home: &TestDir) -> anyhow::Result<Self> {
        let data = home.data().display().to_string();
        Self::start(home, &["--data-dir", &data]).await
    }

    /// Starts one with environment variables.
    pub(super) async fn start_with(
        home: &TestDir,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
        let all = [&["demo", "--json", "--no-activity", "--port", "0"], arguments].concat();
        let mut program = Program::start(home, &all, variables)?;
        let whole = |out: &str, _: &str| Some(out.split_once('\n')?.0.to_owned());
        let line = program.wait_for_output(whole, super::START_TIMEOUT).await?;
        let ready_after = started.elapsed();
        let report = serde_json::from_str(&line).with_context(|| line.clone())?;
        Ok(Self { program, report, ready_after, client: Client::new()? })
    }

    /// Calls the gateway with the account in a header.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<HttpResponse> {
        let bearer = format!("Bearer {key}");
        let account = self.report.integrated_account_id.as_str();
        let headers = [("authorization", bearer.as_str()), ("x-integrated-account-id", account)];
        let url = format!("{}{path}", self.report.base_url);
        self.client.send(method, &url, &headers, body).await
    }

    /// Sends GET to the gateway with the demo's key.
    pub(super) async fn get(&self, path: &str) -> anyhow::Result<HttpResponse> {
        self.call(Method::GET, path, &self.report.api_key, None).await
    }

    /// Posts JSON to the gateway with the demo's key.
    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<HttpResponse> {
        self.call(Method::POST, path, &self.report.api_key, Some(body)).await
    }

    /// Reads from the sandbox's control API.
    pub(super) async fn sandbox_get(&self, what: &str) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{what}", self.report.sandbox_url);
        self.client.get(&url).await?.ok()
    }

    /// Posts to the sandbox's control API.
    pub(super) async fn sandbox_post(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let url = format!("{}/_sandbox/{what}", self.report.sandbox_url);
        self.client.send(Method::POST, &url, &[], Some(body)).await?.ok()
    }

    /// Advances the provider's clock past the expiry of every access token.
    pub(super) async fn age_tokens(&self) -> anyhow::Result<()> {
        let body = serde_json::json!({"seconds": 46_800});
        self.sandbox_post("advance-clock", &body).await.map(drop)
    }

    /// Waits for the end of the directory sync's latest run, such as the one that the demo requests when it starts.
    pub(super) async fn synced(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + super::START_TIMEOUT;
        loop {
            let runs = self.get("/syncs?limit=1").await?.ok()?;
            match text(&runs, "/result/0/status")?.as_str() {
                "succeeded" => return Ok(()),
                "queued" | "running" if Instant::now() < deadline => {}
                _ => anyhow::bail!("{runs}"),
            }
            tokio::time::sleep(super::POLL_INTERVAL).await;
        }
    }

    /// Returns an account token of the linked account.
    pub(super) async fn account_token(&self) -> anyhow::Result<String> {
        let path = format!("/integrated-accounts/{}/tokens", self.report.integrated_account_id);
        let body = serde_json::json!({});
        let created = self.post(&path, &body).await?;
        text(&created.ok()?, "/result/token")
    }

    /// Returns every user of the unified API.
    pub(super) async fn all_users(&self) -> anyhow::Result<Vec<Value>> {
        let mut users = Vec::new();
        let mut cursor = String::new();
        for _ in 0..100 {
            let page = self.get(&format!("/users?limit=90{cursor}")).await?.ok()?;
            users.extend_from_slice(super::http_client::list(&page, "/result")?);
            let Ok(next) = text(&page, "/next_cursor") else {
                return Ok(users);
            };
            cursor = format!("&next_cursor={next}");
        }
        anyhow::bail!("the list of users is endless")
    }
}
