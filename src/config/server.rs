//! `[server]`: the HTTP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::networks::Networks;

/// The HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where it listens: address and port.
    pub listen: String,
    /// Where `/metrics` is served, address and port; empty for the same listener as everything else.
    pub metrics_listen: String,
    /// The address others reach it at; empty for the listening address.
    pub public_url: String,
    /// The proxies in front of it, comma-separated: addresses and networks.
    pub trusted_proxies: String,
    /// How often a minute an address may come with a key that is none; 0 for without end.
    pub failed_auth_per_minute: u32,
    /// The largest body of our own API, in bytes.
    pub max_body_bytes: usize,
    /// The most bytes of bodies and responses that are held as a whole at the same time; further requests are refused.
    pub max_bytes_in_flight: usize,
    /// The same for one environment.
    pub max_environment_bytes_in_flight: usize,
    /// Threads that move bytes between callers and providers; 0 for one per processor.
    pub threads: usize,
    /// Whether each of them stays on one processor, where there is one for each.
    pub pin_threads: bool,
    /// The most connections at once.
    pub max_connections: usize,
    /// The most requests at once; further ones are sent away.
    pub max_requests: usize,
    /// How long a caller may take to send the head of a request, and stay without sending one, in
    /// seconds.
    pub header_timeout_s: f64,
    /// How long a caller may take to send the body of a request that is read as a whole, in seconds.
    pub body_timeout_s: f64,
    /// How long a caller may take for 16 KiB of a response, in seconds.
    pub write_timeout_s: f64,
    /// The largest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// The certificates of the server in PEM, its own first; empty for no TLS.
    pub tls_cert_file: PathBuf,
    /// The key of the first certificate in PEM.
    pub tls_key_file: PathBuf,
    /// How long connections without a request stay open after the order to stop, in seconds.
    pub linger_s: f64,
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
        let metrics = &self.metrics_listen;
        if !metrics.is_empty() && metrics.parse::<SocketAddr>().is_err() {
            mistakes.push(format!(
                "server.metrics_listen: {metrics:?} is no address; write one like 127.0.0.1:9090"
            ));
        } else if *metrics == self.listen && !metrics.ends_with(":0") {
            mistakes.push(
                "server.metrics_listen: is server.listen; leave it empty to serve both there"
                    .to_owned(),
            );
        }
        for (key, seconds) in [
            ("header_timeout_s", self.header_timeout_s),
            ("body_timeout_s", self.body_timeout_s),
            ("write_timeout_s", self.write_timeout_s),
        ] {
            if !(0.01..=3600.0).contains(&seconds) {
                mistakes.push(format!("server.{key}: must be between 0.01 and 3600"));
            }
        }
        if !(0.0..=60.0).contains(&self.linger_s) {
            mistakes.push("server.linger_s: must be between 0 and 60".to_owned());
        }
        for (key, number, least) in [
            ("max_connections", self.max_connections, 1),
            ("max_requests", self.max_requests, 1),
            ("max_header_bytes", self.max_header_bytes, 8192),
            ("max_bytes_in_flight", self.max_bytes_in_flight, 1_048_576),
            ("max_environment_bytes_in_flight", self.max_environment_bytes_in_flight, 1_048_576),
        ] {
            if number < least {
                mistakes.push(format!("server.{key}: must be {least} at least"));
            }
        }
        if self.tls_cert_file.as_os_str().is_empty() != self.tls_key_file.as_os_str().is_empty() {
            mistakes.push(
                "server.tls_cert_file and server.tls_key_file: TLS needs both; leave both empty for \
                 none"
                    .to_owned(),
            );
        }
        if !self.public_url.is_empty() {
            super::check_base_url("server.public_url", &self.public_url, mistakes);
        }
        mistakes.extend(self.proxies().err());
    }

    /// The proxies whose word counts about where a caller is.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix.
    pub fn proxies(&self) -> Result<Networks, String> {
        let texts: Vec<&str> = self
            .trusted_proxies
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        if texts.is_empty() {
            return Ok(Networks::default());
        }
        Networks::new(&texts).map_err(|error| format!("server.trusted_proxies: {error}"))
    }

    /// How long a caller may take to send the head of a request.
    #[must_use]
    pub fn header_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.header_timeout_s).unwrap_or_default()
    }

    /// How many bodies are read at a time before it is known who sends them: a part of all requests, so that callers
    /// without a key leave places to those with one.
    #[must_use]
    pub fn unproven_bodies(&self) -> usize {
        (self.max_requests / 8).clamp(1, 128)
    }

    /// How long a caller may take to send a body.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.body_timeout_s).unwrap_or_default()
    }

    /// How long a caller may take for 16 KiB of a response.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.write_timeout_s).unwrap_or_default()
    }

    /// How long connections without a request stay open after the order to stop: no longer than half of the
    /// time that there is.
    #[must_use]
    pub fn linger(&self) -> Duration {
        let wanted = Duration::try_from_secs_f64(self.linger_s).unwrap_or_default();
        wanted.min(self.shutdown_timeout() / 2)
    }

    /// How long running requests may go on after the order to stop.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_s)
    }
}
