//! Cursors of the Web API: where the next page starts, for this method with these filters, for a
//! while. Slack's end with `=`, which breaks clients that do not encode it; so do these.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// What a cursor holds for: it is refused anywhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding(String);

impl Binding {
    /// The binding of a call: the method and its filters in a settled order.
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

/// A cursor for the page that starts at `position`.
pub(crate) fn encode(
    binding: &Binding,
    position: u64,
    now: OffsetDateTime,
    life: Duration,
) -> String {
    let until = (now + life).unix_timestamp();
    let mut text = format!("next:{position}:{until}:{}:", binding.0);
    // Two bytes over a multiple of three are written with one `=` at the end.
    while text.len() % 3 != 2 {
        text.push('.');
    }
    STANDARD.encode(text)
}

/// Where the page starts, or nothing when the cursor is not ours, not for this call or too old.
pub(crate) fn decode(cursor: &str, binding: &Binding, now: OffsetDateTime) -> Option<u64> {
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
    fn a_cursor_holds_for_its_call_and_its_time_only() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let filters = vec![("team_id".to_owned(), "T1".to_owned())];
        let binding = Binding::new(0, "admin.users.list", &filters);
        for position in [0, 7, 99, 1_000, 123_456] {
            let cursor = encode(&binding, position, now, Duration::HOUR);
            assert!(cursor.ends_with('='), "{cursor}");
            assert_eq!(decode(&cursor, &binding, now), Some(position));
            assert_eq!(decode(&cursor, &binding, now + Duration::hours(2)), None);
            let others = [
                Binding::new(0, "users.list", &filters),
                Binding::new(0, "admin.users.list", &[]),
                Binding::new(1, "admin.users.list", &filters),
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
