//! The running server, and the guard process that stops it with us.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

use super::binaries::Binaries;
use super::folders::DataFolders;
use super::os_user::OsUser;
use super::{EmbeddedError, EmbeddedOptions, recovery};

const GUARD_SCRIPT: &str = include_str!("guard.sh");
const FAST_STOP_TIMEOUT: Duration = Duration::from_secs(4);
const IMMEDIATE_STOP_TIMEOUT: Duration = Duration::from_millis(800);

/// A server that was started and is stopped when this is dropped.
pub(super) struct EmbeddedServer {
    guard: Child,
    /// The guard stops the server when this is closed, by us or by the end of our process.
    pipe: Option<ChildStdin>,
    os_user: OsUser,
    binaries: Binaries,
}

impl EmbeddedServer {
    /// Starts the server; it may not respond yet.
    pub(super) fn start(
        folders: &DataFolders,
        user: OsUser,
        binaries: Binaries,
        options: &EmbeddedOptions,
    ) -> Result<Self, EmbeddedError> {
        let log = folders.empty_log()?;
        let copy = log.try_clone().map_err(EmbeddedError::file("open", &folders.log))?;
        let mut command = user.command("/bin/sh");
        command.args(["-c", GUARD_SCRIPT, "guard"]).arg(binaries.postgres());
        command.arg("-D").arg(&folders.cluster);
        for (name, value) in settings(folders, options) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // Ctrl-C in a terminal is for us: we still need the server for a graceful shutdown.
        command.process_group(0).stdin(Stdio::piped()).stdout(log).stderr(copy);
        let mut guard = command.spawn().map_err(|source| user.cannot_run("/bin/sh", source))?;
        let pipe = guard.stdin.take();
        Ok(Self { guard, pipe, os_user: user, binaries })
    }

    /// Returns the exit status of the server if it has ended.
    pub(super) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.guard.try_wait().ok().flatten()
    }

    /// Waits for the end of the server without stopping it. Cancel-safe.
    pub(super) async fn wait(&mut self) -> Option<ExitStatus> {
        self.guard.wait().await.ok()
    }

    /// Stops the server: gracefully, then immediately if that takes too long.
    pub(super) async fn stop(&mut self, folders: &DataFolders) {
        self.pipe = None;
        if timeout(FAST_STOP_TIMEOUT, self.guard.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("the embedded PostgreSQL server is slow to stop; stopping it immediately");
        let stop = recovery::stop(folders, &self.os_user, &self.binaries, "immediate");
        if let Ok(Err(error)) = timeout(IMMEDIATE_STOP_TIMEOUT, stop).await {
            tracing::warn!(%error, "the embedded PostgreSQL server could not be stopped");
        }
        if timeout(IMMEDIATE_STOP_TIMEOUT, self.guard.wait()).await.is_err() {
            tracing::warn!("the embedded PostgreSQL server has not stopped yet");
        }
    }
}

impl fmt::Debug for EmbeddedServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedServer").field("guard", &self.guard.id()).finish_non_exhaustive()
    }
}

/// Returns our settings of the server; others keep PostgreSQL's defaults. They are passed at each start instead of
/// written to the cluster, so that an old cluster gets the settings of a new Switchboard.
fn settings(folders: &DataFolders, options: &EmbeddedOptions) -> Vec<(&'static str, String)> {
    // The value is a list of directories, so a name with a comma must be quoted.
    let socket = folders.socket.display().to_string().replace('"', "\"\"");
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("port", "5432".to_owned()),
        ("unix_socket_directories", format!("\"{socket}\"")),
        ("unix_socket_permissions", "0700".to_owned()),
        ("cluster_name", folders.tag.clone()),
        ("timezone", "UTC".to_owned()),
        ("logging_collector", "off".to_owned()),
        // The client gets the error of a failed statement. In the log its values, possibly personal data, would be
        // misplaced.
        ("log_min_messages", "log".to_owned()),
        ("log_min_error_statement", "panic".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
        ("log_checkpoints", "off".to_owned()),
    ];
    if !options.durable {
        // `synchronous_commit` stays on: without fsync it costs almost nothing, and a crash of the server loses no
        // committed data; only a crash of the machine does.
        for name in ["fsync", "full_page_writes"] {
            settings.push((name, "off".to_owned()));
        }
        settings.push(("wal_level", "minimal".to_owned()));
        settings.push(("max_wal_senders", "0".to_owned()));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_disposable_data_runs_without_fsync() {
        let dir = tempfile::tempdir().unwrap();
        let folders = DataFolders::open(dir.path()).unwrap();
        let fsync_off = |durable| {
            let options = EmbeddedOptions { data_dir: dir.path().to_owned(), durable };
            settings(&folders, &options).contains(&("fsync", "off".to_owned()))
        };
        assert!(fsync_off(false));
        assert!(!fsync_off(true));
    }
}
