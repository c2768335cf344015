//! `switchboard serve`: the gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use url::Url;

use super::files;
use super::signals::stop_order;
use crate::app::{Database, Gateway, Parts, Sharing};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::expressions::WorkerProgram;

/// How to serve.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen, such as 127.0.0.1:8080; overrides server.listen
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Serves until told to stop.
pub(super) async fn run(mut config: Config, arguments: Arguments) -> anyhow::Result<()> {
    if let Some(listen) = arguments.listen {
        config.server.listen = listen;
    }
    config.validate()?;
    crate::telemetry::init(&config.log);
    files::raise();
    let stop = stop_order()?;
    let mut database = Database::open(&config.database, true, Sharing::Alone).await?;
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
        .with_context(|| format!("{listen} can't be listened at"))?;
    let public_url = public_url(config, listener.local_addr()?)?;
    tracing::info!(%public_url, "serving");
    let gateway = Gateway::build(Parts {
        config,
        pool: database.pool.clone(),
        public_url,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker_program: WorkerProgram::this(),
    })?;
    tokio::select! {
        served = gateway.serve(listener, stop.cancelled_owned()) => served,
        () = database.ended() => anyhow::bail!("the embedded PostgreSQL ended; its log is in the data directory"),
    }
}

/// The address that others reach us at: the configured one, else the one we listen at.
pub(super) fn public_url(config: &Config, listening: SocketAddr) -> anyhow::Result<Url> {
    let text = match config.server.public_url.trim_end_matches('/') {
        "" => format!("http://{listening}/"),
        configured => format!("{configured}/"),
    };
    Url::parse(&text).context("server.public_url is no address")
}
