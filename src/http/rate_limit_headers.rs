//! Writes the `RateLimit` headers: the remaining quotas of the rate limits that a request used.
//!
//! `RateLimit` and `RateLimit-Policy` are those of the IETF's draft:
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::limit::BucketStatus;

/// Maximum number of limits in a header, lowest remaining first.
const MAX_LIMITS: usize = 8;
/// The window of quotas, in seconds.
const WINDOW_S: u64 = 60;
/// Approximate bytes of one limit in a header.
const BYTES_PER_LIMIT: usize = 48;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Writes the headers for these limits, lowest remaining first.
pub(super) fn write_headers(standings: &[BucketStatus], headers: &mut HeaderMap) {
    if standings.is_empty() {
        return;
    }
    let room = BYTES_PER_LIMIT * standings.len().min(MAX_LIMITS);
    let (mut limits, mut policies) = (String::with_capacity(room), String::with_capacity(room));
    for (at, standing) in standings.iter().take(MAX_LIMITS).enumerate() {
        let comma = if at == 0 { "\"" } else { ", \"" };
        let BucketStatus { name, quota, remaining, .. } = standing;
        // The names contain no quotes.
        let reset = reset_seconds(standing);
        write_limit(&mut limits, [comma, name, "\";r="], u64::from(*remaining), (";t=", reset));
        write_limit(&mut policies, [comma, name, "\";q="], u64::from(*quota), (";w=", WINDOW_S));
    }
    for (name, text) in [(RATE_LIMIT, limits), (RATE_LIMIT_POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// Writes the three headers of older clients, for the first of these limits.
pub(super) fn write_legacy_headers(standings: &[BucketStatus], headers: &mut HeaderMap) {
    let Some(tightest) = standings.first() else { return };
    for (name, number) in [
        ("ratelimit-limit", u64::from(tightest.quota)),
        ("ratelimit-remaining", u64::from(tightest.remaining)),
        ("ratelimit-reset", reset_seconds(tightest)),
    ] {
        headers.insert(HeaderName::from_static(name), number.into());
    }
}

/// Writes one limit. On every response, so without the slower `format!`.
fn write_limit(text: &mut String, before: [&str; 3], number: u64, (parameter, value): (&str, u64)) {
    for part in before {
        text.push_str(part);
    }
    text.push_str(itoa::Buffer::new().format(number));
    text.push_str(parameter);
    text.push_str(itoa::Buffer::new().format(value));
}

/// Returns the seconds until the quota is full again, rounded up.
fn reset_seconds(standing: &BucketStatus) -> u64 {
    standing.reset.as_secs() + u64::from(standing.reset.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writes_structured_fields_with_the_lowest_remaining_first() {
        let standing = |name: &str, quota, remaining, ms| BucketStatus {
            name: name.to_owned().into(),
            quota,
            remaining,
            reset: Duration::from_millis(ms),
        };
        let budgets =
            [standing("scim.users.update", 180, 0, 6_001), standing("scim.write", 600, 99, 0)];
        let mut headers = HeaderMap::new();
        write_headers(&budgets, &mut headers);
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("ratelimit"), r#""scim.users.update";r=0;t=7, "scim.write";r=99;t=0"#);
        let policy = r#""scim.users.update";q=180;w=60, "scim.write";q=600;w=60"#;
        assert_eq!(text("ratelimit-policy"), policy);

        let mut plain = HeaderMap::new();
        write_legacy_headers(&budgets, &mut plain);
        assert_eq!(plain["ratelimit-limit"], "180");
        assert_eq!(plain["ratelimit-remaining"], "0");
        assert_eq!(plain["ratelimit-reset"], "7");
    }

    #[test]
    fn writes_no_headers_without_limits() {
        let mut headers = HeaderMap::new();
        write_headers(&[], &mut headers);
        write_legacy_headers(&[], &mut headers);
        assert!(headers.is_empty());
    }
}
