//! Gateways as processes of their own on one database, a sandbox as another, and an organization of the
//! sandbox that was linked through the real OAuth flow.

mod accounts;
mod caller;
mod home;
mod program;
mod redis;

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};

use self::program::free_port;

pub(crate) use self::caller::{Caller, json, text};
pub(crate) use self::home::Home;
pub(crate) use self::program::{Program, is_named};
pub(crate) use self::redis::Redis;

/// The pace of a provider without limits, as many times Slack's.
pub(crate) const NO_LIMITS: f64 = 1_000_000.0;
/// How far calls may come together on their way, in milliseconds, where provider, gateways, database and caller
/// share two cores. It costs the makespan less than a hundredth.
const SPREAD_MS: u32 = 300;

/// What is wanted.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) gateways: usize,
    pub(crate) users: usize,
    pub(crate) workspaces: usize,
    /// How many times as fast as Slack's the limits refill, on both sides; without it there are none.
    pub(crate) time_scale: Option<f64>,
    /// Where the gateways' Redis is.
    pub(crate) redis: Option<String>,
}

/// Gateways, their provider, and an account.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) gateways: Vec<Program>,
    pub(crate) sandbox: Program,
    /// The account's caller; its calls wait for as long as they can.
    pub(crate) caller: Caller,
    account: String,
    home: Home,
    _folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts all of it and links the organization.
    pub(crate) async fn start(wish: &Wish) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let scale = wish.time_scale.unwrap_or(NO_LIMITS);
        let sandbox = start_sandbox(&folder, wish, scale)?;
        let mut limits = format!("time_scale = {scale:.1}\narrival_spread_ms = {SPREAD_MS}");
        if let Some(url) = &wish.redis {
            write!(limits, "\nbackend = \"redis\"\nredis_url = '{url}'")?;
        }
        let home = Home::new(&sandbox.url(), &limits).await?;
        let mut gateways = Vec::new();
        for _ in 0..wish.gateways {
            let mut gateway = home.serve()?;
            gateway.ready("/readyz")?;
            gateways.push(gateway);
        }
        let caller = Caller::new()?
            .with("authorization", &format!("Bearer {}", home.key().await?))?
            .with("prefer", "wait=120")?;
        let account = String::new();
        let mut fleet = Self { gateways, sandbox, caller, account, home, _folder: folder };
        if wish.time_scale.is_none() {
            fleet.tell_sandbox("limits", &json!({"enabled": false})).await?;
        }
        fleet.account = fleet.link().await?;
        fleet.caller = fleet.caller.with("x-integrated-account-id", &fleet.account)?;
        Ok(fleet)
    }

    async fn link(&self) -> anyhow::Result<String> {
        let base = self.urls().next().context("no gateway")?;
        let app = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET});
        self.caller.post(&format!("{base}/provider-apps"), &app).await?;
        let wish = json!({"tenant_id": "acme"});
        let link = self.caller.post(&format!("{base}/link-tokens"), &wish).await?;
        Caller::new()?.follow(text(&link, "/result/link_url")?).await?;
        let accounts = self.caller.get(&format!("{base}/integrated-accounts")).await?;
        Ok(text(&accounts, "/result/0/id")?.to_owned())
    }

    /// A token that is for the account alone.
    pub(crate) async fn account_token(&self) -> anyhow::Result<String> {
        let base = self.urls().next().context("no gateway")?;
        let url = format!("{base}/integrated-accounts/{}/tokens", self.account);
        let made = self.caller.post(&url, &json!({})).await?;
        Ok(text(&made, "/result/token")?.to_owned())
    }

    /// Where the gateways are.
    pub(crate) fn urls(&self) -> impl Iterator<Item = String> + Clone {
        self.gateways.iter().map(Program::url)
    }

    /// What the sandbox says behind the scenes.
    pub(crate) async fn ask_sandbox(&self, what: &str) -> anyhow::Result<Value> {
        Caller::new()?.get(&format!("{}/_sandbox/{what}", self.sandbox.url())).await
    }

    /// Moves something behind the scenes of the sandbox.
    pub(crate) async fn tell_sandbox(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/_sandbox/{what}", self.sandbox.url());
        Caller::new()?.post(&url, body).await?;
        Ok(())
    }

    /// Stops all of it.
    pub(crate) async fn stop(self) {
        drop((self.gateways, self.sandbox));
        self.home.close().await;
    }
}

fn start_sandbox(folder: &tempfile::TempDir, wish: &Wish, scale: f64) -> anyhow::Result<Program> {
    let port = free_port()?;
    let [port_text, users, workspaces] =
        [usize::from(port), wish.users, wish.workspaces].map(|number| number.to_string());
    let scale = scale.to_string();
    let arguments = [
        ["sandbox", "--port"],
        [&port_text, "--users"],
        [&users, "--workspaces"],
        [&workspaces, "--time-scale"],
    ];
    let arguments = [&arguments.concat()[..], &[&scale]].concat();
    let mut sandbox = Program::start(folder.path(), port, &arguments)?;
    sandbox.ready("/_sandbox/state")?;
    Ok(sandbox)
}
