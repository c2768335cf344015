//! The program as a process of its own, with its log in a file. Dropping it is `kill -9`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// The variable that names the program to measure, as it was released.
const NAMED: &str = "SWITCHBOARD_PROGRAM";
/// What is measured when none is named.
const BUILT: &str = env!("CARGO_BIN_EXE_switchboard");
/// How long a start may take before it counts as failed.
const START: Duration = Duration::from_mins(1);
/// How often is looked whether it has come.
const GLANCE: Duration = Duration::from_millis(1);

/// A process of the program that listens.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
    port: u16,
}

impl Program {
    /// Starts it in a folder. It is told to listen at `port`.
    pub(crate) fn start(folder: &Path, port: u16, arguments: &[&str]) -> anyhow::Result<Self> {
        let log = folder.join(format!("{port}.log"));
        let binary = binary();
        let mut command = Command::new(&binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SWITCHBOARD") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| binary.to_string_lossy().into_owned())?;
        Ok(Self { child, log, port })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits until it answers a path with 200.
    pub(crate) fn ready(&mut self, path: &str) -> anyhow::Result<()> {
        let until = Instant::now() + START;
        while !is_answered(self.port, path) {
            let has_ended = self.child.try_wait()?.is_some();
            if has_ended || Instant::now() > until {
                anyhow::bail!("it is not ready: {}", std::fs::read_to_string(&self.log)?);
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // What it leaves in the database or in memory goes with the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> OsString {
    std::env::var_os(NAMED).unwrap_or_else(|| BUILT.into())
}

/// Whether a program is named; the other one is built for the measurement, and slower.
pub(crate) fn is_named() -> bool {
    std::env::var_os(NAMED).is_some()
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn is_answered(port: u16, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer)
    };
    ask().is_ok_and(|answer| answer == *b"HTTP/1.1 200")
}
