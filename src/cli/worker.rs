//! `switchboard worker`: works on background jobs and delivers events to webhooks, without serving requests. Works
//! beside running gateways.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::serve::public_url;
use super::signals::shutdown_signal;
use crate::app::{Database, Exclusivity, Gateway, GatewayParts};
use crate::config::{Config, LimitBackend};
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::expressions::WorkerProgram;

/// The number of jobs at the same time if the settings leave them to this command.
const DEFAULT_WORKERS: u16 = 2;
/// The number of webhooks at the same time if the settings leave them to this command.
const DEFAULT_WEBHOOK_WORKERS: u16 = 64;
/// The address in the public URL if `server.public_url` is empty: this process does not listen.
const NO_LISTENER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 80);

/// Works on jobs until a shutdown signal.
pub(super) async fn run(mut config: Config) -> anyhow::Result<()> {
    if config.sync.workers == 0 {
        config.sync.workers = DEFAULT_WORKERS;
    }
    if config.webhooks.workers == 0 {
        config.webhooks.workers = DEFAULT_WEBHOOK_WORKERS;
    }
    config.validate()?;
    crate::telemetry::init(&config.log);
    let stop = shutdown_signal()?;
    // The embedded server may belong to a gateway with the same data.
    let mut database = Database::open(&config.database, true, Exclusivity::Shared).await?;
    if config.database.embedded {
        let store = database.store();
        if !store.is_migrated().await.unwrap_or(false) {
            store.migrate().await?;
        }
    }
    let worked = work(&config, &mut database, stop).await;
    database.close().await;
    worked
}

async fn work(
    config: &Config,
    database: &mut Database,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let gateway = Gateway::build(GatewayParts {
        config,
        pool: database.pool.clone(),
        public_url: public_url(config, NO_LISTENER)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker_program: WorkerProgram::current(),
    })?;
    if config.limits.backend == LimitBackend::Local {
        tracing::warn!(
            "limits.backend is \"local\": this process and a gateway each use the provider's full \
             rates; use \"redis\" to share them"
        );
    }
    tracing::info!(workers = config.sync.workers, "working on background jobs");
    tokio::select! {
        () = gateway.work(stop.cancelled_owned()) => Ok(()),
        () = database.embedded_exited() => {
            anyhow::bail!("the embedded PostgreSQL ended; its log is in the data directory")
        }
    }
}
