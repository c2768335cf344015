//! Whatever a caller or a provider sends: no path leaves the provider, no header crosses that must not. Drawn a few times
//! here, and for minutes by the fuzz target, which is made of this file.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use switchboard::config::Config;
use switchboard::connectors::Registry;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::provider::Provider;
use switchboard::unified::passthrough::headers;
use switchboard::upstream::{HttpClient, Reach, Timeouts};

const WEB: &str = "slack.test";
const API: &str = "api.slack.test";
const CUSTOMER: &str = "idp.test";
/// How paths begin, so that not all of them are refused at the first letter.
const AREAS: [&str; 7] = ["", "api/", "scim/v2/", "scim/v1/", "audit/v1/", "Users/", "Groups/"];

static CONNECTORS: LazyLock<Option<Registry>> = LazyLock::new(|| {
    let mut config = Config::load(None).ok()?;
    config.slack_enterprise.web_url = format!("https://{WEB}");
    config.slack_enterprise.api_url = format!("https://{API}");
    let patience = Duration::from_secs(1);
    let timeouts = Timeouts { connect: patience, read: patience, whole: patience };
    let client = HttpClient::new(timeouts, Reach::Public).ok()?;
    Registry::new(&config, client, Arc::new(SystemClock)).ok()
});

/// A raw call, or what is to be one.
#[derive(Debug)]
pub(crate) struct Drawn<'a> {
    pub(crate) method: &'a str,
    /// Which of the places at a provider the path is in.
    pub(crate) area: u8,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) answer: &'a [u8],
}

/// A path leads to the provider or nowhere, and whatever it answers can be read as a page or can't.
pub(crate) fn no_path_leaves_the_provider(drawn: &Drawn<'_>) {
    let Ok(method) = Method::from_bytes(drawn.method.as_bytes()) else { return };
    let area = AREAS.iter().cycle().nth(usize::from(drawn.area)).unwrap_or(&"");
    let path = format!("{area}{}", drawn.path);
    let base_url = format!("https://{CUSTOMER}/scim/v2");
    let connectors = CONNECTORS.as_ref();
    assert!(connectors.is_some(), "the connectors can be built");
    for (provider, hosts, below) in [
        (Provider::SlackEnterprise, &[WEB, API][..], ""),
        (Provider::Scim, &[CUSTOMER][..], "/scim/v2"),
    ] {
        let Some(connectors) = connectors else { continue };
        let passthrough = connectors.connector(provider).passthrough();
        let Ok(request) = passthrough.route(Some(&base_url), &method, &path, drawn.query) else {
            continue;
        };
        let uri = &request.uri;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        assert!(hosts.contains(&authority), "{path:?} leads to {uri}");
        assert_eq!(uri.scheme_str(), Some("https"));
        assert_eq!(uri.path(), format!("{below}/{path}"), "the path is sent as it was checked");
        assert!(!uri.path().split('/').any(|segment| matches!(segment, "." | "..")), "{uri}");
        assert!(!uri.to_string().contains(['#', '\r', '\n', '\t', ' ']), "{uri}");
        let _ = passthrough.read_page(&path, drawn.query, StatusCode::OK, drawn.answer);
    }
}

/// Neither side gets what belongs to one hop, to our address, or to nobody but us.
pub(crate) fn no_header_crosses_that_must_not<'a>(
    drawn: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) {
    let mut all = HeaderMap::new();
    for (name, value) in drawn {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn paths_stay_and_headers_too(
            method in "GET|POST|[A-Z]{1,6}",
            area in 0_u8..7,
            path in "[a-zA-Z0-9./%@:\\\\ #?_-]{0,40}",
            query in proptest::option::of("[ -~]{0,30}"),
            answer in proptest::collection::vec(any::<u8>(), 0..60),
            pairs in proptest::collection::vec(
                ("connection|cookie|set-cookie|host|authorization|switchboard-[a-z]{1,5}|[a-z-]{1,12}", "[ -~]{0,20}"),
                0..8,
            ),
        ) {
            let query = query.as_deref();
            let drawn = Drawn { method: &method, area, path: &path, query, answer: &answer };
            no_path_leaves_the_provider(&drawn);
            let pairs = pairs.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            no_header_crosses_that_must_not(pairs);
        }
    }
}
