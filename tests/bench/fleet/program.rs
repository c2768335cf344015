//! The program in a process of its own, with its log in a file. Dropping it sends SIGKILL.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Environment variable with the path of the program to measure.
const PROGRAM_VARIABLE: &str = "SWITCHBOARD_PROGRAM";
/// The program to measure if the variable is not set.
const DEFAULT_PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard");
/// Timeout of a start.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// Interval of the checks whether it has started.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// A process of the program that listens on a port.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
    port: u16,
}

impl Program {
    /// Starts it in a folder, listening on `port`.
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

    /// Waits until a path returns 200.
    pub(crate) fn ready(&mut self, path: &str) -> anyhow::Result<()> {
        let until = Instant::now() + START_TIMEOUT;
        while !responds(self.port, path) {
            let has_ended = self.child.try_wait()?.is_some();
            if has_ended || Instant::now() > until {
                anyhow::bail!("it is not ready: {}", std::fs::read_to_string(&self.log)?);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The database and the shared memory are deleted with the measurement.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> OsString {
    std::env::var_os(PROGRAM_VARIABLE).unwrap_or_else(|| DEFAULT_PROGRAM.into())
}

/// Returns whether a program is named. If not, the slower build of this measurement is used.
pub(crate) fn is_named() -> bool {
    std::env::var_os(PROGRAM_VARIABLE).is_some()
}

/// Returns a free port.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn responds(port: u16, path: &str) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut response = [0; 12];
        stream.read_exact(&mut response)?;
        std::io::Result::Ok(response)
    };
    ask().is_ok_and(|response| response == *b"HTTP/1.1 200")
}
