//! Checks `server.public_url` and the reverse proxies in front of the gateway.

use url::{Host, Url};

use super::report::DoctorReport;
use crate::config::ServerSettings;

const NAME: &str = "address";
const PROXIES_NAME: &str = "proxies";

pub(super) fn check(server: &ServerSettings, report: &mut DoctorReport) {
    let text = &server.public_url;
    let fix = "set server.public_url to the https:// URL that customers' browsers can reach";
    if text.is_empty() {
        return report.warn(NAME, "server.public_url is empty: link URLs use server.listen", fix);
    }
    // An invalid URL is reported with the settings.
    let Ok(url) = Url::parse(text) else { return };
    if is_local(&url) {
        report.warn(NAME, format!("{text} is reachable from this machine only"), fix);
    } else if url.scheme() != "https" {
        let fix = "put a TLS proxy in front and use https://; Slack accepts no other redirect URI";
        report.fail(NAME, format!("{text} has no TLS"), fix);
    } else {
        report.ok(NAME, format!("link and redirect URLs use {text}"));
    }
}

/// Checks that client addresses are not all those of one reverse proxy.
pub(super) fn check_proxies(server: &ServerSettings, report: &mut DoctorReport) {
    // Invalid networks are reported with the settings.
    let Ok(trusted) = server.proxies() else { return };
    let has_proxy =
        server.public_url.starts_with("https://") && server.tls_cert_file.as_os_str().is_empty();
    match trusted.count() {
        0 if has_proxy => report.warn(
            PROXIES_NAME,
            "server.trusted_proxies is empty, but TLS ends in front of the gateway: all callers share one address",
            "name the reverse proxies' addresses or networks in server.trusted_proxies",
        ),
        0 => report.ok(PROXIES_NAME, "no trusted proxies: client addresses are those of the connections"),
        1 => report.ok(PROXIES_NAME, "client addresses come from 1 trusted proxy or network"),
        count => report.ok(PROXIES_NAME, format!("client addresses come from {count} trusted proxies or networks")),
    }
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}
