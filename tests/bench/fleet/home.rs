//! What gateways share: a migrated database, which this process runs, and their settings.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use sqlx::{ConnectOptions as _, PgPool};
use switchboard::app::{Database, Sharing, create_api_key, environment};
use switchboard::config::Config;
use switchboard::domain::access::Scope;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::EnvironmentId;
use switchboard::store::Store;
use switchboard::vault::{KeyIssuer, MasterKeys, Vault};
use zeroize::Zeroizing;

use super::program::{Program, free_port};

const MASTER_KEY: [u8; 32] = [7; 32];

/// A database and settings.
#[derive(Debug)]
pub(crate) struct Home {
    database: Database,
    settings: PathBuf,
    folder: tempfile::TempDir,
}

impl Home {
    /// One whose provider is at `provider`, with these lines of `[limits]`.
    pub(crate) async fn new(provider: &str, limits: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = Config::load(None)?.database;
        config.embedded = true;
        config.data_dir = folder.path().join("data");
        let database = Database::open(&config, false, Sharing::Alone).await?;
        Store::new(database.pool.clone()).migrate().await?;
        let url = database.pool.connect_options().to_url_lossy();
        let key = base64::engine::general_purpose::STANDARD.encode(MASTER_KEY);
        let text = format!(
            "[database]\nurl = '{url}'\nmax_connections = 10\n\n[vault]\nkeys = 'bench:{key}'\n\n\
             [log]\nfilter = \"warn\"\n\n[limits]\n{limits}\n\n\
             [slack_enterprise]\nweb_url = '{provider}'\napi_url = '{provider}'\n"
        );
        let settings = folder.path().join("switchboard.toml");
        std::fs::write(&settings, text)?;
        Ok(Self { database, settings, folder })
    }

    /// Its database.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// The settings of its gateways.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(Some(&self.settings))?)
    }

    /// The environment that all is in.
    pub(crate) async fn environment(&self) -> anyhow::Result<EnvironmentId> {
        let store = Store::new(self.pool().clone());
        Ok(environment(&store, "bench", &SystemClock, &SystemEntropy).await?)
    }

    /// Starts a gateway.
    pub(crate) fn serve(&self) -> anyhow::Result<Program> {
        let port = free_port()?;
        let settings = self.settings.to_str().context("an odd temporary folder")?;
        let listen = format!("127.0.0.1:{port}");
        let arguments = ["serve", "--config", settings, "--listen", &listen];
        Program::start(self.folder.path(), port, &arguments)
    }

    /// A new key that may do everything.
    pub(crate) async fn key(&self) -> anyhow::Result<String> {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let store = Store::new(self.pool().clone());
        let id = self.environment().await?;
        let issuer =
            KeyIssuer::derive(&self.config()?.vault.master_keys().map_err(anyhow::Error::msg)?);
        let key = create_api_key(&store, id, "bench", Scope::ALL, &issuer, clock, entropy).await?;
        Ok(key.secret.reveal().to_owned())
    }

    /// Stops the database. Gateways end before.
    pub(crate) async fn close(self) {
        self.database.close().await;
    }
}

/// What seals tokens as gateways of a home do.
pub(super) fn vault() -> anyhow::Result<Vault> {
    let keys = vec![("bench".to_owned(), Zeroizing::new(MASTER_KEY))];
    Ok(Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy)))
}
