//! `switchboard sandbox`, started and talked to.

use reqwest::Method;
use serde_json::json;

use super::super::START;
use super::super::home::Home;
use super::super::program::Program;
use super::super::talk::Client;

/// A running sandbox. Dropping it is `kill -9`.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) base_url: String,
    client_id: String,
    client_secret: String,
    _program: Program,
}

impl Sandbox {
    /// Starts one whose limits are off, so that nobody waits.
    pub(super) async fn start(home: &Home) -> anyhow::Result<Self> {
        let mut program = Program::start(home, &["sandbox", "--port", "0"], &[])?;
        let (base_url, client_id, client_secret) = program.says(introduction, START).await?;
        let url = format!("{base_url}/_sandbox/limits");
        let off = json!({"enabled": false});
        Client::new()?.send(Method::POST, &url, &[], Some(&off)).await?.ok()?;
        Ok(Self { base_url, client_id, client_secret, _program: program })
    }

    /// What a client must be told: address, client id, client secret.
    pub(super) fn introduction(&self) -> [&str; 3] {
        [&self.base_url, &self.client_id, &self.client_secret]
    }
}

/// Address, client id and client secret, once all are told.
fn introduction(out: &str, _: &str) -> Option<(String, String, String)> {
    let (said, _) = out.rsplit_once('\n')?;
    let after = |label: &str| {
        let rest = said.lines().find_map(|line| line.split_once(label)).map(|(_, rest)| rest);
        rest.map(|rest| rest.trim().to_owned())
    };
    Some((after("sandbox at ")?, after("client id")?, after("client secret")?))
}
