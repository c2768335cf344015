//! Validates callers' paths and joins them to a provider's base URL, so that they can't leave it.

use http::Method;
use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use percent_encoding::{percent_decode, percent_decode_str};
use url::Url;

/// Maximum number of layers of percent-encoding that are decoded for the check.
const MAX_ESCAPE_LAYERS: usize = 4;

const CHARACTER: &str = "a character of the path must be percent-encoded";
const ESCAPE: &str = "the path has a `%` that begins no escape of UTF-8";
const SEPARATOR: &str = "the path has an encoded slash or backslash";
const CONTROL: &str = "the path has an encoded control character";
const DOTS: &str = "the path has a dot segment";
const EMPTY: &str = "the path has an empty segment";
const NESTED: &str = "the path has escapes within escapes";

/// Checks that a path stays below the base URL, however often it is decoded. Everything else that RFC 3986 permits in a
/// path is allowed.
pub(super) fn check_path(path: &str) -> Result<(), &'static str> {
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        // A path may end with one slash; some servers merge repeated slashes and others do not.
        if segment.is_empty() && (segments.peek().is_some() || path.is_empty() || path == "/") {
            return Err(EMPTY);
        }
        check_segment(segment)?;
    }
    Ok(())
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    if !segment.bytes().all(is_permitted) {
        return Err(CHARACTER);
    }
    if !segment.contains('%') {
        return if is_dots(segment.as_bytes()) { Err(DOTS) } else { Ok(()) };
    }
    let mut escapes = segment.split('%').skip(1).map(str::as_bytes);
    if !escapes
        .all(|rest| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
    {
        return Err(ESCAPE);
    }
    let mut text = segment.as_bytes().to_vec();
    for _ in 0..MAX_ESCAPE_LAYERS {
        let decoded = percent_decode(&text).collect::<Vec<u8>>();
        if decoded == text {
            return Ok(());
        }
        text = decoded;
        if std::str::from_utf8(&text).is_err() {
            return Err(ESCAPE);
        }
        if text.iter().any(|byte| b"/\\".contains(byte)) {
            return Err(SEPARATOR);
        }
        if text.iter().any(u8::is_ascii_control) {
            return Err(CONTROL);
        }
        if is_dots(&text) {
            return Err(DOTS);
        }
    }
    Err(NESTED)
}

/// Whether a byte is a `pchar` of RFC 3986, or `%`.
fn is_permitted(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:@".contains(&byte)
}

/// Whether a segment is a dot segment, also for servers that cut off parameters after a semicolon first.
fn is_dots(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"." | b"..")
}

/// Returns the kind of resource that a path begins with, in lower case: the same for `Users`, `%55sers` and
/// `users;v=1`.
pub(super) fn resource_kind(path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    let name = first.split(';').next().unwrap_or_default();
    let decoded = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    let is_plain =
        decoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if is_plain { decoded } else { first.to_ascii_lowercase() }
}

/// Whether a path's first segment names a kind of resource.
pub(super) fn is_kind(segment: &str, name: &str) -> bool {
    segment.eq_ignore_ascii_case(name)
        || (segment.contains(['%', ';']) && resource_kind(segment) == name)
}

/// The target of a URL that a provider returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlTarget {
    /// A path of the provider that the proxy serves.
    Path(String),
    /// The provider's host, but not a path that the proxy serves.
    NotProxied,
    /// Another host.
    OtherHost,
}

/// Maximum length of a method name, in bytes: each call writes it to the audit log.
pub(super) const MAX_METHOD_NAME_BYTES: usize = 100;
/// Maximum length of a SCIM resource type, in bytes.
const MAX_KIND_NAME_BYTES: usize = 64;
/// The name of an uncommon HTTP method or resource type.
const OTHER: &str = "other";

/// Returns the method name of a SCIM call: the resource type that its path begins with, and its HTTP method. Callers
/// choose both, so uncommon ones share a name.
pub(super) fn scim_name(method: &Method, path: &str) -> String {
    let kind = resource_kind(path);
    let is_common = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_usual = kind.len() <= MAX_KIND_NAME_BYTES && kind.bytes().all(is_common);
    let kind = if is_usual { kind.as_str() } else { OTHER };
    let verb = match *method {
        Method::GET
        | Method::HEAD
        | Method::OPTIONS
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE => method.as_str(),
        _ => OTHER,
    };
    format!("scim.{kind}.{verb}").to_ascii_lowercase()
}

/// A provider's base URL, parsed once, that paths are joined to.
#[derive(Debug, Clone)]
pub(super) struct BaseUrl {
    scheme: Scheme,
    authority: Authority,
    /// The path, with a trailing slash.
    path: String,
}

impl BaseUrl {
    /// Parses a base URL; `None` for a URL without a host.
    pub(super) fn from_url(url: &Url) -> Option<Self> {
        let uri = Uri::try_from(url.as_str()).ok()?;
        let parts = uri.into_parts();
        let path = url.path().trim_end_matches('/');
        Some(Self { scheme: parts.scheme?, authority: parts.authority?, path: format!("{path}/") })
    }

    /// Joins a path and a query; `None` when one of them is invalid.
    pub(super) fn join(&self, path: &str, query: Option<&str>) -> Option<Uri> {
        let mark = if query.is_some() { "?" } else { "" };
        let text = [&*self.path, path, mark, query.unwrap_or_default()].concat();
        // A fragment would be cut off silently.
        if text.contains('#') {
            return None;
        }
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
        Uri::from_parts(parts).ok()
    }

    /// Classifies a URL relative to this base URL. The scheme is ignored.
    pub(super) fn classify_url(&self, url: &Url) -> UrlTarget {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let is_default = |scheme: &str, port: Option<u16>| match port {
            None => true,
            Some(port) => (scheme, port) == ("http", 80) || (scheme, port) == ("https", 443),
        };
        let own = self.authority.port_u16();
        let is_same_port = own == url.port()
            || (is_default(self.scheme.as_str(), own) && is_default(url.scheme(), url.port()));
        if !host.eq_ignore_ascii_case(self.authority.host()) || !is_same_port {
            return UrlTarget::OtherHost;
        }
        url.path()
            .strip_prefix(&*self.path)
            .map_or(UrlTarget::NotProxied, |rest| UrlTarget::Path(rest.to_owned()))
    }
}

/// Converts a URL to a request URI.
pub(super) fn uri(url: &Url) -> Option<Uri> {
    url.as_str().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_what_rfc_3986_permits() {
        for path in [
            "Users",
            "Users/",
            "Users/a%20b",
            "Users/~a'b(c)*d!e$f&g,h;i=j:k@l+m-n._o",
            "Users/%c3%a9%C3%A9",
            "Users/...",
            "Users/..a",
            "Users/a..",
            "Users/100%25",
            "Users/%41%7E%2e%2e%2e",
            "Users/a%3Fb%23c%3b",
            "Users/.well-known",
            "Users/%e4%bd%a0",
            "Users/a%26b%3Dc",
            "Users/%5Ba%5D%7Cb%22",
        ] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn rejects_paths_that_could_leave_the_base_url() {
        for (path, reason) in [
            ("", EMPTY),
            ("/", EMPTY),
            ("a//b", EMPTY),
            ("/a", EMPTY),
            ("a//", EMPTY),
            ("..", DOTS),
            ("a/./b", DOTS),
            ("a/%2e%2E/b", DOTS),
            ("a/.%2e", DOTS),
            ("a/..;x=1/b", DOTS),
            ("a/%252e%252e", DOTS),
            ("a/%2e;x", DOTS),
            ("a/..%3bx", DOTS),
            ("a%2Fb", SEPARATOR),
            ("a%2fb", SEPARATOR),
            ("a%5Cb", SEPARATOR),
            ("a%255cb", SEPARATOR),
            ("a%25252fb", SEPARATOR),
            ("a%00", CONTROL),
            ("a%0d%0ab", CONTROL),
            ("a%7f", CONTROL),
            ("a%250a", CONTROL),
            ("a%", ESCAPE),
            ("a%2", ESCAPE),
            ("a%zz", ESCAPE),
            ("a%ff", ESCAPE),
            ("a%c0%af", ESCAPE),
            ("a b", CHARACTER),
            ("a\\b", CHARACTER),
            ("a\"b", CHARACTER),
            ("\u{e9}", CHARACTER),
            ("a?b", CHARACTER),
            ("a#b", CHARACTER),
            ("a[b]", CHARACTER),
            ("a\r\nb", CHARACTER),
            ("a%2525252525", NESTED),
        ] {
            assert_eq!(check_path(path), Err(reason), "{path}");
        }
    }

    #[test]
    fn reads_the_resource_kind_in_any_spelling() {
        for path in ["Users", "Users/1", "%55sers/1", "uSERS;v=1/2", "Users/"] {
            assert_eq!(resource_kind(path), "users", "{path}");
        }
        assert_eq!(resource_kind("a%20b/1"), "a%20b");
    }

    #[test]
    fn recognizes_provider_urls() {
        let base = BaseUrl::from_url(&"https://p.test/scim/v2/".parse().unwrap()).unwrap();
        let reach = |url: &str| base.classify_url(&url.parse().unwrap());
        for url in [
            "https://p.test/scim/v2/Users/1",
            "https://P.TEST:443/scim/v2/Users/1",
            "http://p.test/scim/v2/Users/1",
            "https://a:b@p.test./scim/v2/Users/1",
        ] {
            assert_eq!(reach(url), UrlTarget::Path("Users/1".to_owned()), "{url}");
        }
        assert_eq!(reach("https://p.test/login"), UrlTarget::NotProxied);
        for url in [
            "https://p.test.evil.test/scim/v2/x",
            "https://p.test:8443/scim/v2/x",
            "mailto:a@p.test",
        ] {
            assert_eq!(reach(url), UrlTarget::OtherHost, "{url}");
        }
    }
}
