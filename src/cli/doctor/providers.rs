//! The providers' hosts: found, reached, trusted. No token is sent.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, Request, Uri, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::report::Report;
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::upstream::{HttpClient, NamedBy, Reach, Reading, Timeouts};

const NAME: &str = "provider";
/// How long a host may take, whatever the settings allow to calls: somebody waits for the report.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far our clock may be from a provider's: its tokens end by its own.
const CLOCK_WARNS: time::Duration = time::Duration::seconds(60);

pub(super) async fn check(config: &Config, report: &mut Report) {
    let (connect, read) = (config.upstream.connect_timeout(), config.upstream.response_timeout());
    let (connect, read) = (connect.min(PATIENCE), read.min(PATIENCE));
    let timeouts = Timeouts { connect, read, whole: read };
    let http = match HttpClient::new(timeouts, Reach::Public) {
        Ok(http) => http,
        Err(error) => {
            let fix = "put CA certificates at /etc/ssl/certs, or name their file in SSL_CERT_FILE";
            return report.fail("TLS roots", chain(&error), fix);
        }
    };
    report.ok("TLS roots", "are there");
    let slack = &config.slack_enterprise;
    let mut hosts = vec![&slack.web_url];
    if slack.api_url != slack.web_url {
        hosts.push(&slack.api_url);
    }
    for part in join_all(hosts.into_iter().map(|host| knock(&http, host))).await {
        report.append(part);
    }
}

async fn knock(http: &HttpClient, base: &str) -> Report {
    let mut report = Report::default();
    let address = format!("{}/api/api.test", base.trim_end_matches('/'));
    // An address that is none is told with the settings.
    let Ok(uri) = address.parse::<Uri>() else { return report };
    let host = uri.host().unwrap_or_default().to_owned();
    let is_plain = uri.scheme_str() == Some("http");
    let mut request = Request::new(Bytes::new().into());
    *request.uri_mut() = uri;
    match http.execute(Box::new(request), NamedBy::Operator, Reading::Whole).await {
        Err(error) => {
            let reason = chain(&error);
            let fix = fix(&reason, &host);
            report.fail(NAME, format!("{base} can't be reached: {reason}"), fix);
        }
        Ok(answer) if answer.status().is_server_error() => {
            let found = format!("{base} answers {}", answer.status());
            report.warn(NAME, found, "wait; the provider's status page says more");
        }
        Ok(_) if is_plain && !host.contains("localhost") && !host.starts_with("127.") => {
            let found = format!("{base} answers, without TLS: tokens can be read on their way");
            report.warn(NAME, found, "write https:// unless it is a sandbox");
        }
        Ok(answer) => {
            report.ok(NAME, format!("{base} answers"));
            clock(answer.headers(), base, &mut report);
        }
    }
    report
}

/// Tells when our clock differs from the provider's. Not every one says what time it has.
fn clock(headers: &HeaderMap, base: &str, report: &mut Report) {
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let theirs = date.and_then(|date| OffsetDateTime::parse(date, &Rfc2822).ok());
    let Some(theirs) = theirs else { return };
    let apart = (theirs - SystemClock.now()).abs();
    if apart > CLOCK_WARNS {
        let found = format!("{} s apart from the clock of {base}", apart.whole_seconds());
        report.warn("clock", found, "let this machine keep its time by NTP");
    }
}

/// An error with what caused it. None of ours holds a URL.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            // Writing to a text can't fail.
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text
}

fn fix(reason: &str, host: &str) -> String {
    let reason = reason.to_lowercase();
    if reason.contains("certificate") {
        "a proxy in between shows its own certificate: put its CA into /etc/ssl/certs or SSL_CERT_FILE"
            .to_owned()
    } else if reason.contains("dns") || reason.contains("lookup") {
        format!("let this machine resolve {host}: see /etc/resolv.conf")
    } else {
        format!("allow connections to {host}, or name the way out in HTTPS_PROXY")
    }
}
