//! The headers that tell what is left of the provider's budgets which a request took from.
//!
//! `RateLimit` and `RateLimit-Policy` are those of the IETF's draft:
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::limit::Standing;

/// So many budgets are told, the tightest first.
const MOST: usize = 8;
/// A minute: the time that quotas are for, in seconds.
const WINDOW_S: u64 = 60;
/// What a budget takes in a header, about, in bytes.
const ROOM: usize = 48;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells how these budgets stand, the tightest first.
pub(super) fn tell(standings: &[Standing], headers: &mut HeaderMap) {
    if standings.is_empty() {
        return;
    }
    let room = ROOM * standings.len().min(MOST);
    let (mut limits, mut policies) = (String::with_capacity(room), String::with_capacity(room));
    for (at, standing) in standings.iter().take(MOST).enumerate() {
        let comma = if at == 0 { "\"" } else { ", \"" };
        let Standing { name, quota, remaining, .. } = standing;
        // A budget's name holds no quotes.
        let reset = seconds(standing);
        write(&mut limits, [comma, name, "\";r="], u64::from(*remaining), (";t=", reset));
        write(&mut policies, [comma, name, "\";q="], u64::from(*quota), (";w=", WINDOW_S));
    }
    for (name, text) in [(RATE_LIMIT, limits), (RATE_LIMIT_POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

/// The three headers of older clients, for the tightest of these budgets.
pub(super) fn tell_plainly(standings: &[Standing], headers: &mut HeaderMap) {
    let Some(tightest) = standings.first() else { return };
    for (name, number) in [
        ("ratelimit-limit", u64::from(tightest.quota)),
        ("ratelimit-remaining", u64::from(tightest.remaining)),
        ("ratelimit-reset", seconds(tightest)),
    ] {
        headers.insert(HeaderName::from_static(name), number.into());
    }
}

/// Writes one budget. Every answer has some: this is several times as fast as formatting.
fn write(text: &mut String, before: [&str; 3], number: u64, (parameter, value): (&str, u64)) {
    for part in before {
        text.push_str(part);
    }
    text.push_str(itoa::Buffer::new().format(number));
    text.push_str(parameter);
    text.push_str(itoa::Buffer::new().format(value));
}

/// When a budget is full again, in seconds.
fn seconds(standing: &Standing) -> u64 {
    standing.reset.as_secs() + u64::from(standing.reset.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_headers_are_structured_fields_with_the_tightest_budget_first() {
        let standing = |name: &str, quota, remaining, ms| Standing {
            name: name.to_owned().into(),
            quota,
            remaining,
            reset: Duration::from_millis(ms),
        };
        let budgets =
            [standing("scim.users.update", 180, 0, 6_001), standing("scim.write", 600, 99, 0)];
        let mut headers = HeaderMap::new();
        tell(&budgets, &mut headers);
        let text = |name: &str| headers[name].to_str().unwrap();
        assert_eq!(text("ratelimit"), r#""scim.users.update";r=0;t=7, "scim.write";r=99;t=0"#);
        let policy = r#""scim.users.update";q=180;w=60, "scim.write";q=600;w=60"#;
        assert_eq!(text("ratelimit-policy"), policy);

        let mut plain = HeaderMap::new();
        tell_plainly(&budgets, &mut plain);
        assert_eq!(plain["ratelimit-limit"], "180");
        assert_eq!(plain["ratelimit-remaining"], "0");
        assert_eq!(plain["ratelimit-reset"], "7");
    }

    #[test]
    fn a_request_that_took_from_no_budget_tells_nothing() {
        let mut headers = HeaderMap::new();
        tell(&[], &mut headers);
        tell_plainly(&[], &mut headers);
        assert!(headers.is_empty());
    }
}
