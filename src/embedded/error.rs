//! Errors that prevent the server from running, each with its remedy.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Reason why the server does not run.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No usable server programs on this machine.
    #[error(
        "no PostgreSQL server of version 14 or newer was found ({searched}); run `scripts/setup.sh` \
         or `apt-get install postgresql`, or set `database.url` to a server of your own"
    )]
    NotInstalled {
        /// The places searched, or the version that was too old.
        searched: String,
    },
    /// The data was created by a major version that is not installed.
    #[error(
        "the data in {} was created by PostgreSQL {cluster}, but the installed version is {found}; \
         install PostgreSQL {cluster} (`apt-get install postgresql-{cluster}`) or choose another \
         data directory", folder.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// The major version that created it.
        cluster: u32,
        /// The installed major versions.
        found: String,
    },
    /// The cluster's directory exists but contains no cluster.
    #[error(
        "{} is not a PostgreSQL cluster (no readable PG_VERSION in it); move it away or choose \
         another data directory", folder.display()
    )]
    NotACluster {
        /// The folder.
        folder: PathBuf,
    },
    /// Another switchboard process uses the data directory.
    #[error(
        "{} is in use by another switchboard{holder}; stop that one or choose another data \
         directory", data_dir.display()
    )]
    InUse {
        /// The data directory.
        data_dir: PathBuf,
        /// ` (process N)`, or empty if unknown.
        holder: String,
    },
    /// We are root, and there is no unprivileged user for the server.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user `postgres` to run it; create one \
        (adduser --system --group postgres) and give it the data directory if there is one, or \
         start switchboard as an unprivileged user"
    )]
    NoUser,
    /// The server's user can't enter the data directory.
    #[error(
        "PostgreSQL runs as the user `{user}` because it refuses to run as root, and `{user}` may \
         not enter {}; choose a data directory that it can reach, such as /var/lib/switchboard",
        folder.display()
    )]
    Unreachable {
        /// The server's user.
        user: String,
        /// The first directory on the path that is closed to that user.
        folder: PathBuf,
    },
    /// The socket's directory belongs to another user.
    #[error(
        "{} belongs to another user; remove it or choose a data directory with a shorter path",
        folder.display()
    )]
    SocketFolderTaken {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or directory could not be created, read or changed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The attempted action, as a verb.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A program could not be run.
    #[error("cannot run {} as the user `{user}`", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The user.
        user: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// `initdb` failed.
    #[error("initdb could not create a cluster in {}; its output:\n{output}", folder.display())]
    Init {
        /// The directory of the cluster.
        folder: PathBuf,
        /// The end of the output of `initdb`.
        output: String,
    },
    /// A server of an earlier run does not stop.
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
    /// The server exited before it responded.
    #[error("the PostgreSQL server exited during start-up ({status}); the end of {}:\n{tail}", log.display())]
    Exited {
        /// Its exit status.
        status: ExitStatus,
        /// Path of its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server runs but does not respond.
    #[error(
        "the PostgreSQL server did not respond within {} s; the end of {}:\n{tail}",
        waited.as_secs(), log.display()
    )]
    Unresponsive {
        /// How long we waited.
        waited: Duration,
        /// Path of its log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
        /// Error of the last attempt to connect.
        #[source]
        source: Box<sqlx::Error>,
    },
    /// The server responds, but our database can't be created.
    #[error("cannot create the database `switchboard` in the embedded PostgreSQL server")]
    Database(#[source] Box<sqlx::Error>),
}

impl EmbeddedError {
    /// Returns a function for `map_err`: `action` (a verb) on `path` failed.
    pub(super) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }
}
