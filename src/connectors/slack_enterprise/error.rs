//! Slack's error codes, sorted by what the caller can do about them: `config/slack_enterprise_errors.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::dialect::is_trouble;
use crate::connectors::Kind;

const TABLE: &str = include_str!("../../../config/slack_enterprise_errors.tsv");

/// A code of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    kind: Kind,
    fix: &'static str,
}

static KNOWN: LazyLock<HashMap<&'static str, Known>> = LazyLock::new(|| rows().collect());

/// The rows of the table; one that can't be read is none, which a test would tell.
fn rows() -> impl Iterator<Item = (&'static str, Known)> {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let (code, kind, fix) = (cells.next()?, named(cells.next()?)?, cells.next()?);
        Some((code, Known { kind, fix }))
    })
}

fn named(kind: &str) -> Option<Kind> {
    Some(match kind {
        "conflict" => Kind::Conflict,
        "forbidden" => Kind::Forbidden,
        "invalid_argument" => Kind::InvalidArgument,
        "invalid_cursor" => Kind::InvalidCursor,
        "missing_scope" => Kind::MissingScope,
        "not_found" => Kind::NotFound,
        "rate_limited" => Kind::RateLimited,
        "trouble" => Kind::Trouble,
        _ => return None,
    })
}

/// The kind of a code. One that is not in the table is an argument the provider did not like; the
/// code itself always reaches the caller.
pub(super) fn kind(code: &str) -> Kind {
    if is_trouble(code) {
        return Kind::Trouble;
    }
    KNOWN.get(code).map_or(Kind::InvalidArgument, |known| known.kind)
}

/// How to fix what a code says, when that is known.
pub(super) fn fix(code: &str) -> Option<&'static str> {
    KNOWN.get(code).map(|known| known.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_can_be_read_and_stands_once_in_order() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let codes: Vec<&str> = rows().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), lines, "a row can't be read");
        assert!(codes.is_sorted_by(|one, other| one < other), "out of order, or twice");
    }

    #[test]
    fn every_row_agrees_with_what_sending_knows_and_says_what_to_do() {
        for (code, known) in rows() {
            assert_eq!(kind(code), known.kind, "{code}");
            assert!(known.fix.ends_with('.') && known.fix.len() > 10, "{code}: {}", known.fix);
        }
        assert_eq!(kind("never_heard_of"), Kind::InvalidArgument);
        assert_eq!(fix("never_heard_of"), None);
    }

    #[test]
    fn every_documented_code_of_the_methods_in_use_is_in_the_table() {
        const DOCUMENTED: &str = include_str!("../../../tests/it/conformance/method_errors.tsv");
        for line in DOCUMENTED.lines().skip(1) {
            let (method, codes) = line.split_once('\t').unwrap();
            for code in codes.split(',').filter(|code| !code.is_empty()) {
                assert!(fix(code).is_some(), "{method} documents {code}");
            }
        }
    }
}
