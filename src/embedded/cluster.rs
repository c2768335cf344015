//! Life cycle of the cluster, from start to stop.

use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::binaries::{Binaries, SearchPaths};
use super::create::DATABASE_NAME;
use super::folders::DataFolders;
use super::os_user::OsUser;
use super::server::EmbeddedServer;
use super::{EmbeddedError, EmbeddedOptions, create, recovery};

/// Maximum time without a response at start-up. It restarts while the server reports that it is recovering.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const STARTING_UP: &str = "57P03";
const NO_SUCH_DATABASE: &str = "3D000";

/// A private PostgreSQL server that runs as long as this value exists.
///
/// Stop it with [`Cluster::stop`]. Dropping it ends the server too, but without waiting for that.
#[derive(Debug)]
pub struct Cluster {
    server: EmbeddedServer,
    folders: DataFolders,
    /// Excludes other processes from the data directory.
    _lock: File,
}

impl Cluster {
    /// Starts the server and creates the cluster if there is none. Afterwards the server accepts connections and our
    /// database exists.
    ///
    /// # Errors
    ///
    /// When the programs are missing, the data directory is unusable or in use, or the server does
    /// not start; see [`EmbeddedError`].
    pub async fn start(options: EmbeddedOptions) -> Result<Self, EmbeddedError> {
        Self::start_with(options, &SearchPaths::of_system()).await
    }

    /// Starts the server as [`Cluster::start`] does, with server programs from `places`.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`].
    pub async fn start_with(
        options: EmbeddedOptions,
        places: &SearchPaths,
    ) -> Result<Self, EmbeddedError> {
        let mut folders = DataFolders::open(&options.data_dir)?;
        let lock = folders.lock()?;
        let version = create::version(&folders)?;
        let binaries = Binaries::find(places, &folders.cluster, version).await?;
        let user = OsUser::choose(&folders.cluster)?;
        folders.grant_access(&user).await?;
        if version.is_none() {
            create::cluster(&folders, &user, &binaries, &options).await?;
        }
        recovery::recover(&folders, &user, &binaries).await?;
        let server = EmbeddedServer::start(&folders, user, binaries, &options)?;
        let mut cluster = Self { server, folders, _lock: lock };
        match cluster.ready().await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop().await;
                Err(error)
            }
        }
    }

    /// Returns the options to connect to our database on this server.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.folders)
    }

    /// Returns the options to connect to the server that another process runs on a data directory.
    ///
    /// # Errors
    ///
    /// When the data directory is unusable.
    pub fn running(data_dir: &Path) -> Result<PgConnectOptions, EmbeddedError> {
        DataFolders::open(data_dir).map(|folders| connect_options(&folders))
    }

    /// Waits until the server ends without being stopped; returns its exit status if known. Cancel-safe.
    pub async fn wait_for_exit(&mut self) -> Option<ExitStatus> {
        self.server.wait().await
    }

    /// Stops the server: gracefully within four seconds, otherwise immediately.
    pub async fn stop(mut self) {
        self.server.stop(&self.folders).await;
        self.folders.remove_socket_folder();
    }

    /// Waits until the server responds, and creates our database if it is missing.
    async fn ready(&mut self) -> Result<(), EmbeddedError> {
        let options = self.connect_options();
        let mut deadline = Instant::now() + STARTUP_TIMEOUT;
        loop {
            let Err(error) = connect_once(&options).await else {
                return Ok(());
            };
            if let Some(status) = self.server.exit_status() {
                let (log, tail) = (self.folders.log.clone(), self.folders.log_tail());
                return Err(EmbeddedError::Exited { status, log, tail });
            }
            if has_code(&error, NO_SUCH_DATABASE) {
                create_database(&options).await?;
                continue;
            }
            if has_code(&error, STARTING_UP) {
                deadline = Instant::now() + STARTUP_TIMEOUT;
            } else if Instant::now() >= deadline {
                let (log, tail) = (self.folders.log.clone(), self.folders.log_tail());
                let source = Box::new(error);
                return Err(EmbeddedError::Unresponsive {
                    waited: STARTUP_TIMEOUT,
                    log,
                    tail,
                    source,
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }
}

fn connect_options(folders: &DataFolders) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&folders.socket)
        .port(5432)
        .username(DATABASE_NAME)
        .database(DATABASE_NAME)
        .ssl_mode(PgSslMode::Disable)
}

/// Opens and closes one connection.
async fn connect_once(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connection = timeout(STARTUP_TIMEOUT, PgConnection::connect_with(options));
    connection.await.map_err(|_| sqlx::Error::PoolTimedOut)??.close().await
}

async fn create_database(options: &PgConnectOptions) -> Result<(), EmbeddedError> {
    let create = async {
        let mut connection =
            PgConnection::connect_with(&options.clone().database("postgres")).await?;
        sqlx::raw_sql("CREATE DATABASE switchboard").execute(&mut connection).await?;
        connection.close().await
    };
    create.await.map_err(|error| EmbeddedError::Database(Box::new(error)))
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(code)
}
