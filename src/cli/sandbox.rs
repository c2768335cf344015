//! `switchboard sandbox`: a Slack Enterprise Grid organization to try an integration on.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use super::output::say;
use super::signals::stop_order;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Fault, Options, Sandbox, router};

/// What the organization is like.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen; 0 for any free port
    #[arg(long, default_value_t = 8090)]
    port: u16,
    /// The address to listen at: 0.0.0.0 lets other machines in, and anybody may do anything here
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::from([127, 0, 0, 1]))]
    host: IpAddr,
    /// How others reach it, when that is not the address it listens at
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// How many people and bots
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// How many workspaces
    #[arg(long, default_value_t = 5)]
    workspaces: usize,
    /// The same seed makes the same organization
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times as fast as Slack's its rate limits refill
    #[arg(long, default_value_t = 1.0)]
    time_scale: f64,
    /// For how many seconds after its first use a refresh token is taken again
    #[arg(long, value_name = "SECONDS", default_value_t = Options::default().refresh_grace_s)]
    refresh_grace: i64,
    /// A JSON file with an array of faults that wait from the start, as `POST /_sandbox/faults` takes them
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// A file that keeps grants from one run to the next
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
}

/// Runs it until told to stop.
pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<()> {
    config.validate_log()?;
    crate::telemetry::init(&config.log);
    let stop = stop_order()?;
    let listener = TcpListener::bind((arguments.host, arguments.port))
        .await
        .with_context(|| format!("port {} can't be listened at", arguments.port))?;
    let base_url = match arguments.base_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let options = Options {
        users: arguments.users,
        workspaces: arguments.workspaces,
        seed: arguments.seed,
        time_scale: arguments.time_scale,
        grants_file: arguments.grants,
        base_url: Some(base_url.clone()),
        refresh_grace_s: arguments.refresh_grace,
        ..Options::default()
    };
    let faults = arguments.faults.as_deref().map(read_faults).transpose()?.unwrap_or_default();
    let sandbox = Sandbox::new(options, Arc::new(SystemClock))?;
    for fault in faults {
        sandbox.add_fault(fault);
    }
    say(format!("Slack Enterprise Grid sandbox at {base_url}"))?;
    say(format!("  client id      {DEFAULT_CLIENT_ID}"))?;
    say(format!("  client secret  {DEFAULT_CLIENT_SECRET}"))?;
    say(format!("  Web API        {base_url}/api/METHOD"))?;
    say(format!("  SCIM           {base_url}/scim/v2/ and {base_url}/scim/v1/"))?;
    say(format!("  audit logs     {base_url}/audit/v1/logs"))?;
    let events = sandbox.clone().deliver_events(stop.clone().cancelled_owned());
    let server =
        axum::serve(listener, router(sandbox)).with_graceful_shutdown(stop.cancelled_owned());
    let (end, ()) = tokio::join!(server, events);
    Ok(end?)
}

fn read_faults(path: &Path) -> anyhow::Result<Vec<Fault>> {
    let shown = path.display();
    let text = std::fs::read(path).with_context(|| format!("the faults in {shown}"))?;
    serde_json::from_slice(&text)
        .with_context(|| format!("{shown} must hold an array of faults such as {EXAMPLE}"))
}

const EXAMPLE: &str = r#"[{"method": "users.info", "kind": "server_error", "count": 3}]"#;
