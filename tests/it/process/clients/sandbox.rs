//! `switchboard sandbox`, started and talked to.

use reqwest::Method;
use serde_json::{Value, json};

use super::super::START;
use super::super::home::Home;
use super::super::program::Program;
use super::super::talk::{Client, list, number, text};

/// A running sandbox. Dropping it is `kill -9`.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub(super) base_url: String,
    client_id: String,
    client_secret: String,
    client: Client,
    _program: Program,
}

impl Sandbox {
    /// Starts one whose limits are off, so that nobody waits.
    pub(super) async fn start(home: &Home) -> anyhow::Result<Self> {
        Self::start_with(home, &[]).await
    }

    /// Starts one with an organization to order.
    pub(super) async fn start_with(home: &Home, arguments: &[&str]) -> anyhow::Result<Self> {
        let all = [&["sandbox", "--port", "0"], arguments].concat();
        let mut program = Program::start(home, &all, &[])?;
        let (base_url, client_id, client_secret) = program.says(introduction, START).await?;
        let client = Client::new()?;
        let url = format!("{base_url}/_sandbox/limits");
        let off = json!({"enabled": false});
        client.send(Method::POST, &url, &[], Some(&off)).await?.ok()?;
        Ok(Self { base_url, client_id, client_secret, client, _program: program })
    }

    /// What a client must be told: address, client id, client secret.
    pub(super) fn introduction(&self) -> [&str; 3] {
        [&self.base_url, &self.client_id, &self.client_secret]
    }

    /// Every method that it serves must have been called, but these, and these of SCIM.
    pub(super) async fn expect_toured(&self, but: &[&str], scim: &[&str]) -> anyhow::Result<()> {
        let (served, journal) = (self.ask("methods").await?, self.ask("requests").await?);
        let rows = list(&served, "/methods")?.iter();
        let methods: Vec<_> = rows.map(|row| text(row, "/method")).collect::<Result<_, _>>()?;
        let names = methods.iter().map(String::as_str).filter(|name| !but.contains(name));
        let names = names.chain(scim.iter().copied());
        let missed: Vec<_> =
            names.filter(|name| number(&journal, &format!("/counts/{name}")).is_err()).collect();
        assert!(missed.is_empty(), "not called: {missed:?}");
        Ok(())
    }

    /// Asks it about itself.
    async fn ask(&self, what: &str) -> anyhow::Result<Value> {
        self.client.get(&format!("{}/_sandbox/{what}", self.base_url)).await?.ok()
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
