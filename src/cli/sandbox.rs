//! `switchboard sandbox`: runs a Slack Enterprise Grid organization in memory, for tests of integrations.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use super::output::print_line;
use super::signals::shutdown_signal;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::sandbox::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Fault, Sandbox, SandboxOptions, router,
};

/// The arguments of `sandbox`.
#[derive(Debug, Args)]
pub(super) struct SandboxArguments {
    /// Port to listen on; 0 for any free one
    #[arg(long, value_name = "PORT", default_value_t = 8090)]
    port: u16,
    /// Bind address; 0.0.0.0 exposes the unauthenticated control API to the network
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::from([127, 0, 0, 1]))]
    host: IpAddr,
    /// Public base URL (default: the bind address)
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Number of users and bots
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    users: usize,
    /// Number of workspaces
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    workspaces: usize,
    /// Seed of the generated organization; equal seeds generate equal organizations
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Speed of rate limits relative to Slack's
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    time_scale: f64,
    /// Seconds a refresh token stays valid after its first use
    #[arg(long, value_name = "SECONDS", default_value_t = SandboxOptions::default().refresh_grace_s)]
    refresh_grace: i64,
    /// JSON file with an array of initial faults, as for `POST /_sandbox/faults`
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// File that stores grants between runs
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
}

/// Runs the sandbox until a shutdown signal.
pub(super) async fn run(config: &Config, arguments: SandboxArguments) -> anyhow::Result<()> {
    config.validate_log()?;
    crate::telemetry::init(&config.log);
    let stop = shutdown_signal()?;
    let listener = TcpListener::bind((arguments.host, arguments.port))
        .await
        .with_context(|| format!("port {} is not available", arguments.port))?;
    let base_url = match arguments.base_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", listener.local_addr()?),
    };
    let options = SandboxOptions {
        users: arguments.users,
        workspaces: arguments.workspaces,
        seed: arguments.seed,
        time_scale: arguments.time_scale,
        grants_file: arguments.grants,
        base_url: Some(base_url.clone()),
        refresh_grace_s: arguments.refresh_grace,
        ..SandboxOptions::default()
    };
    let faults = arguments.faults.as_deref().map(read_faults).transpose()?.unwrap_or_default();
    let sandbox = Sandbox::new(options, Arc::new(SystemClock))?;
    for fault in faults {
        sandbox.add_fault(fault);
    }
    print_line(format!("Slack Enterprise Grid sandbox at {base_url}"))?;
    print_line(format!("  client id      {DEFAULT_CLIENT_ID}"))?;
    print_line(format!("  client secret  {DEFAULT_CLIENT_SECRET}"))?;
    print_line(format!("  Web API        {base_url}/api/METHOD"))?;
    print_line(format!("  SCIM           {base_url}/scim/v2/ and {base_url}/scim/v1/"))?;
    print_line(format!("  audit logs     {base_url}/audit/v1/logs"))?;
    let events = sandbox.clone().deliver_events(stop.clone().cancelled_owned());
    let server =
        axum::serve(listener, router(sandbox)).with_graceful_shutdown(stop.cancelled_owned());
    let (end, ()) = tokio::join!(server, events);
    Ok(end?)
}

fn read_faults(path: &Path) -> anyhow::Result<Vec<Fault>> {
    let shown = path.display();
    let text =
        std::fs::read(path).with_context(|| format!("the faults file {shown} is not readable"))?;
    serde_json::from_slice(&text).with_context(|| {
        format!("{shown} must contain an array of faults such as {EXAMPLE_FAULTS}")
    })
}

const EXAMPLE_FAULTS: &str = r#"[{"method": "users.info", "kind": "server_error", "count": 3}]"#;
