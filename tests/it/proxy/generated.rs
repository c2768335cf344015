//! Whatever a caller or a provider sends: no path leaves the provider, no forbidden header is forwarded. Tried a few
//! times here, and for minutes by the fuzz target, which includes this file.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use switchboard::config::Config;
use switchboard::connectors::Registry;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::provider::Provider;
use switchboard::unified::passthrough::headers;
use switchboard::upstream::{AddressPolicy, HttpClient, Timeouts};

const WEB: &str = "slack.test";
const API: &str = "api.slack.test";
const CUSTOMER: &str = "idp.test";
/// Prefixes of paths, so that not all of them are rejected at the first character.
const AREAS: [&str; 7] = ["", "api/", "scim/v2/", "scim/v1/", "audit/v1/", "Users/", "Groups/"];

static CONNECTORS: LazyLock<Option<Registry>> = LazyLock::new(|| {
    let mut config = Config::load(None).ok()?;
    config.slack_enterprise.web_url = format!("https://{WEB}");
    config.slack_enterprise.api_url = format!("https://{API}");
    let timeout = Duration::from_secs(1);
    let timeouts = Timeouts { connect: timeout, read: timeout, buffered: timeout };
    let client = HttpClient::new(timeouts, AddressPolicy::PublicOnly).ok()?;
    Registry::new(&config, client, Arc::new(SystemClock)).ok()
});

/// Input of a raw call.
#[derive(Debug)]
pub(crate) struct RawCall<'a> {
    pub(crate) method: &'a str,
    /// Index of the provider's area that the path is in.
    pub(crate) area: u8,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) response: &'a [u8],
}

/// Checks that a path leads to the provider or is rejected, and that its response parses as a page or is rejected.
pub(crate) fn no_path_leaves_the_provider(call: &RawCall<'_>) {
    let Ok(method) = Method::from_bytes(call.method.as_bytes()) else { return };
    let area = AREAS.iter().cycle().nth(usize::from(call.area)).unwrap_or(&"");
    let path = format!("{area}{}", call.path);
    let base_url = format!("https://{CUSTOMER}/scim/v2");
    let connectors = CONNECTORS.as_ref();
    assert!(connectors.is_some(), "the connectors can be built");
    for (provider, hosts, below) in [
        (Provider::SlackEnterprise, &[WEB, API][..], ""),
        (Provider::Scim, &[CUSTOMER][..], "/scim/v2"),
    ] {
        let Some(connectors) = connectors else { continue };
        let passthrough = connectors.connector(provider).passthrough();
        let Ok(request) = passthrough.route(Some(&base_url), &method, &path, call.query) else {
            continue;
        };
        let uri = &request.uri;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        assert!(hosts.contains(&authority), "{path:?} leads to {uri}");
        assert_eq!(uri.scheme_str(), Some("https"));
        assert_eq!(uri.path(), format!("{below}/{path}"), "the path is sent as it was checked");
        assert!(!uri.path().split('/').any(|segment| matches!(segment, "." | "..")), "{uri}");
        assert!(!uri.to_string().contains(['#', '\r', '\n', '\t', ' ']), "{uri}");
        let _ = passthrough.read_page(&path, call.query, StatusCode::OK, call.response);
    }
}

/// Checks that hop-by-hop headers, headers with our address and our own headers are not forwarded either way.
pub(crate) fn no_forbidden_header_is_forwarded<'a>(
    call: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) {
    let mut all = HeaderMap::new();
    for (name, value) in call {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value))
        {
            all.append(name, value);
        }
    }
    let sent = headers::for_provider(&all);
    for name in [header::AUTHORIZATION, header::COOKIE, header::HOST, header::TRANSFER_ENCODING] {
        assert!(!sent.contains_key(&name), "{name} reached the provider");
    }
    headers::for_caller(&mut all);
    for name in [header::SET_COOKIE, header::TRANSFER_ENCODING, header::CONNECTION] {
        assert!(!all.contains_key(&name), "{name} reached the caller");
    }
    assert!(all.keys().all(|name| !name.as_str().starts_with("switchboard-")));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn generated_paths_and_headers_stay_within_bounds(
            method in "GET|POST|[A-Z]{1,6}",
            area in 0_u8..7,
            path in "[a-zA-Z0-9./%@:\\\\ #?_-]{0,40}",
            query in proptest::option::of("[ -~]{0,30}"),
            reply in proptest::collection::vec(any::<u8>(), 0..60),
            pairs in proptest::collection::vec(
                ("connection|cookie|set-cookie|host|authorization|switchboard-[a-z]{1,5}|[a-z-]{1,12}", "[ -~]{0,20}"),
                0..8,
            ),
        ) {
            let query = query.as_deref();
            let call = RawCall { method: &method, area, path: &path, query, response: &reply };
            no_path_leaves_the_provider(&call);
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            no_forbidden_header_is_forwarded(pairs);
        }
    }
}
