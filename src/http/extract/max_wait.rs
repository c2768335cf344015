//! How long a caller waits for permits and retries: `Prefer: wait=N` (RFC 7240), or the setting.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

use crate::http::state::Services;

/// The header with the preferred maximum wait.
pub(in crate::http) const PREFER: HeaderName = HeaderName::from_static("prefer");
/// The maximum wait that a caller can request.
const MAX_WAIT: Duration = Duration::from_mins(2);

/// Returns the maximum wait for a rate limit permit: `Prefer: wait=N` (RFC 7240), else the setting.
pub(in crate::http) fn max_wait(headers: &HeaderMap, services: &Services) -> Duration {
    preferred_wait(headers).unwrap_or(services.max_wait)
}

/// Returns the first `Prefer: wait=N`, in seconds.
fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    let wait = preferences.find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
    })?;
    Some(Duration::from_secs(wait.parse().ok()?).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_preferred_wait() {
        for (values, seconds) in [
            (&["wait=5"][..], Some(5)),
            (&["return=minimal, Wait = \"7\""], Some(7)),
            (&["respond-async", "wait=0"], Some(0)),
            (&["wait=3; x=y, wait=9"], Some(3)),
            (&["wait=999999"], Some(120)),
            (&["wait=-1"], None),
            (&["wait=1.5"], None),
            (&["waiting=5"], None),
            (&[], None),
        ] {
            let values = values.iter().map(|value| (PREFER, value.parse().unwrap()));
            let headers: HeaderMap = values.fold(HeaderMap::new(), |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            });
            assert_eq!(preferred_wait(&headers), seconds.map(Duration::from_secs), "{headers:?}");
        }
    }
}
