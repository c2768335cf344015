//! Header filters of the proxy: an allow list for the caller's headers, a deny list for the provider's.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Request headers that are forwarded, unless the caller's `Connection` names them.
const FORWARDED_REQUEST_HEADERS: &[HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::RANGE,
];
/// The prefix of the gateway's own headers: a provider can't set them.
const OWN_PREFIX: &str = "switchboard-";

/// Returns the caller's headers to forward to the provider.
#[must_use]
pub fn for_provider(caller: &HeaderMap) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    for (name, value) in caller {
        if FORWARDED_REQUEST_HEADERS.contains(name) {
            forwarded.append(name, value.clone());
        }
    }
    if caller.contains_key(header::CONNECTION) {
        for name in connection_options(caller) {
            forwarded.remove(&name);
        }
    }
    forwarded
}

/// Removes the provider's headers that are not forwarded to the caller, and forbids caching: responses for two accounts
/// have the same URL.
pub fn for_caller(provider: &mut HeaderMap) {
    if provider.contains_key(header::CONNECTION) {
        for name in connection_options(provider) {
            // They describe the body, whatever the provider's `Connection` says.
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                provider.remove(&name);
            }
        }
    }
    let dropped: Vec<HeaderName> =
        provider.keys().filter(|name| !is_forwarded(name)).cloned().collect();
    for name in dropped {
        provider.remove(name);
    }
    provider.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Prefixes of headers that are never forwarded: the gateway's own, and browser policies, which a browser would apply
/// to the gateway's origin.
const DROPPED_PREFIXES: [&str; 8] = [
    "access-control-",
    "attribution-reporting-",
    "content-security-policy",
    "cross-origin-",
    "integrity-policy",
    "public-key-pins",
    "sec-",
    OWN_PREFIX,
];

/// Whether a provider's header is forwarded: no hop-by-hop header, cookie, challenge or browser policy.
fn is_forwarded(name: &HeaderName) -> bool {
    // Compared as text: comparing `HeaderName`s is several times as expensive.
    match name.as_str() {
        "accept-ch"
        | "accept-ch-lifetime"
        | "activate-storage-access"
        | "alt-svc"
        | "alt-used"
        | "authentication-info"
        | "cdn-cache-control"
        | "clear-site-data"
        | "connection"
        | "critical-ch"
        | "document-policy"
        | "document-policy-report-only"
        | "expect-ct"
        | "expires"
        | "feature-policy"
        | "keep-alive"
        | "nel"
        | "no-vary-search"
        | "observe-browsing-topics"
        | "origin-agent-cluster"
        | "origin-trial"
        | "permissions-policy"
        | "permissions-policy-report-only"
        | "pragma"
        | "proxy-authenticate"
        | "proxy-authentication-info"
        | "proxy-connection"
        | "referrer-policy"
        | "refresh"
        | "report-to"
        | "reporting-endpoints"
        | "require-document-policy"
        | "service-worker-allowed"
        | "set-cookie"
        | "set-cookie2"
        | "set-login"
        | "sourcemap"
        | "speculation-rules"
        | "strict-transport-security"
        | "supports-loading-mode"
        | "surrogate-control"
        | "te"
        | "timing-allow-origin"
        | "tk"
        | "trailer"
        | "transfer-encoding"
        | "upgrade"
        | "use-as-dictionary"
        | "www-authenticate"
        | "x-content-security-policy"
        | "x-content-type-options"
        | "x-dns-prefetch-control"
        | "x-download-options"
        | "idempotency-replayed"
        | "x-frame-options"
        | "x-permitted-cross-domain-policies"
        | "x-sourcemap"
        | "x-ua-compatible"
        | "x-webkit-csp"
        | "x-xss-protection" => false,
        other => !DROPPED_PREFIXES.iter().any(|family| other.starts_with(family)),
    }
}

/// Returns the hop-by-hop headers that `Connection` names, without `keep-alive` and `close`.
fn connection_options(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter().map(HeaderValue::as_bytes);
    let words = values.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let names = words.filter(|word| {
        !word.eq_ignore_ascii_case(b"keep-alive") && !word.eq_ignore_ascii_case(b"close")
    });
    names.filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn forwards_only_allowed_request_headers() {
        let forwarded = for_provider(&map(&[
            ("accept", "application/json"),
            ("content-type", "text/plain"),
            ("accept-language", "de"),
            ("connection", "close, Accept-Language"),
            ("authorization", "Bearer sb_live_1"),
            ("cookie", "a=b"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("host", "evil.test"),
            ("x-integrated-account-id", "acc_1"),
            ("x-forwarded-for", "10.0.0.1"),
        ]));
        let expected = [("accept", "application/json"), ("content-type", "text/plain")];
        assert_eq!(forwarded, map(&expected));
    }

    #[test]
    fn drops_hop_by_hop_headers_and_browser_policies() {
        let mut headers = map(&[
            ("content-type", "application/json"),
            ("content-length", "12"),
            ("content-encoding", "br"),
            ("cache-control", "public, max-age=600"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("x-slack-req-id", "1"),
            ("connection", "X-Hop, content-length"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("strict-transport-security", "max-age=1"),
            ("switchboard-attempts", "1000"),
            ("transfer-encoding", "chunked"),
        ]);
        for_caller(&mut headers);
        let expected = [
            ("content-type", "application/json"),
            ("content-length", "12"),
            ("content-encoding", "br"),
            ("cache-control", "no-store"),
            ("x-slack-req-id", "1"),
        ];
        assert_eq!(headers, map(&expected));
    }

    /// Examples of headers that are dropped.
    const DROPPED_HEADERS: [&str; 14] = [
        "alt-svc",
        "connection",
        "proxy-authenticate",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "switchboard-x",
        "transfer-encoding",
        "upgrade",
        "access-control-allow-origin",
        "content-security-policy-report-only",
        "cross-origin-opener-policy",
        "www-authenticate",
        "x-frame-options",
    ];

    proptest::proptest! {
        #[test]
        fn whatever_is_sent_no_secret_of_ours_goes_on(
            pairs in proptest::collection::vec(("[a-zA-Z-]{1,12}", "[ -~]{0,20}"), 0..12),
            hops in "[a-zA-Z, -]{0,40}",
        ) {
            let mut headers = map(&[("authorization", "k"), ("cookie", "c")]);
            for (name, value) in &pairs {
                let name = HeaderName::from_bytes(name.as_bytes());
                if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                    headers.append(name, value);
                }
            }
            if let Ok(hops) = HeaderValue::from_str(&hops) {
                headers.insert(header::CONNECTION, hops);
            }
            let forwarded = for_provider(&headers);
            assert!(forwarded.keys().all(|name| FORWARDED_REQUEST_HEADERS.contains(name)));
            for name in DROPPED_HEADERS {
                headers.append(name, HeaderValue::from_static("x"));
            }
            for_caller(&mut headers);
            for name in DROPPED_HEADERS {
                assert!(!headers.contains_key(name));
            }
        }
    }
}
