//! `switchboard demo`: runs database, sandbox and gateway in one process, with an account linked through the OAuth flow
//! by a scripted browser.

mod activity;
mod browser;
mod data;
mod provider_app;
mod report;
mod run;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use self::data::DataDir;
use self::run::Demo;
use super::signals::shutdown_signal;
use crate::app::{Database, Exclusivity};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::sandbox::{Sandbox, SandboxOptions};

/// The default port; a free one is used if it is taken.
const DEFAULT_PORT: u16 = 8080;
/// Seconds for requests in flight after a shutdown signal.
const SHUTDOWN_TIMEOUT_S: u64 = 2;

/// The arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArguments {
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    json: bool,
    /// Port of the gateway on 127.0.0.1 (default: 8080, or a free one if it is taken)
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Number of users and bots of the sandbox
    #[arg(long, value_name = "COUNT", default_value_t = 200)]
    users: usize,
    /// Number of workspaces of the sandbox
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    workspaces: usize,
    /// Speed of rate limits relative to Slack's
    #[arg(long, value_name = "FACTOR", default_value_t = 60.0)]
    time_scale: f64,
    /// Directory that stores data between runs (default: temporary)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<std::path::PathBuf>,
    /// Leave the organization as it is: without changes, a plan and a held run to look at
    #[arg(long)]
    no_activity: bool,
}

/// Runs the demo until a shutdown signal.
pub(super) async fn run(mut config: Config, arguments: DemoArguments) -> anyhow::Result<()> {
    // Fewer logs by default, so that the printed information stays visible.
    if config.log.filter == "info" {
        "warn".clone_into(&mut config.log.filter);
    }
    config.validate_log()?;
    crate::telemetry::init(&config.log);
    let stop = shutdown_signal()?;
    let data = DataDir::open(arguments.data_dir.as_deref())?;
    let listener = listen(arguments.port).await?;
    let provider = TcpListener::bind(("127.0.0.1", 0)).await?;
    let sandbox_url = format!("http://{}", provider.local_addr()?);
    override_settings(&mut config, &data, &sandbox_url, arguments.time_scale)?;
    config.validate()?;
    let sandbox = Sandbox::new(
        SandboxOptions {
            users: arguments.users,
            workspaces: arguments.workspaces,
            time_scale: arguments.time_scale,
            grants_file: data.is_permanent().then(|| data.grants_file()),
            base_url: Some(sandbox_url.clone()),
            ..SandboxOptions::default()
        },
        Arc::new(SystemClock),
    )?;
    let open = Database::open(&config.database, data.is_permanent(), Exclusivity::Exclusive);
    let mut database = tokio::select! {
        database = open => database?,
        () = stop.cancelled() => return Ok(()),
    };
    let (json, has_activity) = (arguments.json, !arguments.no_activity);
    let stage = Demo { json, has_activity, listener, provider, sandbox, sandbox_url, stop };
    let pool = database.pool.clone();
    let ran = tokio::select! {
        ran = stage.run(&config, pool) => ran,
        () = database.embedded_exited() => Err(anyhow::anyhow!("the embedded PostgreSQL ended")),
    };
    database.close().await;
    ran
}

async fn listen(port: Option<u16>) -> anyhow::Result<TcpListener> {
    let host = "127.0.0.1";
    if let Some(port) = port {
        let bound = TcpListener::bind((host, port)).await;
        return bound.with_context(|| format!("port {port} is not available; try another --port"));
    }
    match TcpListener::bind((host, DEFAULT_PORT)).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind((host, 0)).await?),
    }
}

/// Overrides the settings for a demo: its own database, key and provider.
fn override_settings(
    config: &mut Config,
    data: &DataDir,
    sandbox_url: &str,
    time_scale: f64,
) -> anyhow::Result<()> {
    config.server.shutdown_timeout_s = SHUTDOWN_TIMEOUT_S;
    config.server.linger_s = 0.0;
    // Plain HTTP on this machine, whatever the settings are.
    config.server.public_url.clear();
    config.server.tls_cert_file.clear();
    config.server.tls_key_file.clear();
    config.database.url.clear();
    config.database.url_file.clear();
    config.database.embedded = true;
    data.path().clone_into(&mut config.database.data_dir);
    config.vault.keys.clear();
    config.vault.keys_file = data.master_key_file()?;
    config.limits.time_scale = time_scale;
    config.sync.workers = config.sync.workers.max(1);
    config.webhooks.workers = config.webhooks.workers.max(1);
    config.webhooks.workers = config.webhooks.workers.max(1);
    // The sandbox's SCIM API is on this machine and can be linked by its URL.
    config.upstream.allow_private_addresses = true;
    // A developer receives webhooks on this machine.
    config.webhooks.allow_private_addresses = true;
    sandbox_url.clone_into(&mut config.slack_enterprise.web_url);
    sandbox_url.clone_into(&mut config.slack_enterprise.api_url);
    anyhow::ensure!(
        Duration::try_from_secs_f64(60.0 / time_scale).is_ok(),
        "--time-scale must be greater than 0"
    );
    Ok(())
}
