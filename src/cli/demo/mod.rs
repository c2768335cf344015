//! `switchboard demo`: database, sandbox and gateway in one process, and an account that was linked
//! through the real OAuth flow, with this program in the part of the customer's browser.

mod browser;
mod data;
mod report;
mod stage;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;

use self::data::DataDir;
use self::stage::Stage;
use super::signals::stop_order;
use crate::app::{Database, Sharing};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::sandbox::{Options, Sandbox};

/// The port that is tried when none is asked for; a free one is taken when it is in use.
const USUAL_PORT: u16 = 8080;
/// How long running requests may go on after the order to stop, in seconds.
const SHUTDOWN_TIMEOUT_S: u64 = 2;

/// What to try on.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one line of JSON when ready, and nothing else
    #[arg(long)]
    json: bool,
    /// The gateway's port on 127.0.0.1; without it 8080, or a free one when that is in use
    #[arg(long)]
    port: Option<u16>,
    /// How many people and bots the sandbox has
    #[arg(long, default_value_t = 200)]
    users: usize,
    /// How many workspaces the sandbox has
    #[arg(long, default_value_t = 5)]
    workspaces: usize,
    /// How many times as fast as Slack's the rate limits refill; 1 is Slack's true pace
    #[arg(long, default_value_t = 60.0)]
    time_scale: f64,
    /// Where data is kept for the next run; without it everything is gone at the end
    #[arg(long, value_name = "DIR")]
    data_dir: Option<std::path::PathBuf>,
}

/// Runs the demo until told to stop.
pub(super) async fn run(mut config: Config, arguments: Arguments) -> anyhow::Result<()> {
    // What is printed shall stay in sight, unless somebody asked for more.
    if config.log.filter == "info" {
        "warn".clone_into(&mut config.log.filter);
    }
    config.validate_log()?;
    crate::telemetry::init(&config.log);
    let stop = stop_order()?;
    let data = DataDir::open(arguments.data_dir.as_deref())?;
    let listener = listen(arguments.port).await?;
    let provider = TcpListener::bind(("127.0.0.1", 0)).await?;
    let sandbox_url = format!("http://{}", provider.local_addr()?);
    settle(&mut config, &data, &sandbox_url, arguments.time_scale)?;
    config.validate()?;
    let sandbox = Sandbox::new(
        Options {
            users: arguments.users,
            workspaces: arguments.workspaces,
            time_scale: arguments.time_scale,
            grants_file: data.is_kept().then(|| data.grants_file()),
            base_url: Some(sandbox_url.clone()),
            ..Options::default()
        },
        Arc::new(SystemClock),
    )?;
    let open = Database::open(&config.database, data.is_kept(), Sharing::Alone);
    let mut database = tokio::select! {
        database = open => database?,
        () = stop.cancelled() => return Ok(()),
    };
    let stage = Stage { json: arguments.json, listener, provider, sandbox, sandbox_url, stop };
    let pool = database.pool.clone();
    let ran = tokio::select! {
        ran = stage.play(&config, pool) => ran,
        () = database.ended() => Err(anyhow::anyhow!("the embedded PostgreSQL ended")),
    };
    database.close().await;
    ran
}

async fn listen(port: Option<u16>) -> anyhow::Result<TcpListener> {
    let host = "127.0.0.1";
    if let Some(port) = port {
        let bound = TcpListener::bind((host, port)).await;
        return bound
            .with_context(|| format!("port {port} can't be listened at; try another --port"));
    }
    match TcpListener::bind((host, USUAL_PORT)).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind((host, 0)).await?),
    }
}

/// The settings of a demo: its own database, key and provider.
fn settle(
    config: &mut Config,
    data: &DataDir,
    sandbox_url: &str,
    time_scale: f64,
) -> anyhow::Result<()> {
    config.server.shutdown_timeout_s = SHUTDOWN_TIMEOUT_S;
    config.server.linger_s = 0.0;
    // Plain HTTP on this machine, whatever a real gateway has in its settings.
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
    // The sandbox's SCIM is on this machine, for whoever wants to connect it by its address.
    config.upstream.allow_private_addresses = true;
    sandbox_url.clone_into(&mut config.slack_enterprise.web_url);
    sandbox_url.clone_into(&mut config.slack_enterprise.api_url);
    anyhow::ensure!(
        Duration::try_from_secs_f64(60.0 / time_scale).is_ok(),
        "--time-scale must be greater than 0"
    );
    Ok(())
}
