//! The headers that tell what is left of the provider's budgets which a request took from.
//!
//! `RateLimit` and `RateLimit-Policy` are those of the IETF's draft:
//! <https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>

use std::fmt::Write as _;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;

use crate::limit::Standing;

/// So many budgets are told, the tightest first.
const MOST: usize = 8;
/// A minute: the time that quotas are for, in seconds.
const WINDOW_S: u32 = 60;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The budget of which the least is left; it goes with the answer inside of the program.
#[derive(Debug, Clone)]
pub(super) struct Tightest(Standing);

/// Tells how these budgets stand, the tightest first.
pub(super) fn tell(standings: &[Standing], response: &mut Response) {
    let Some(tightest) = standings.first() else { return };
    let (mut limits, mut policies) = (String::new(), String::new());
    for (at, standing) in standings.iter().take(MOST).enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let Standing { name, quota, remaining, .. } = standing;
        let seconds = seconds(standing);
        // Writing into a text can't fail, and a budget's name holds no quotes.
        let _ = write!(limits, "{comma}\"{name}\";r={remaining};t={seconds}");
        let _ = write!(policies, "{comma}\"{name}\";q={quota};w={WINDOW_S}");
    }
    for (name, text) in [(RATE_LIMIT, limits), (RATE_LIMIT_POLICY, policies)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response.extensions_mut().insert(Tightest(tightest.clone()));
}

impl Tightest {
    /// The three headers of older clients.
    pub(super) fn write_plainly(&self, headers: &mut HeaderMap) {
        let Self(standing) = self;
        for (name, number) in [
            ("ratelimit-limit", u64::from(standing.quota)),
            ("ratelimit-remaining", u64::from(standing.remaining)),
            ("ratelimit-reset", seconds(standing)),
        ] {
            headers.insert(HeaderName::from_static(name), number.into());
        }
    }
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
            name: name.into(),
            quota,
            remaining,
            reset: Duration::from_millis(ms),
        };
        let budgets =
            [standing("scim.users.write", 180, 0, 6_001), standing("scim.write", 600, 99, 0)];
        let mut response = Response::default();
        tell(&budgets, &mut response);
        let text = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(text("ratelimit"), r#""scim.users.write";r=0;t=7, "scim.write";r=99;t=0"#);
        let policy = r#""scim.users.write";q=180;w=60, "scim.write";q=600;w=60"#;
        assert_eq!(text("ratelimit-policy"), policy);

        let mut plain = HeaderMap::new();
        response.extensions().get::<Tightest>().unwrap().write_plainly(&mut plain);
        assert_eq!(plain["ratelimit-limit"], "180");
        assert_eq!(plain["ratelimit-remaining"], "0");
        assert_eq!(plain["ratelimit-reset"], "7");
    }

    #[test]
    fn a_request_that_took_from_no_budget_tells_nothing() {
        let mut response = Response::default();
        tell(&[], &mut response);
        assert!(response.headers().is_empty());
    }
}
