//! `[server]`: the HTTP server.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;

/// The HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it listens: address and port.
    pub listen: String,
    /// The address others reach it at; empty for the listening address.
    pub public_url: String,
    /// The largest body of our own API, in bytes.
    pub max_body_bytes: usize,
    /// How long running requests may go on after the order to stop, in seconds.
    pub shutdown_timeout_s: u64,
}

impl Server {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if self.listen.parse::<SocketAddr>().is_err() {
            mistakes.push(format!(
                "server.listen: {:?} is no address; write one like 127.0.0.1:8080",
                self.listen
            ));
        }
        if !self.public_url.is_empty() {
            super::check_base_url("server.public_url", &self.public_url, mistakes);
        }
    }

    /// How long running requests may go on after the order to stop.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_s)
    }
}
