//! A worker process, as the gateway sees it: started with two pipes and nothing else, killed when dropped.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::ExpressionError;

/// Argument that makes the program a worker.
pub const ARGUMENT: &str = "expression-worker";

/// Maximum wait for the exit status of a worker whose pipe was closed.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The program that workers run: normally this one.
#[derive(Debug, Clone)]
pub struct WorkerProgram(PathBuf);

impl WorkerProgram {
    /// Returns the running program, even if its file was replaced.
    #[must_use]
    pub fn current() -> Self {
        let own = Path::new("/proc/self/exe");
        let path = if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() };
        Self(path.unwrap_or_default())
    }

    /// Returns the program at a path, for tests.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns a worker's command line, with an empty environment.
    pub(super) fn command(&self, memory: u64) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(ARGUMENT).arg(memory.to_string()).env_clear();
        command
    }
}

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    pub(super) to: ChildStdin,
    pub(super) from: BufReader<ChildStdout>,
    /// Whether it has not evaluated anything yet.
    pub(super) is_fresh: bool,
}

impl Worker {
    /// Starts a worker.
    pub(super) fn start(program: &WorkerProgram, memory: u64) -> io::Result<Self> {
        let mut command = program.command(memory);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let from = BufReader::with_capacity(32 * 1024, from);
        Ok(Self { child, to, from, is_fresh: true })
    }

    /// Returns why a worker ended whose pipe was closed.
    pub(super) async fn exit_error(mut self) -> ExpressionError {
        drop(self.to);
        let status = tokio::time::timeout(EXIT_TIMEOUT, self.child.wait()).await;
        let status = status.ok().and_then(Result::ok);
        if let Some(code) = status.and_then(|status| status.code()) {
            tracing::error!(
                code,
                "an expression worker failed to run; check that /proc is mounted"
            );
            return ExpressionError::Busy;
        }
        let signal = status.and_then(|status| status.signal());
        ExpressionError::limit(if signal == Some(Signal::XCPU.as_raw()) {
            "CPU limit of one evaluation exceeded"
        } else {
            "memory limit of one evaluation exceeded"
        })
    }
}
