//! What can keep the server from running, said in plain words with what to do about it.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No usable server programs on this machine.
    #[error(
        "no PostgreSQL server of version 14 or newer was found ({searched}); run `scripts/setup.sh` \
         or `apt-get install postgresql`, or set `database.url` to a server of your own"
    )]
    NotInstalled {
        /// Where we looked, and what was too old.
        searched: String,
    },
    /// The data was written by another major version than the installed ones.
    #[error(
        "the data in {} was made by PostgreSQL {cluster}, but the installed version is {found}; \
         install PostgreSQL {cluster} (`apt-get install postgresql-{cluster}`) or choose another \
         data directory", folder.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// The major version that made it.
        cluster: u32,
        /// The installed major versions.
        found: String,
    },
    /// The cluster's folder is there but holds no cluster.
    #[error(
        "{} is not a PostgreSQL cluster (no readable PG_VERSION in it); move it away or choose \
         another data directory", folder.display()
    )]
    NotACluster {
        /// The folder.
        folder: PathBuf,
    },
    /// Another program of ours uses the data directory.
    #[error(
        "{} is in use by another switchboard{holder}; stop that one or choose another data \
         directory", data_dir.display()
    )]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
        /// ` (process N)`, or nothing when unknown.
        holder: String,
    },
    /// We are root, and there is no user of its own for the server.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user `postgres` to run it; make one \
         (adduser --system --group postgres) and give it the data directory if there is one, or \
         start switchboard as an ordinary user"
    )]
    NoAccount,
    /// The server's user can't get to the data directory.
    #[error(
        "PostgreSQL runs as the user `{user}` because it refuses to run as root, and `{user}` may \
         not enter {}; choose a data directory that it can reach, such as /var/lib/switchboard",
        folder.display()
    )]
    Unreachable {
        /// Who runs the server.
        user: String,
        /// The first folder on the way that is closed to them.
        folder: PathBuf,
    },
    /// Somebody else's folder is where the socket has to be.
    #[error(
        "{} belongs to somebody else; remove it or choose a data directory with a shorter path",
        folder.display()
    )]
    SocketFolderTaken {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder could not be made, read or changed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {} as the user `{user}`", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// As whom.
        user: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("initdb could not make a cluster in {}; it said:\n{output}", folder.display())]
    Init {
        /// Where the cluster was to be.
        folder: PathBuf,
        /// The end of what `initdb` said.
        output: String,
    },
    /// A server of an earlier run refuses to go.
    #[error(
        "an earlier PostgreSQL server still runs on {} (processes {processes}) and did not stop; \
         stop it and start again", folder.display()
    )]
    StillRunning {
        /// The cluster's folder.
        folder: PathBuf,
        /// The process ids.
        processes: String,
    },
    /// The server ended before it answered.
    #[error("the PostgreSQL server ended while starting ({status}); the end of {}:\n{tail}", log.display())]
    Ended {
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server runs but does not answer.
    #[error(
        "the PostgreSQL server did not answer within {} s; the end of {}:\n{tail}",
        waited.as_secs(), log.display()
    )]
    Silent {
        /// How long we waited.
        waited: Duration,
        /// Its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
        /// What the last attempt to connect met.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// The server answers, but our database can't be made.
    #[error("cannot create the database `switchboard` in the embedded PostgreSQL server")]
    Database(#[source] Box<sqlx::Error>),
}

impl EmbeddedError {
    /// For `map_err`: `action` (a verb) on `path` failed.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
