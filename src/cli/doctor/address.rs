//! Whether customers' browsers and providers can come back: `server.public_url`.

use url::{Host, Url};

use super::report::Report;
use crate::config::Server;

const NAME: &str = "address";

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

fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => true,
    }
}
