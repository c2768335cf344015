//! Gateways in processes of their own on one database, a sandbox in another, and an organization of the
//! sandbox that was linked through the real OAuth flow.

mod accounts;
mod caller;
mod deployment;
mod program;
mod provider;
mod redis;
mod sync;
mod webhooks;

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_SIGNING_SECRET};

use self::program::free_port;

pub(crate) use self::caller::{Caller, json, text};
pub(crate) use self::deployment::Deployment;
pub(crate) use self::program::{Program, is_named};
pub(crate) use self::redis::Redis;

/// `limits.time_scale` for a provider without limits, as a multiple of Slack's rates.
pub(crate) const UNLIMITED_TIME_SCALE: f64 = 1_000_000.0;
/// `limits.arrival_spread_ms` where provider, gateways, database and caller share two cores. It lengthens the makespan
/// by less than 1 %.
const ARRIVAL_SPREAD_MS: u32 = 300;

/// What to start.
#[derive(Debug)]
pub(crate) struct FleetOptions {
    pub(crate) gateways: usize,
    pub(crate) users: usize,
    pub(crate) workspaces: usize,
    /// Multiple of Slack's rates at which the limits refill, on both sides; `None` turns them off.
    pub(crate) time_scale: Option<f64>,
    /// URL of the gateways' Redis.
    pub(crate) redis: Option<String>,
}

impl FleetOptions {
    /// Returns one gateway with a provider without limits.
    pub(crate) fn unlimited(users: usize, workspaces: usize) -> Self {
        Self { gateways: 1, users, workspaces, time_scale: None, redis: None }
    }
}

/// Gateways, their provider, and a linked account.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) gateways: Vec<Program>,
    pub(crate) sandbox: Program,
    /// The account's caller; its calls wait as long as the API permits.
    pub(crate) caller: Caller,
    account: String,
    deployment: Deployment,
    _folder: tempfile::TempDir,
}

impl Fleet {
    /// Starts everything and links the organization.
    pub(crate) async fn start(options: &FleetOptions) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let scale = options.time_scale.unwrap_or(UNLIMITED_TIME_SCALE);
        let sandbox = start_sandbox(&folder, options, scale)?;
        let mut limits =
            format!("time_scale = {scale:.1}\narrival_spread_ms = {ARRIVAL_SPREAD_MS}");
        if let Some(url) = &options.redis {
            write!(limits, "\nbackend = \"redis\"\nredis_url = '{url}'")?;
        }
        let deployment = Deployment::new(&sandbox.url(), &limits).await?;
        let mut gateways = Vec::new();
        for _ in 0..options.gateways {
            let mut gateway = deployment.serve()?;
            gateway.ready("/readyz")?;
            gateways.push(gateway);
        }
        let caller = Caller::new()?
            .with("authorization", &format!("Bearer {}", deployment.key().await?))?
            .with("prefer", "wait=120")?;
        let account = String::new();
        let mut fleet = Self { gateways, sandbox, caller, account, deployment, _folder: folder };
        if options.time_scale.is_none() {
            fleet.sandbox_post("limits", &json!({"enabled": false})).await?;
        }
        fleet.account = fleet.link().await?;
        fleet.caller = fleet.caller.with("x-integrated-account-id", &fleet.account)?;
        Ok(fleet)
    }

    /// Starts one gateway with a provider without limits, measures it, and stops everything.
    pub(crate) async fn measure<T>(
        users: usize,
        workspaces: usize,
        measure: impl AsyncFnOnce(&Self) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let fleet = Self::start(&FleetOptions::unlimited(users, workspaces)).await?;
        let measured = measure(&fleet).await;
        fleet.stop().await;
        measured
    }

    async fn link(&self) -> anyhow::Result<String> {
        let base = self.urls().next().context("no gateway")?;
        let app = json!({"provider": "slack_enterprise", "client_id": DEFAULT_CLIENT_ID,
            "client_secret": DEFAULT_CLIENT_SECRET, "signing_secret": DEFAULT_SIGNING_SECRET});
        self.caller.post(&format!("{base}/provider-apps"), &app).await?;
        let body = json!({"tenant_id": "acme"});
        let link = self.caller.post(&format!("{base}/link-tokens"), &body).await?;
        Caller::new()?.follow(text(&link, "/result/link_url")?).await?;
        let accounts = self.caller.get(&format!("{base}/integrated-accounts")).await?;
        Ok(text(&accounts, "/result/0/id")?.to_owned())
    }

    /// Creates an account token.
    pub(crate) async fn account_token(&self) -> anyhow::Result<String> {
        let base = self.urls().next().context("no gateway")?;
        let url = format!("{base}/integrated-accounts/{}/tokens", self.account);
        let created = self.caller.post(&url, &json!({})).await?;
        Ok(text(&created, "/result/token")?.to_owned())
    }

    /// Returns the account's id.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// Returns the database and the settings.
    pub(crate) fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Returns the gateways' URLs.
    pub(crate) fn urls(&self) -> impl Iterator<Item = String> + Clone {
        self.gateways.iter().map(Program::url)
    }

    /// Reads from the sandbox's control API.
    pub(crate) async fn sandbox_get(&self, what: &str) -> anyhow::Result<Value> {
        Caller::new()?.get(&format!("{}/_sandbox/{what}", self.sandbox.url())).await
    }

    /// Posts to the sandbox's control API.
    pub(crate) async fn sandbox_post(&self, what: &str, body: &Value) -> anyhow::Result<()> {
        let url = format!("{}/_sandbox/{what}", self.sandbox.url());
        Caller::new()?.post(&url, body).await?;
        Ok(())
    }

    /// Stops everything.
    pub(crate) async fn stop(self) {
        drop((self.gateways, self.sandbox));
        self.deployment.close().await;
    }
}

fn start_sandbox(
    folder: &tempfile::TempDir,
    options: &FleetOptions,
    scale: f64,
) -> anyhow::Result<Program> {
    let port = free_port()?;
    let [port_text, users, workspaces] =
        [usize::from(port), options.users, options.workspaces].map(|number| number.to_string());
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
