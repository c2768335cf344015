//! Addresses in a provider's headers. One that leads to the provider leads to the proxy instead, so that a client that
//! follows it sends its key to us.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use crate::connectors::Reach;

/// The headers whose whole value is an address.
const WHOLE: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];
/// How the proxy's paths begin, below our own address.
const PROXY: &str = "proxy/";

/// Whether a response has addresses to look at. Most have none.
pub(super) fn has_targets(headers: &HeaderMap) -> bool {
    WHOLE.iter().any(|name| headers.contains_key(name)) || headers.contains_key(header::LINK)
}

/// How the addresses of one response are rewritten.
pub(super) struct Targets<'a> {
    /// Our own address.
    pub(super) own: &'a Url,
    /// The address that was called: relative ones start from there.
    pub(super) called: &'a Url,
    /// Where an address leads.
    pub(super) reach: &'a dyn Fn(&Url) -> Reach,
}

/// What becomes of an address.
enum Target {
    Untouched,
    Rewritten(String),
    /// It names the provider, but nothing that the proxy has: nobody is sent there.
    Dropped,
}

impl Targets<'_> {
    /// Rewrites the addresses in these headers.
    pub(super) fn rewrite(&self, headers: &mut HeaderMap) {
        for name in WHOLE {
            replace(headers, &name, |value| match self.target(value) {
                Target::Untouched => Some(value.to_owned()),
                Target::Rewritten(address) => Some(address),
                Target::Dropped => None,
            });
        }
        replace(headers, &header::LINK, |value| {
            let links: Vec<String> = links(value).filter_map(|link| self.link(link)).collect();
            (!links.is_empty()).then(|| links.join(", "))
        });
    }

    fn target(&self, reference: &str) -> Target {
        let reference = reference.trim();
        let Ok(url) = self.called.join(reference) else { return Target::Untouched };
        match (self.reach)(&url) {
            Reach::Elsewhere => Target::Untouched,
            Reach::Beyond => Target::Dropped,
            Reach::Path(path) => {
                let own = self.own.as_str().trim_end_matches('/');
                let part = |mark: &str, part: Option<&str>| {
                    part.map(|part| format!("{mark}{part}")).unwrap_or_default()
                };
                let (query, fragment) = (part("?", url.query()), part("#", url.fragment()));
                Target::Rewritten(format!("{own}/{PROXY}{path}{query}{fragment}"))
            }
        }
    }

    /// One link, `<address>; rel="next"`; `None` when it is dropped.
    fn link(&self, link: &str) -> Option<String> {
        let parts = link.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let Some((address, parameters)) = parts else { return Some(link.to_owned()) };
        match self.target(address) {
            Target::Untouched => Some(link.to_owned()),
            Target::Rewritten(address) => Some(format!("<{address}>{parameters}")),
            Target::Dropped => None,
        }
    }
}

/// The links of a `Link` header (RFC 8288): commas within an address or a quoted text part none.
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

/// Gives each value of a header another one; a value that is no text is dropped, since nobody can say where it leads.
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
                Some(path) => Reach::Path(path.to_owned()),
                None => Reach::Beyond,
            },
            _ => Reach::Elsewhere,
        };
        let own = "https://sb.test/gw/".parse().unwrap();
        let called = "https://p.test/scim/v2/Users?count=1".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(name, HeaderValue::from_str(value).unwrap());
        Targets { own: &own, called: &called, reach: &reach }.rewrite(&mut headers);
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_address_at_the_provider_becomes_one_at_the_proxy() {
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
    fn each_target_of_a_link_is_rewritten_and_its_parameters_stay() {
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
