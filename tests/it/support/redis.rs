//! A private Redis server on a Unix socket.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

/// Timeout of a start, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// Programs to try; the first one that is installed is used.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// A Redis server without persistence. Dropping it sends SIGKILL.
#[derive(Debug)]
pub(crate) struct RedisServer {
    program: &'static str,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one; `None`, with a note, if it is not installed.
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let works = |program: &&str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
        };
        let Some(program) = PROGRAMS.into_iter().find(works) else {
            let mut err = std::io::stderr();
            writeln!(err, "limits: skipped: no Redis is installed; run scripts/setup.sh test")?;
            return Ok(None);
        };
        // Not $TMPDIR: a socket's path has to be short.
        let folder = tempfile::Builder::new().prefix("switchboard-redis.").tempdir_in("/tmp")?;
        let mut server = Self { program, folder, child: None };
        server.restart().await?;
        Ok(Some(server))
    }

    /// Starts it again, empty, after [`RedisServer::kill`].
    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let socket = self.socket();
        let child = Command::new(self.program)
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        self.child = Some(child);
        let deadline = Instant::now() + START_TIMEOUT;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "{} does not start", self.program);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
            std::fs::remove_file(self.socket()).context("the socket stays")?;
        }
        Ok(())
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended before.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
