//! A Redis server without persistence on loopback; it ends with its owner.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::program::free_port;

/// Programs to try; the first one that is installed is used.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// A running Redis server.
#[derive(Debug)]
pub(crate) struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    /// Starts one.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let port = free_port()?;
        let start = |program| {
            Command::new(program)
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
                .arg(port.to_string())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
        };
        let started = PROGRAMS.into_iter().find_map(|program| start(program).ok());
        let process = started.context("no Redis can be run; scripts/setup.sh bench installs it")?;
        let redis = Self { process, port };
        let until = Instant::now() + Duration::from_secs(15);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            anyhow::ensure!(Instant::now() < until, "Redis does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It has no data to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
