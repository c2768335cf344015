//! The running server and the guard that ends it with us.

use std::fmt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin};
use tokio::time::timeout;

use super::account::Account;
use super::binaries::Binaries;
use super::folders::Folders;
use super::{EmbeddedError, Options, leftover};

const GUARD: &str = include_str!("guard.sh");
const FAST_MAY_TAKE: Duration = Duration::from_secs(4);
const IMMEDIATE_MAY_TAKE: Duration = Duration::from_millis(800);

/// A server that was started and that ends when this is dropped.
pub(super) struct Server {
    guard: Child,
    /// The guard stops the server when this is closed, by us or by the end of our process.
    pipe: Option<ChildStdin>,
    account: Account,
    binaries: Binaries,
}

impl Server {
    /// Starts the server; it may not answer yet.
    pub(super) fn start(
        folders: &Folders,
        account: Account,
        binaries: Binaries,
        options: &Options,
    ) -> Result<Self, EmbeddedError> {
        let log = folders.fresh_log()?;
        let copy = log.try_clone().map_err(EmbeddedError::file("open", &folders.log))?;
        let mut command = account.command("/bin/sh");
        command.args(["-c", GUARD, "guard"]).arg(binaries.postgres());
        command.arg("-D").arg(&folders.cluster);
        for (name, value) in settings(folders, options) {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        // Ctrl-C in a terminal is for us: we still need the server to end our own work well.
        command.process_group(0).stdin(Stdio::piped()).stdout(log).stderr(copy);
        let mut guard = command.spawn().map_err(|source| account.cannot_run("/bin/sh", source))?;
        let pipe = guard.stdin.take();
        Ok(Self { guard, pipe, account, binaries })
    }

    /// How the server ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.guard.try_wait().ok().flatten()
    }

    /// Waits for the end of the server without asking for it. May be dropped and called again.
    pub(super) async fn end(&mut self) -> Option<ExitStatus> {
        self.guard.wait().await.ok()
    }

    /// Stops the server: in order first, at once when that takes too long.
    pub(super) async fn stop(&mut self, folders: &Folders) {
        self.pipe = None;
        if timeout(FAST_MAY_TAKE, self.guard.wait()).await.is_ok() {
            return;
        }
        tracing::warn!("the embedded PostgreSQL server is slow to stop; stopping it at once");
        let stop = leftover::stop(folders, &self.account, &self.binaries, "immediate");
        if let Ok(Err(error)) = timeout(IMMEDIATE_MAY_TAKE, stop).await {
            tracing::warn!(%error, "the embedded PostgreSQL server could not be told to stop");
        }
        if timeout(IMMEDIATE_MAY_TAKE, self.guard.wait()).await.is_err() {
            tracing::warn!("the embedded PostgreSQL server has not stopped yet");
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("guard", &self.guard.id()).finish_non_exhaustive()
    }
}

/// What we ask of the server; everything else is PostgreSQL's default. Given at each start rather
/// than written to the cluster, so that an old cluster gets the settings of a new Switchboard.
fn settings(folders: &Folders, options: &Options) -> Vec<(&'static str, String)> {
    // A list of folders, so a name with a comma needs its quotes.
    let socket = folders.socket.display().to_string().replace('"', "\"\"");
    let mut settings = vec![
        ("listen_addresses", String::new()),
        ("port", "5432".to_owned()),
        ("unix_socket_directories", format!("\"{socket}\"")),
        ("unix_socket_permissions", "0700".to_owned()),
        ("cluster_name", folders.tag.clone()),
        ("timezone", "UTC".to_owned()),
        ("logging_collector", "off".to_owned()),
        // A failed statement is told to whoever sent it. In the log its values, which may be
        // people's names and addresses, would only be in the wrong place.
        ("log_min_messages", "log".to_owned()),
        ("log_min_error_statement", "panic".to_owned()),
        ("log_error_verbosity", "terse".to_owned()),
        ("log_checkpoints", "off".to_owned()),
    ];
    if !options.durable {
        // Not `synchronous_commit`: without fsync it costs next to nothing, and with it a crash of
        // the server loses nothing that was committed; only a crash of the machine does.
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
    fn only_throw_away_data_goes_without_fsync() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let fsync_off = |durable| {
            let options = Options { data_dir: dir.path().to_owned(), durable };
            settings(&folders, &options).contains(&("fsync", "off".to_owned()))
        };
        assert!(fsync_off(false));
        assert!(!fsync_off(true));
    }
}
