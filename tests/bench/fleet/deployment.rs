//! The state that gateways share: a migrated database, which this process runs, and their settings.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, PgPool};
use switchboard::app::{Database, Exclusivity, create_api_key, find_or_create_environment};
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
pub(crate) struct Deployment {
    database: Database,
    settings: PathBuf,
    folder: tempfile::TempDir,
}

impl Deployment {
    /// Creates one for the provider at `provider`, with these lines of `[limits]`.
    pub(crate) async fn new(provider: &str, limits: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = Config::load(None)?.database;
        config.embedded = true;
        config.data_dir = folder.path().join("data");
        let database = Database::open(&config, false, Exclusivity::Exclusive).await?;
        Store::new(database.pool.clone()).migrate().await?;
        let url = database.pool.connect_options().to_url_lossy();
        let key = base64::engine::general_purpose::STANDARD.encode(MASTER_KEY);
        let text = format!(
            "[database]\nurl = '{url}'\nmax_connections = 10\n\n[vault]\nkeys = 'bench:{key}'\n\n\
             [log]\nfilter = \"warn\"\n\n[webhooks]\nallow_private_addresses = true\n\n\
             [upstream]\nallow_private_addresses = true\n\n\
             [limits]\n{limits}\n\n\
             [slack_enterprise]\nweb_url = '{provider}'\napi_url = '{provider}'\n"
        );
        let settings = folder.path().join("switchboard.toml");
        std::fs::write(&settings, text)?;
        Ok(Self { database, settings, folder })
    }

    /// Returns the database.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.database.pool
    }

    /// Opens a connection that has no timeouts.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = self.pool().connect_options();
        Ok(PgConnection::connect_with(&options).await?)
    }

    /// Returns the settings of its gateways.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::load(Some(&self.settings))?)
    }

    /// Returns the environment that all accounts belong to.
    pub(crate) async fn environment(&self) -> anyhow::Result<EnvironmentId> {
        let store = Store::new(self.pool().clone());
        Ok(find_or_create_environment(&store, "bench", &SystemClock, &SystemEntropy).await?)
    }

    /// Starts a gateway.
    pub(crate) fn serve(&self) -> anyhow::Result<Program> {
        let port = free_port()?;
        let settings = self.settings.to_str().context("a temporary folder that is not UTF-8")?;
        let listen = format!("127.0.0.1:{port}");
        let arguments = ["serve", "--config", settings, "--listen", &listen];
        Program::start(self.folder.path(), port, &arguments)
    }

    /// Creates an API key with all scopes.
    pub(crate) async fn key(&self) -> anyhow::Result<String> {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let store = Store::new(self.pool().clone());
        let id = self.environment().await?;
        let issuer =
            KeyIssuer::derive(&self.config()?.vault.master_keys().map_err(anyhow::Error::msg)?);
        let key = create_api_key(&store, id, "bench", Scope::ALL, &issuer, clock, entropy).await?;
        Ok(key.secret.reveal().to_owned())
    }

    /// Stops the database. The gateways have to end before.
    pub(crate) async fn close(self) {
        self.database.close().await;
    }
}

/// Returns the vault that encrypts as the gateways do.
pub(super) fn vault() -> anyhow::Result<Vault> {
    let keys = vec![("bench".to_owned(), Zeroizing::new(MASTER_KEY))];
    Ok(Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy)))
}
