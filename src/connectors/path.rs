//! Paths of a caller that are joined to a provider's address, and can't lead away from it.

use url::Url;

/// Whether a path can only mean what it shows: no dot segment, no empty one, nothing escaped.
pub(super) fn is_plain(path: &str) -> bool {
    path.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-:@".contains(&byte))
}

/// The address of a path below `base`; `None` when it would lead elsewhere.
pub(super) fn join(base: &Url, path: &str, query: Option<&str>) -> Option<Url> {
    // Not `Url::join`: that reads the whole address anew, on every call.
    let mut url = base.clone();
    url.set_path(&[base.path(), path].concat());
    url.set_query(query.filter(|query| !query.is_empty()));
    let stays = url.origin() == base.origin() && url.path().starts_with(base.path());
    stays.then_some(url)
}
