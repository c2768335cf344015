//! The cluster from start to stop.

use std::fs::File;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::account::Account;
use super::binaries::{Binaries, Places};
use super::create::NAME;
use super::folders::Folders;
use super::server::Server;
use super::{EmbeddedError, Options, create, leftover};

/// How long the server may say nothing. While it says that it is recovering, we wait on.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const STARTING_UP: &str = "57P03";
const NO_SUCH_DATABASE: &str = "3D000";

/// A private PostgreSQL server that runs for as long as this value lives.
///
/// End it with [`Cluster::stop`]. Dropping it ends the server too, but nobody waits for that.
#[derive(Debug)]
pub struct Cluster {
    server: Server,
    folders: Folders,
    /// Nobody else may use the data directory meanwhile.
    _lock: File,
}

impl Cluster {
    /// Starts the server, and makes the cluster first if there is none. When this answers, the
    /// server takes connections and our database is there.
    ///
    /// # Errors
    ///
    /// When the programs are missing, the data directory is unusable or in use, or the server does
    /// not start; see [`EmbeddedError`].
    pub async fn start(options: Options) -> Result<Self, EmbeddedError> {
        Self::start_with(options, &Places::of_this_machine()).await
    }

    /// [`Cluster::start`] with the server programs from `places`.
    ///
    /// # Errors
    ///
    /// As [`Cluster::start`].
    pub async fn start_with(options: Options, places: &Places) -> Result<Self, EmbeddedError> {
        let mut folders = Folders::open(&options.data_dir)?;
        let lock = folders.lock()?;
        let made_by = create::version(&folders)?;
        let binaries = Binaries::find(places, &folders.cluster, made_by).await?;
        let account = Account::choose(&folders.cluster)?;
        folders.admit(&account).await?;
        if made_by.is_none() {
            create::cluster(&folders, &account, &binaries, &options).await?;
        }
        leftover::clear(&folders, &account, &binaries).await?;
        let server = Server::start(&folders, account, binaries, &options)?;
        let mut cluster = Self { server, folders, _lock: lock };
        match cluster.ready().await {
            Ok(()) => Ok(cluster),
            Err(error) => {
                cluster.stop().await;
                Err(error)
            }
        }
    }

    /// How to connect to our database on this server.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        connect_options(&self.folders)
    }

    /// How to connect to the server that another process runs on a data directory.
    ///
    /// # Errors
    ///
    /// When the data directory is unusable.
    pub fn running(data_dir: &Path) -> Result<PgConnectOptions, EmbeddedError> {
        Folders::open(data_dir).map(|folders| connect_options(&folders))
    }

    /// Answers when the server has ended though nobody stopped it, with its exit status if known.
    /// May be dropped and called again, as in `select!`.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        self.server.end().await
    }

    /// Stops the server: in good order within four seconds, otherwise at once.
    pub async fn stop(mut self) {
        self.server.stop(&self.folders).await;
        self.folders.tidy();
    }

    /// Waits until the server answers, and makes our database if it is missing.
    async fn ready(&mut self) -> Result<(), EmbeddedError> {
        let options = self.connect_options();
        let mut deadline = Instant::now() + PATIENCE;
        loop {
            let Err(error) = visit(&options).await else {
                return Ok(());
            };
            if let Some(status) = self.server.ended() {
                let (log, tail) = (self.folders.log.clone(), self.folders.log_tail());
                return Err(EmbeddedError::Ended { status, log, tail });
            }
            if says(&error, NO_SUCH_DATABASE) {
                create_database(&options).await?;
                continue;
            }
            if says(&error, STARTING_UP) {
                deadline = Instant::now() + PATIENCE;
            } else if Instant::now() >= deadline {
                let (log, tail) = (self.folders.log.clone(), self.folders.log_tail());
                let source = Box::new(error);
                return Err(EmbeddedError::Silent { waited: PATIENCE, log, tail, source });
            }
            sleep(POLL).await;
        }
    }
}

fn connect_options(folders: &Folders) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&folders.socket)
        .port(5432)
        .username(NAME)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable)
}

/// One connection, there and back.
async fn visit(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let connection = timeout(PATIENCE, PgConnection::connect_with(options));
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

fn says(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(code)
}
