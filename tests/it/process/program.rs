//! The binary, run with its output in files.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::POLL_INTERVAL;
use super::test_dir::TestDir;

const BINARY: &str = env!("CARGO_BIN_EXE_switchboard");

/// Returns the released program, if one is named: performance is asserted for that one only.
pub(super) fn release() -> Option<OsString> {
    std::env::var_os("SWITCHBOARD_PROGRAM")
}

/// Returns a command with this binary, without the settings of the developer's environment.
pub(super) fn command(home: &TestDir) -> Command {
    command_of(home, &release().unwrap_or_else(|| BINARY.into()))
}

fn command_of(home: &TestDir, program: &OsStr) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SWITCHBOARD") {
            command.env_remove(name);
        }
    }
    command.current_dir(home.path()).env("TMPDIR", home.temporary()).stdin(Stdio::null());
    command
}

/// Result of a completed run.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// Runs a command to its end.
pub(super) async fn run<A: AsRef<OsStr>>(
    home: &TestDir,
    arguments: &[A],
) -> anyhow::Result<Finished> {
    let mut program = Program::start(home, arguments, &[])?;
    let status = program.exit(super::START_TIMEOUT).await?;
    Ok(Finished { code: status.code(), stdout: program.stdout()?, stderr: program.stderr()? })
}

/// The running binary. Dropping it sends SIGKILL.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Program {
    /// Starts it.
    pub(super) fn start<A: AsRef<OsStr>>(
        home: &TestDir,
        arguments: &[A],
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        Self::spawn(home, command(home).args(arguments), variables)
    }

    /// Starts it with an address space of so many KiB: allocations beyond that fail.
    pub(super) fn start_limited<A: AsRef<OsStr>>(
        home: &TestDir,
        arguments: &[A],
        address_space_kib: u64,
    ) -> anyhow::Result<Self> {
        let limited = command(home);
        let mut shell = command_of(home, "/bin/sh".as_ref());
        shell.args(["-c", "ulimit -v \"$1\" && shift && exec \"$@\"", "sh"]);
        shell.arg(address_space_kib.to_string()).arg(limited.get_program()).args(arguments);
        Self::spawn(home, &mut shell, &[])
    }

    /// Starts it in a terminal, whose contents are its standard output.
    pub(super) fn start_in_terminal(home: &TestDir, arguments: &[&str]) -> anyhow::Result<Self> {
        let program = command(home).get_program().to_string_lossy().into_owned();
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let words = std::iter::once(program.as_str()).chain(arguments.iter().copied());
        let line = words.map(quoted).collect::<Vec<_>>().join(" ");
        let mut terminal = command_of(home, "script".as_ref());
        terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        terminal.env_remove("NO_COLOR");
        Self::spawn(home, &mut terminal, &[("TERM", "xterm-256color"), ("SHELL", "/bin/sh")])
    }

    fn spawn(
        home: &TestDir,
        command: &mut Command,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("output-").tempdir_in(home.path())?.keep();
        let (out, err) = (folder.join("out"), folder.join("err"));
        let child = command
            .envs(variables.iter().copied())
            .stdout(File::create(&out)?)
            .stderr(File::create(&err)?)
            .spawn()
            .context(BINARY)?;
        Ok(Self { child, out, err })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns its standard output so far.
    pub(super) fn stdout(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.out)?)
    }

    /// Returns its standard error so far.
    pub(super) fn stderr(&self) -> anyhow::Result<String> {
        Ok(fs::read_to_string(&self.err)?)
    }

    /// Waits until `wanted` returns a value for standard output and standard error.
    pub(super) async fn wait_for_output<T>(
        &mut self,
        wanted: impl Fn(&str, &str) -> Option<T>,
        within: Duration,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + within;
        loop {
            let ended = self.child.try_wait()?;
            let (out, err) = (self.stdout()?, self.stderr()?);
            if let Some(found) = wanted(&out, &err) {
                return Ok(found);
            }
            if let Some(status) = ended {
                bail!("it ended early, {status}:\n{out}\n{err}");
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "no such output in {within:?}:\n{out}\n{err}"
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits for its end.
    pub(super) async fn exit(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            anyhow::ensure!(
                Instant::now() < deadline,
                "still running after {within:?}: {}",
                self.stderr()?
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Stops it gracefully and waits for its end.
    pub(super) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        signal(self.pid(), "TERM")?;
        self.exit(super::STOP_TIMEOUT).await
    }

    /// Kills it.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The standard library rejects a signal to a child that was waited for.
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// Sends a signal to one process.
pub(super) fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let sent = Command::new("/bin/kill").arg(format!("-{name}")).arg(pid.to_string()).status()?;
    anyhow::ensure!(sent.success(), "no process {pid} to send {name} to");
    Ok(())
}
