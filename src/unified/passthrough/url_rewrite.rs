//! Rewrites provider URLs in response headers to URLs of the proxy, so that a client that follows one sends its key to
//! the gateway.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use crate::connectors::UrlTarget;

/// Headers whose whole value is a URL.
const URL_HEADERS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];
/// The prefix of the proxy's paths, below the gateway's own URL.
const PROXY_PREFIX: &str = "proxy/";

/// Whether a response has headers with URLs. Most have none.
pub(super) fn has_urls(headers: &HeaderMap) -> bool {
    URL_HEADERS.iter().any(|name| headers.contains_key(name)) || headers.contains_key(header::LINK)
}

/// Rewrites the URLs of one response.
pub(super) struct UrlRewriter<'a> {
    /// The gateway's own URL.
    pub(super) own_url: &'a Url,
    /// The requested URL, the base of relative references.
    pub(super) request_url: &'a Url,
    /// Classifies a URL.
    pub(super) classify: &'a dyn Fn(&Url) -> UrlTarget,
}

/// The result of rewriting a URL.
enum UrlRewrite {
    Untouched,
    Rewritten(String),
    /// The URL is on the provider's host, but not below the proxied paths.
    Dropped,
}

impl UrlRewriter<'_> {
    /// Rewrites the URLs in these headers.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap) {
        for name in URL_HEADERS {
            replace(headers, &name, |value| match self.rewrite_url(value) {
                UrlRewrite::Untouched => Some(value.to_owned()),
                UrlRewrite::Rewritten(address) => Some(address),
                UrlRewrite::Dropped => None,
            });
        }
        replace(headers, &header::LINK, |value| {
            let links: Vec<String> =
                links(value).filter_map(|link| self.rewrite_link(link)).collect();
            (!links.is_empty()).then(|| links.join(", "))
        });
    }

    fn rewrite_url(&self, reference: &str) -> UrlRewrite {
        let reference = reference.trim();
        let Ok(url) = self.request_url.join(reference) else { return UrlRewrite::Untouched };
        match (self.classify)(&url) {
            UrlTarget::OtherHost => UrlRewrite::Untouched,
            UrlTarget::NotProxied => UrlRewrite::Dropped,
            UrlTarget::Path(path) => {
                let own = self.own_url.as_str().trim_end_matches('/');
                let part = |mark: &str, part: Option<&str>| {
                    part.map(|part| format!("{mark}{part}")).unwrap_or_default()
                };
                let (query, fragment) = (part("?", url.query()), part("#", url.fragment()));
                UrlRewrite::Rewritten(format!("{own}/{PROXY_PREFIX}{path}{query}{fragment}"))
            }
        }
    }

    /// Rewrites one link, `<url>; rel="next"`; `None` when it is dropped.
    fn rewrite_link(&self, link: &str) -> Option<String> {
        let parts = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let Some((address, parameters)) = parts else { return Some(link.to_owned()) };
        match self.rewrite_url(address) {
            UrlRewrite::Untouched => Some(link.to_owned()),
            UrlRewrite::Rewritten(address) => Some(format!("<{address}>{parameters}")),
            UrlRewrite::Dropped => None,
        }
    }
}

/// Splits a `Link` header into links (RFC 8288): commas within a URL or a quoted string do not separate.
fn links(value: &str) -> impl Iterator<Item = &str> {
    let (mut in_address, mut in_quotes, mut is_escaped) = (false, false, false);
    let ends = move |letter: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match letter {
            '\\' if in_quotes => is_escaped = !was_escaped,
            '"' if !in_address && !was_escaped => in_quotes = !in_quotes,
            '<' if !in_quotes => in_address = true,
            '>' if !in_quotes => in_address = false,
            ',' => return !in_address && !in_quotes,
            _ => {}
        }
        false
    };
    value.split(ends).map(str::trim).filter(|link| !link.is_empty())
}

/// Replaces each value of a header; a value that is not text is dropped, since its target is unknown.
fn replace(headers: &mut HeaderMap, name: &HeaderName, change: impl Fn(&str) -> Option<String>) {
    let values: Vec<HeaderValue> = match headers.entry(name) {
        header::Entry::Vacant(_) => return,
        header::Entry::Occupied(entry) => entry.remove_entry_mult().1.collect(),
    };
    for value in values {
        let changed = std::str::from_utf8(value.as_bytes()).ok().and_then(&change);
        if let Some(value) = changed.and_then(|text| HeaderValue::try_from(text).ok()) {
            headers.append(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(name: &'static str, value: &str) -> Vec<String> {
        let reach = |url: &Url| match url.host_str() {
            Some("p.test") => match url.path().strip_prefix("/scim/v2/") {
                Some(path) => UrlTarget::Path(path.to_owned()),
                None => UrlTarget::NotProxied,
            },
            _ => UrlTarget::OtherHost,
        };
        let own = "https://sb.test/gw/".parse().unwrap();
        let called = "https://p.test/scim/v2/Users?count=1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_str(value).unwrap());
        UrlRewriter { own_url: &own, request_url: &called, classify: &reach }.rewrite(&mut headers);
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn rewrites_provider_urls_to_proxy_urls() {
        for (from, to) in [
            ("https://p.test/scim/v2/Users/1", "https://sb.test/gw/proxy/Users/1"),
            ("/scim/v2/Users/a%20b?x=%2f#y", "https://sb.test/gw/proxy/Users/a%20b?x=%2f#y"),
            ("//p.test/scim/v2/Users/1", "https://sb.test/gw/proxy/Users/1"),
            ("Users/1", "https://sb.test/gw/proxy/Users/1"),
            ("?startIndex=2", "https://sb.test/gw/proxy/Users?startIndex=2"),
            ("https://elsewhere.test/scim/v2/x", "https://elsewhere.test/scim/v2/x"),
            ("https://elsewhere.test", "https://elsewhere.test"),
        ] {
            assert_eq!(rewritten("location", from), [to], "{from}");
            assert_eq!(rewritten("content-location", from), [to], "{from}");
        }
        for from in ["/login", "https://p.test/", "../../x"] {
            assert!(rewritten("location", from).is_empty(), "{from}");
        }
    }

    #[test]
    fn rewrites_each_link_and_preserves_its_parameters() {
        let link = "<https://p.test/scim/v2/Users?a=1,2>; rel=\"next\"; title=\"a, <b> \\\" c\", \
                    </scim/v2/Users>;rel=first,<https://e.test/>; rel=x, </login>; rel=y";
        assert_eq!(
            rewritten("link", link),
            ["<https://sb.test/gw/proxy/Users?a=1,2>; rel=\"next\"; title=\"a, <b> \\\" c\", \
              <https://sb.test/gw/proxy/Users>;rel=first, <https://e.test/>; rel=x"]
        );
        assert!(rewritten("link", "</login>; rel=y").is_empty());
    }
}
