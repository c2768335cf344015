//! Whatever a caller or a provider sends: no path leaves the provider, no header crosses that must not.
//! `make fuzz-proxy` runs it; without a sanitizer, as there is no unsafe code to watch.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use switchboard::config::Config;
use switchboard::connectors::Registry;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::provider::Provider;
use switchboard::unified::passthrough::headers;
use switchboard::upstream::{HttpClient, Reach, Timeouts};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    method: &'a str,
    area: u8,
    path: &'a str,
    query: Option<&'a str>,
    headers: Vec<(&'a str, &'a [u8])>,
    answer: &'a [u8],
}

const WEB: &str = "slack.test";
const API: &str = "api.slack.test";
const CUSTOMER: &str = "idp.test";
/// How paths begin, so that not all of them are refused at the first letter.
const AREAS: [&str; 7] = ["", "api/", "scim/v2/", "scim/v1/", "audit/v1/", "Users/", "Groups/"];

static CONNECTORS: LazyLock<Registry> = LazyLock::new(|| {
    let mut config = Config::load(None).expect("the defaults are good");
    config.slack_enterprise.web_url = format!("https://{WEB}");
    config.slack_enterprise.api_url = format!("https://{API}");
    let patience = Duration::from_secs(1);
    let timeouts = Timeouts { connect: patience, read: patience };
    let client = HttpClient::new(timeouts, Reach::Public).expect("there is TLS");
    Registry::new(&config, client, Arc::new(SystemClock)).expect("the addresses are good")
});

fuzz_target!(|input: Input<'_>| {
    no_path_leaves_the_provider(&input);
    no_header_crosses_that_must_not(&input);
});

fn no_path_leaves_the_provider(input: &Input<'_>) {
    let Ok(method) = Method::from_bytes(input.method.as_bytes()) else { return };
    let area = AREAS[usize::from(input.area) % AREAS.len()];
    let path = format!("{area}{}", input.path);
    let base_url = format!("https://{CUSTOMER}/scim/v2");
    for (provider, hosts, below) in [
        (Provider::SlackEnterprise, &[WEB, API][..], ""),
        (Provider::Scim, &[CUSTOMER][..], "/scim/v2"),
    ] {
        let passthrough = CONNECTORS.connector(provider).passthrough();
        let Ok(request) = passthrough.route(Some(&base_url), &method, &path, input.query) else {
            continue;
        };
        let uri = &request.uri;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        assert!(hosts.contains(&authority), "{path:?} leads to {uri}");
        assert_eq!(uri.scheme_str(), Some("https"));
        assert_eq!(uri.path(), format!("{below}/{path}"), "the path is sent as it was checked");
        assert!(!uri.path().split('/').any(|segment| matches!(segment, "." | "..")), "{uri}");
        assert!(!uri.to_string().contains(['#', '\r', '\n', '\t', ' ']), "{uri}");
        let _ = passthrough.read_page(&path, input.query, StatusCode::OK, input.answer);
    }
}

fn no_header_crosses_that_must_not(input: &Input<'_>) {
    let mut all = HeaderMap::new();
    for (name, value) in &input.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            all.append(name, value);
        }
    }
    let sent = headers::for_provider(&all);
    for name in [header::AUTHORIZATION, header::COOKIE, header::HOST, header::TRANSFER_ENCODING] {
        assert!(!sent.contains_key(&name), "{name} went to the provider");
    }
    headers::for_caller(&mut all);
    for name in [header::SET_COOKIE, header::TRANSFER_ENCODING, header::CONNECTION] {
        assert!(!all.contains_key(&name), "{name} went to the caller");
    }
    assert!(all.keys().all(|name| !name.as_str().starts_with("switchboard-")));
}
