//! Which headers cross the proxy. A caller's by a list of what may, a provider's all but what may not.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What of the caller's headers the provider gets to see, unless the caller's `Connection` names it.
const REQUEST: &[HeaderName] = &[
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
/// How our own headers begin: a provider can't say what only we know.
const OURS: &str = "switchboard-";

/// The caller's headers as the provider gets them.
#[must_use]
pub fn for_provider(caller: &HeaderMap) -> HeaderMap {
    let mut kept = HeaderMap::new();
    for (name, value) in caller {
        if REQUEST.contains(name) {
            kept.append(name, value.clone());
        }
    }
    if caller.contains_key(header::CONNECTION) {
        for name in named(caller) {
            kept.remove(&name);
        }
    }
    kept
}

/// Takes out of the provider's headers what the caller does not get. Nobody in between keeps the answer, whatever the
/// provider says: to a cache, two accounts' answers are of one address.
pub fn for_caller(provider: &mut HeaderMap) {
    if provider.contains_key(header::CONNECTION) {
        for name in named(provider) {
            // They say how long the body is, whatever a provider says about them.
            if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
                provider.remove(&name);
            }
        }
    }
    let dropped: Vec<HeaderName> = provider.keys().filter(|name| !goes_on(name)).cloned().collect();
    for name in dropped {
        provider.remove(name);
    }
    provider.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// How the names of families begin that never reach a caller: ours, and rules for browsers. A browser would take the
/// provider's rules for those of our address.
const FAMILIES: [&str; 8] = [
    "access-control-",
    "attribution-reporting-",
    "content-security-policy",
    "cross-origin-",
    "integrity-policy",
    "public-key-pins",
    "sec-",
    OURS,
];

/// Whether a provider's header is for the caller: not for one hop, and neither a cookie, a challenge nor a rule of the
/// provider's for our address.
fn goes_on(name: &HeaderName) -> bool {
    // By their texts: a comparison of names for each of them is many times as dear.
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
        other => !FAMILIES.iter().any(|family| other.starts_with(family)),
    }
}

/// The headers that `Connection` names: they are for one hop. Mostly it names none, and says only whether the
/// connection stays.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
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
    fn a_caller_sends_on_what_the_list_has() {
        let kept = for_provider(&map(&[
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
        assert_eq!(kept, map(&expected));
    }

    #[test]
    fn a_provider_sends_on_all_but_what_is_for_one_hop_or_for_its_own_address() {
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

    /// Some of what no provider gets through to a caller.
    const KEPT_BACK: [&str; 14] = [
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
            let kept = for_provider(&headers);
            assert!(kept.keys().all(|name| REQUEST.contains(name)));
            for name in KEPT_BACK {
                headers.append(name, HeaderValue::from_static("x"));
            }
            for_caller(&mut headers);
            for name in KEPT_BACK {
                assert!(!headers.contains_key(name));
            }
        }
    }
}
