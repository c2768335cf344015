//! A worker process as the gateway sees it: started with nothing but two pipes, killed when it is dropped.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::BufReader;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::Failure;

/// The argument that makes the program a worker.
pub const ARGUMENT: &str = "expression-worker";

/// How long the system may take to say how a worker ended whose pipe has ended.
const EXIT_TIMEOUT: Duration = Duration::from_secs(1);

/// The program that workers run: this one.
#[derive(Debug, Clone)]
pub struct WorkerProgram(PathBuf);

impl WorkerProgram {
    /// The program that is running, even where its file has been replaced.
    #[must_use]
    pub fn this() -> Self {
        let own = Path::new("/proc/self/exe");
        let path = if own.exists() { Ok(own.to_owned()) } else { std::env::current_exe() };
        Self(path.unwrap_or_default())
    }

    /// The program at a path, for callers that are not the program themselves.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// A worker's command line, without any variable of the environment.
    pub(super) fn command(&self, memory: u64) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(ARGUMENT).arg(memory.to_string()).env_clear();
        command
    }
}

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    child: Child,
    pub(super) to: ChildStdin,
    pub(super) from: BufReader<ChildStdout>,
    /// Whether it has evaluated nothing yet.
    pub(super) is_fresh: bool,
}

impl Worker {
    /// Starts one.
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

    /// Why a worker ended whose pipe has ended.
    pub(super) async fn end(mut self) -> Failure {
        drop(self.to);
        let status = tokio::time::timeout(EXIT_TIMEOUT, self.child.wait()).await;
        let status = status.ok().and_then(Result::ok);
        if let Some(code) = status.and_then(|status| status.code()) {
            tracing::error!(code, "a worker for expressions can't work; is /proc mounted?");
            return Failure::Busy;
        }
        let signal = status.and_then(|status| status.signal());
        Failure::limit(if signal == Some(Signal::XCPU.as_raw()) {
            "needs more processor time than one evaluation may take"
        } else {
            "needs more memory than one evaluation may take"
        })
    }
}
