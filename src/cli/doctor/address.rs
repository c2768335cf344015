//! Checks the ways in: `server.public_url`, and the reverse proxies in front of the gateway.

use url::{Host, Url};

use super::report::Report;
use crate::config::Server;

const NAME: &str = "address";
const PROXIES: &str = "proxies";

pub(super) fn check(server: &Server, report: &mut Report) {
    let text = &server.public_url;
    let fix = "set server.public_url to the https:// address that customers' browsers reach";
    if text.is_empty() {
        return report.warn(NAME, "server.public_url is empty: links lead to server.listen", fix);
    }
    // An address that is none is told with the settings.
    let Ok(url) = Url::parse(text) else { return };
    if is_of_this_machine(&url) {
        report.warn(NAME, format!("{text} leads to this machine alone"), fix);
    } else if url.scheme() != "https" {
        let fix = "put a proxy with TLS in front and write https://; Slack takes no other redirect";
        report.fail(NAME, format!("{text} goes without TLS"), fix);
    } else {
        report.ok(NAME, format!("links and redirects lead to {text}"));
    }
}

/// Checks that client addresses are not all those of one reverse proxy.
pub(super) fn check_proxies(server: &Server, report: &mut Report) {
    // What can't be read is reported with the settings.
    let Ok(trusted) = server.proxies() else { return };
    let has_proxy =
        server.public_url.starts_with("https://") && server.tls_cert_file.as_os_str().is_empty();
    match trusted.count() {
        0 if has_proxy => report.warn(
            PROXIES,
            "server.trusted_proxies is empty, but TLS ends in front of the gateway: all callers share one address",
            "name the reverse proxies' addresses or networks in server.trusted_proxies",
        ),
        0 => report.ok(PROXIES, "none is trusted: client addresses are those of the connections"),
        1 => report.ok(PROXIES, "client addresses come from 1 trusted proxy or network"),
        count => report.ok(PROXIES, format!("client addresses come from {count} trusted proxies or networks")),
    }
}

fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}
