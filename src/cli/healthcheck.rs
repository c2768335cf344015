//! `switchboard healthcheck`: asks a running gateway whether it is ready. For containers that have no other
//! program to ask with; it needs no database, no keys and no TLS.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::config::Config;

/// How long the gateway may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whom to ask.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where the gateway listens, such as 127.0.0.1:8080; by default as server.listen says
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Ask whether the process lives, not whether it can serve
    #[arg(long)]
    live: bool,
}

/// Asks.
pub(super) async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<()> {
    let listen = arguments.address.unwrap_or_else(|| config.server.listen.clone());
    let address = listen.parse().with_context(|| format!("{listen:?} is no address"))?;
    let path = if arguments.live { "/healthz" } else { "/readyz" };
    let asked = tokio::time::timeout(PATIENCE, ask(reached_at(address), path)).await;
    let status = asked.context("no answer in 3 s")??;
    ensure!(status == "200", "{path} answers {status}");
    Ok(())
}

/// Where a gateway that listens at `listen` is reached from its own machine.
fn reached_at(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        named @ (IpAddr::V4(_) | IpAddr::V6(_)) => named,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status of the answer at `path`.
async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let connected = TcpStream::connect(address).await;
    let mut stream = connected.with_context(|| format!("nobody listens at {address}"))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(64).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.with_context(|| format!("{address} does not speak HTTP"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_listens_everywhere_is_asked_at_home() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
            ("10.0.0.7:80", "10.0.0.7:80"),
        ] {
            assert_eq!(reached_at(listen.parse().unwrap()).to_string(), asked);
        }
    }
}
