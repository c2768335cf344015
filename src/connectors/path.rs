//! Paths of a caller that are joined to a provider's address, and can't lead away from it.

use http::uri::{self, Authority, PathAndQuery, Scheme, Uri};
use url::Url;

/// Whether a path can only mean what it shows: no dot segment, no empty one, nothing escaped.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-:@".contains(&byte))
}

/// A provider's address, to which paths are joined without reading it anew on every call.
#[derive(Debug, Clone)]
pub(super) struct Base {
    scheme: Scheme,
    authority: Authority,
    /// The path, which ends with a slash.
    path: String,
}

impl Base {
    /// What calls go below; `None` for an address that has no host.
    pub(super) fn of(url: &Url) -> Option<Self> {
        let uri = Uri::try_from(url.as_str()).ok()?;
        let parts = uri.into_parts();
        let path = url.path().trim_end_matches('/');
        Some(Self { scheme: parts.scheme?, authority: parts.authority?, path: format!("{path}/") })
    }

    /// The address of a path below this one; `None` when it is no path, or no query.
    pub(super) fn at(&self, path: &str, query: Option<&str>) -> Option<Uri> {
        let query = query.filter(|query| !query.is_empty());
        let mark = if query.is_some() { "?" } else { "" };
        let text = [&*self.path, path, mark, query.unwrap_or_default()].concat();
        // A fragment would be cut off in silence.
        if text.contains('#') {
            return None;
        }
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
        Uri::from_parts(parts).ok()
    }
}

/// An address with its query, as a request has it.
pub(super) fn uri(url: &Url) -> Option<Uri> {
    url.as_str().parse().ok()
}
