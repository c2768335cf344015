//! `switchboard sandbox` as a process, and its client.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::START_TIMEOUT;
use super::super::http_client::{Client, list, number, text};
use super::super::program::Program;
use super::super::test_dir::TestDir;

/// A running sandbox. Dropping it sends SIGKILL.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) base_url: String,
    client_id: String,
    client_secret: String,
    client: Client,
    _program: Program,
}

impl Sandbox {
    /// Starts one without rate limits.
    pub(super) async fn start(home: &TestDir) -> anyhow::Result<Self> {
        Self::start_with(home, &[]).await
    }

    /// Starts one with options for the organization.
    pub(super) async fn start_with(home: &TestDir, arguments: &[&str]) -> anyhow::Result<Self> {
        let all = [&["sandbox", "--port", "0"], arguments].concat();
        let mut program = Program::start(home, &all, &[])?;
        let (base_url, client_id, client_secret) =
            program.wait_for_output(parse_credentials, START_TIMEOUT).await?;
        let client = Client::new()?;
        let url = format!("{base_url}/_sandbox/limits");
        let off = json!({"enabled": false});
        client.send(Method::POST, &url, &[], Some(&off)).await?.ok()?;
        Ok(Self { base_url, client_id, client_secret, client, _program: program })
    }

    /// Returns what a client needs: URL, client id, client secret.
    pub(super) fn credentials(&self) -> [&str; 3] {
        [&self.base_url, &self.client_id, &self.client_secret]
    }

    /// Checks that every served method was called except these, and these of SCIM.
    pub(super) async fn expect_called(&self, but: &[&str], scim: &[&str]) -> anyhow::Result<()> {
        let (served, request_log) =
            (self.control_get("methods").await?, self.control_get("requests").await?);
        let rows = list(&served, "/methods")?.iter();
        let methods: Vec<_> = rows.map(|row| text(row, "/method")).collect::<Result<_, _>>()?;
        let names = methods.iter().map(String::as_str).filter(|name| !but.contains(name));
        let names = names.chain(scim.iter().copied());
        let missed: Vec<_> = names
            .filter(|name| number(&request_log, &format!("/counts/{name}")).is_err())
            .collect();
        assert!(missed.is_empty(), "not called: {missed:?}");
        Ok(())
    }

    /// Reads from its control API.
    async fn control_get(&self, what: &str) -> anyhow::Result<Value> {
        self.client.get(&format!("{}/_sandbox/{what}", self.base_url)).await?.ok()
    }
}

/// Parses URL, client id and client secret, once all are printed.
fn parse_credentials(out: &str, _: &str) -> Option<(String, String, String)> {
    let (output, _) = out.rsplit_once('\n')?;
    let after = |label: &str| {
        let rest = output.lines().find_map(|line| line.split_once(label)).map(|(_, rest)| rest);
        rest.map(|rest| rest.trim().to_owned())
    };
    Some((after("sandbox at ")?, after("client id")?, after("client secret")?))
}
