//! Whatever a caller or a provider sends: no path leaves the provider, no header crosses that must not.
//! `make fuzz-proxy` runs it; without a sanitizer, as there is no unsafe code to watch.

#![no_main]

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use switchboard::config;
use switchboard::connectors::Passthrough as _;
use switchboard::connectors::slack_enterprise::SlackEnterprise;
use switchboard::unified::passthrough::headers;

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

fuzz_target!(|input: Input<'_>| {
    let slack = SlackEnterprise::new(&config::SlackEnterprise {
        web_url: format!("https://{WEB}"),
        api_url: format!("https://{API}"),
    })
    .expect("the addresses are good");
    let areas = ["", "api/", "scim/v2/", "scim/v1/", "audit/v1/"];
    let area = areas[usize::from(input.area) % areas.len()];
    let path = format!("{area}{}", input.path);
    if let Ok(method) = http::Method::from_bytes(input.method.as_bytes()) {
        if let Ok(request) = slack.route(None, &method, &path, input.query) {
            let host = request.url.host_str().unwrap_or_default();
            assert!(host == WEB || host == API, "{path:?} leads to {}", request.url);
            assert_eq!(request.url.scheme(), "https");
            assert_eq!(request.url.path(), format!("/{path}"), "the path is sent as it was checked");
            assert!(request.url.username().is_empty() && request.url.password().is_none());
            assert!(request.url.fragment().is_none());
            let _ = slack.read_page(&path, input.query, http::StatusCode::OK, input.answer);
        }
    }
    let mut all = HeaderMap::new();
    for (name, value) in input.headers {
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
});
