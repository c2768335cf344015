//! Checks the providers' hosts: DNS, connection, TLS. No token is sent.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Uri, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::report::DoctorReport;
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::upstream::{AddressPolicy, AddressSource, HttpClient, ReadMode, Timeouts};

const NAME: &str = "provider";
/// Maximum time for a host's response, whatever the settings allow.
const HOST_TIMEOUT: Duration = Duration::from_secs(5);
/// Clock difference to a provider that is a warning: it expires its tokens by its own clock.
const CLOCK_WARNING: time::Duration = time::Duration::seconds(60);

pub(super) async fn check(config: &Config, report: &mut DoctorReport) {
    let (connect, read) = (config.upstream.connect_timeout(), config.upstream.response_timeout());
    let (connect, read) = (connect.min(HOST_TIMEOUT), read.min(HOST_TIMEOUT));
    let timeouts = Timeouts { connect, read, buffered: read };
    let http = match HttpClient::new(timeouts, AddressPolicy::PublicOnly) {
        Ok(http) => http,
        Err(error) => {
            let fix = "install CA certificates in /etc/ssl/certs, or set SSL_CERT_FILE";
            return report.fail("TLS roots", error_chain(&error), fix);
        }
    };
    report.ok("TLS roots", "loaded");
    let slack = &config.slack_enterprise;
    let mut hosts = vec![&slack.web_url];
    if slack.api_url != slack.web_url {
        hosts.push(&slack.api_url);
    }
    for part in join_all(hosts.into_iter().map(|host| check_host(&http, host))).await {
        report.append(part);
    }
}

async fn check_host(http: &HttpClient, base: &str) -> DoctorReport {
    let mut report = DoctorReport::default();
    let address = format!("{}/api/api.test", base.trim_end_matches('/'));
    // An invalid URL is reported with the settings.
    let Ok(uri) = address.parse::<Uri>() else { return report };
    let host = uri.host().unwrap_or_default().to_owned();
    let is_plain = uri.scheme_str() == Some("http");
    let mut request = Request::new(Bytes::new().into());
    *request.uri_mut() = uri;
    match http.execute(Box::new(request), AddressSource::Config, ReadMode::Buffered).await {
        Err(error) => {
            let reason = error_chain(&error);
            let fix = suggest_fix(&reason, &host);
            report.fail(NAME, format!("{base} is unreachable: {reason}"), fix);
        }
        Ok(response) if response.status().is_server_error() => {
            let found = format!("{base} returned {}", response.status());
            report.warn(NAME, found, "wait; see the provider's status page");
        }
        Ok(_) if is_plain && !host.contains("localhost") && !host.starts_with("127.") => {
            let found = format!("{base} responds without TLS: tokens are sent unencrypted");
            report.warn(NAME, found, "use https:// unless it is a sandbox");
        }
        Ok(response) => {
            report.ok(NAME, format!("{base} responds"));
            report_clock(response.headers(), base, &mut report);
        }
    }
    report
}

/// Reports a clock difference, if the provider sends its time.
fn report_clock(headers: &HeaderMap, base: &str, report: &mut DoctorReport) {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let Some(theirs) = theirs else { return };
    let apart = (theirs - SystemClock.now()).abs();
    if apart > CLOCK_WARNING {
        let found = format!("{} s apart from the clock of {base}", apart.whole_seconds());
        report.warn("clock", found, "synchronize this machine by NTP");
    }
}

/// Returns an error with its causes. None contains a URL.
fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn suggest_fix(reason: &str, host: &str) -> String {
    let reason = reason.to_lowercase();
    if reason.contains("certificate") {
        "a proxy in between presents its own certificate: install its CA in /etc/ssl/certs or SSL_CERT_FILE"
            .to_owned()
    } else if reason.contains("dns") || reason.contains("lookup") {
        format!("make {host} resolvable on this machine: see /etc/resolv.conf")
    } else {
        format!("allow connections to {host}, or set HTTPS_PROXY")
    }
}
