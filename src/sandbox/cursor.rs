//! Pagination cursors of the Web API, bound to a method and its filters and valid for a limited
//! time. Slack's end with `=`, which breaks clients that do not URL-encode it; so do these.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// Method and filters that a cursor is valid for, as a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CursorScope(String);

impl CursorScope {
    /// Returns the scope of a call; the filters must be in a fixed order.
    pub(crate) fn new(generation: u64, method: &str, filters: &[(String, String)]) -> Self {
        let mut hash = Sha256::new();
        hash.update(generation.to_be_bytes());
        hash.update(method.as_bytes());
        for (name, value) in filters {
            hash.update([0]);
            hash.update(name.as_bytes());
            hash.update([1]);
            hash.update(value.as_bytes());
        }
        let digest = STANDARD.encode(hash.finalize());
        Self(digest.chars().take(12).collect())
    }
}

/// Returns a cursor for the page that starts at `position`.
pub(crate) fn encode(
    binding: &CursorScope,
    position: u64,
    now: OffsetDateTime,
    life: Duration,
) -> String {
    let until = (now + life).unix_timestamp();
    let mut text = format!("next:{position}:{until}:{}:", binding.0);
    // Texts with a length of 3n+2 bytes get exactly one `=` of padding.
    while text.len() % 3 != 2 {
        text.push('.');
    }
    STANDARD.encode(text)
}

/// Returns the start of the page, or `None` for a forged, foreign or expired cursor.
pub(crate) fn decode(cursor: &str, binding: &CursorScope, now: OffsetDateTime) -> Option<u64> {
    let text = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
    let mut parts = text.split(':');
    let mut next = || parts.next();
    if next()? != "next" {
        return None;
    }
    let position = next()?.parse().ok()?;
    let until: i64 = next()?.parse().ok()?;
    let holds = next()? == binding.0 && now.unix_timestamp() <= until;
    holds.then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_cursor_of_another_call_or_expired() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let filters = vec![("team_id".to_owned(), "T1".to_owned())];
        let binding = CursorScope::new(0, "admin.users.list", &filters);
        for position in [0, 7, 99, 1_000, 123_456] {
            let cursor = encode(&binding, position, now, Duration::HOUR);
            assert!(cursor.ends_with('='), "{cursor}");
            assert_eq!(decode(&cursor, &binding, now), Some(position));
            assert_eq!(decode(&cursor, &binding, now + Duration::hours(2)), None);
            let others = [
                CursorScope::new(0, "users.list", &filters),
                CursorScope::new(0, "admin.users.list", &[]),
                CursorScope::new(1, "admin.users.list", &filters),
            ];
            for other in others {
                assert_eq!(decode(&cursor, &other, now), None);
            }
        }
        for cursor in ["", "dXNlcjpVMDYxTkZUVDI=", "not base64", "===="] {
            assert_eq!(decode(cursor, &binding, now), None);
        }
    }
}
