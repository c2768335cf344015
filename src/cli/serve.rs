//! `switchboard serve`: runs the gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use url::Url;

use super::rlimit;
use super::signals::shutdown_signal;
use crate::app::{Database, Exclusivity, Gateway, GatewayParts};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::expressions::WorkerProgram;

/// The arguments of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Address and port to listen on, such as 127.0.0.1:8080; overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Leave background jobs and webhooks to `switchboard worker`: sync.workers and webhooks.workers are 0
    #[arg(long)]
    no_workers: bool,
}

/// Runs the gateway until a shutdown signal.
pub(super) async fn run(mut config: Config, arguments: ServeArguments) -> anyhow::Result<()> {
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    if arguments.no_workers {
        config.sync.workers = 0;
        config.webhooks.workers = 0;
    }
    config.validate()?;
    crate::telemetry::init(&config.log);
    rlimit::raise_nofile_limit();
    let stop = shutdown_signal()?;
    let mut database = Database::open(&config.database, true, Exclusivity::Exclusive).await?;
    if config.database.embedded {
        database.store().migrate().await?;
    }
    let served = serve(&config, &mut database, stop).await;
    database.close().await;
    served
}

async fn serve(
    config: &Config,
    database: &mut Database,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let listen = &config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{listen} is not available to listen on"))?;
    let public_url = public_url(config, listener.local_addr()?)?;
    tracing::info!(%public_url, "serving");
    let gateway = Gateway::build(GatewayParts {
        config,
        pool: database.pool.clone(),
        public_url,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker_program: WorkerProgram::current(),
    })?;
    tokio::select! {
        served = gateway.serve(listener, stop.cancelled_owned()) => served,
        () = database.embedded_exited() => anyhow::bail!("the embedded PostgreSQL ended; its log is in the data directory"),
    }
}

/// Returns the public base URL: the configured one, else that of the listening address.
pub(super) fn public_url(config: &Config, listening: SocketAddr) -> anyhow::Result<Url> {
    let text = match config.server.public_url.trim_end_matches('/') {
        "" => format!("http://{listening}/"),
        configured => format!("{configured}/"),
    };
    Url::parse(&text).context("server.public_url is not a URL")
}
