//! `switchboard healthcheck`: checks whether a running gateway is ready, for containers without an HTTP client. Needs
//! no database, keys or TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::Config;

/// Maximum time for the gateway's response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// The arguments of `healthcheck`.
#[derive(Debug, Args)]
pub(super) struct HealthcheckArguments {
    /// Address and port of the gateway, such as 127.0.0.1:8080 (default: server.listen)
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Check only that the process responds, not that it is ready
    #[arg(long)]
    live: bool,
}

/// Runs the command.
pub(super) async fn run(config: &Config, arguments: HealthcheckArguments) -> anyhow::Result<()> {
    let listen = arguments.address.unwrap_or_else(|| config.server.listen.clone());
    let address =
        listen.parse().with_context(|| format!("{listen:?} is not an address and port"))?;
    let path = if arguments.live { "/healthz" } else { "/readyz" };
    let asked =
        tokio::time::timeout(RESPONSE_TIMEOUT, get_status(local_address(address), path)).await;
    let status = asked.context("no response within 3 s")??;
    ensure!(status == "200", "{path} returned {status}");
    Ok(())
}

/// Returns the local address of a gateway that listens on `listen`.
fn local_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        named @ (IpAddr::V4(_) | IpAddr::V6(_)) => named,
    };
    SocketAddr::new(ip, listen.port())
}

/// Returns the status of `path`.
async fn get_status(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.with_context(|| format!("connection to {address} failed"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(64).read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response);
    let status = response.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.with_context(|| format!("{address} does not speak HTTP"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_unspecified_address_with_localhost() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(local_address(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
