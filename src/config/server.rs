//! `[server]`: the HTTP server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::domain::networks::Networks;

/// Settings of the HTTP server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Bind address and port.
    pub listen: String,
    /// Bind address and port of `/metrics`; empty to serve it at `listen`.
    pub metrics_listen: String,
    /// Public base URL; empty for that of the bind address.
    pub public_url: String,
    /// Trusted reverse proxies, comma-separated: addresses and networks.
    pub trusted_proxies: String,
    /// Failed authentications allowed per client address and minute; 0 for unlimited.
    pub failed_auth_per_minute: u32,
    /// Maximum body size of our own API, in bytes.
    pub max_body_bytes: usize,
    /// Maximum size of an upload of a desired state, in bytes.
    pub max_upload_bytes: usize,
    /// Maximum bytes of buffered bodies and responses in total; further requests are rejected.
    pub max_bytes_in_flight: usize,
    /// The same maximum per environment.
    pub max_environment_bytes_in_flight: usize,
    /// Number of I/O threads; 0 for one per processor.
    pub threads: usize,
    /// Whether each I/O thread is pinned to a processor, if there is one for each.
    pub pin_threads: bool,
    /// Maximum number of connections.
    pub max_connections: usize,
    /// Maximum concurrent requests; further ones are rejected.
    pub max_requests: usize,
    /// Maximum seconds to receive the head of a request, and to keep a connection without requests.
    pub header_timeout_s: f64,
    /// Maximum seconds to receive a body that is buffered.
    pub body_timeout_s: f64,
    /// Maximum seconds to receive an upload of a desired state.
    pub upload_timeout_s: f64,
    /// Maximum seconds for a caller to read 16 KiB of a response.
    pub write_timeout_s: f64,
    /// Maximum size of a request head, in bytes.
    pub max_header_bytes: usize,
    /// Certificate chain in PEM, the server's own first; empty for no TLS.
    pub tls_cert_file: PathBuf,
    /// Private key of the first certificate in PEM.
    pub tls_key_file: PathBuf,
    /// Seconds to keep idle connections open after a shutdown signal.
    pub linger_s: f64,
    /// Seconds for requests in flight after a shutdown signal.
    pub shutdown_timeout_s: u64,
}

impl ServerSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if self.listen.parse::<SocketAddr>().is_err() {
            errors.push(format!(
                "server.listen: {:?} is not an address and port; use one like 127.0.0.1:8080",
                self.listen
            ));
        }
        let metrics = &self.metrics_listen;
        if !metrics.is_empty() && metrics.parse::<SocketAddr>().is_err() {
            errors.push(format!(
                "server.metrics_listen: {metrics:?} is not an address and port; use one like 127.0.0.1:9090"
            ));
        } else if *metrics == self.listen && !metrics.ends_with(":0") {
            errors.push(
                "server.metrics_listen: equals server.listen; leave it empty to serve both there"
                    .to_owned(),
            );
        }
        for (key, seconds) in [
            ("header_timeout_s", self.header_timeout_s),
            ("body_timeout_s", self.body_timeout_s),
            ("upload_timeout_s", self.upload_timeout_s),
            ("write_timeout_s", self.write_timeout_s),
        ] {
            if !(0.01..=3600.0).contains(&seconds) {
                errors.push(format!("server.{key}: must be between 0.01 and 3600"));
            }
        }
        if !(0.0..=60.0).contains(&self.linger_s) {
            errors.push("server.linger_s: must be between 0 and 60".to_owned());
        }
        for (key, number, least) in [
            ("max_connections", self.max_connections, 1),
            ("max_requests", self.max_requests, 1),
            ("max_header_bytes", self.max_header_bytes, 8192),
            ("max_bytes_in_flight", self.max_bytes_in_flight, 1_048_576),
            ("max_environment_bytes_in_flight", self.max_environment_bytes_in_flight, 1_048_576),
        ] {
            if number < least {
                errors.push(format!("server.{key}: must be at least {least}"));
            }
        }
        if self.tls_cert_file.as_os_str().is_empty() != self.tls_key_file.as_os_str().is_empty() {
            errors.push(
                "server.tls_cert_file and server.tls_key_file: TLS needs both; leave both empty for \
                 none"
                    .to_owned(),
            );
        }
        if !self.public_url.is_empty() {
            super::check_base_url("server.public_url", &self.public_url, errors);
        }
        errors.extend(self.proxies().err());
    }

    /// Returns the trusted reverse proxies.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix.
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

    /// Returns the maximum time to receive the head of a request.
    #[must_use]
    pub fn header_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.header_timeout_s).unwrap_or_default()
    }

    /// Returns the number of slots for bodies that are read before authentication: a share of all requests, so that
    /// callers without a key leave slots for those with one.
    #[must_use]
    pub fn unauthenticated_bodies(&self) -> usize {
        (self.max_requests / 8).clamp(1, 128)
    }

    /// Returns the maximum time to receive a body.
    #[must_use]
    pub fn body_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.body_timeout_s).unwrap_or_default()
    }

    /// Returns the maximum time to receive an upload of a desired state.
    #[must_use]
    pub fn upload_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.upload_timeout_s).unwrap_or_default()
    }

    /// Returns the maximum time for a caller to read 16 KiB of a response.
    #[must_use]
    pub fn write_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.write_timeout_s).unwrap_or_default()
    }

    /// Returns the time to keep idle connections open after a shutdown signal: at most half of the shutdown timeout.
    #[must_use]
    pub fn linger(&self) -> Duration {
        let wanted = Duration::try_from_secs_f64(self.linger_s).unwrap_or_default();
        wanted.min(self.shutdown_timeout() / 2)
    }

    /// Returns the time for requests in flight after a shutdown signal.
    #[must_use]
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_s)
    }
}
