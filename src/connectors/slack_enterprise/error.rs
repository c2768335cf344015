//! Slack's error codes with their kind and fix, from `config/slack_enterprise_errors.tsv`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::classify::is_server_error;
use crate::connectors::ErrorKind;

const ERROR_TABLE: &str = include_str!("../../../config/slack_enterprise_errors.tsv");

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ErrorCode {
    kind: ErrorKind,
    fix: &'static str,
}

static ERROR_CODES: LazyLock<HashMap<&'static str, ErrorCode>> = LazyLock::new(|| rows().collect());

/// Parses the table. Skips malformed rows; a test checks that there are none.
fn rows() -> impl Iterator<Item = (&'static str, ErrorCode)> {
    ERROR_TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let (code, kind, fix) = (cells.next()?, parse_kind(cells.next()?)?, cells.next()?);
        Some((code, ErrorCode { kind, fix }))
    })
}

fn parse_kind(kind: &str) -> Option<ErrorKind> {
    Some(match kind {
        "conflict" => ErrorKind::Conflict,
        "forbidden" => ErrorKind::Forbidden,
        "invalid_argument" => ErrorKind::InvalidArgument,
        "invalid_cursor" => ErrorKind::InvalidCursor,
        "missing_scope" => ErrorKind::MissingScope,
        "not_found" => ErrorKind::NotFound,
        "rate_limited" => ErrorKind::RateLimited,
        "trouble" => ErrorKind::ProviderError,
        _ => return None,
    })
}

/// Returns the kind of a code; `InvalidArgument` for a code that is not in the table. The code itself always reaches
/// the caller.
pub(super) fn kind(code: &str) -> ErrorKind {
    if is_server_error(code) {
        return ErrorKind::ProviderError;
    }
    ERROR_CODES.get(code).map_or(ErrorKind::InvalidArgument, |known| known.kind)
}

/// Returns the fix of a code, when it is known.
pub(super) fn fix(code: &str) -> Option<&'static str> {
    ERROR_CODES.get(code).map(|known| known.fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_valid_unique_and_sorted() {
        let lines = ERROR_TABLE.lines().filter(|line| !line.starts_with('#')).count();
        let codes: Vec<&str> = rows().map(|(code, _)| code).collect();
        assert_eq!(codes.len(), lines, "a row can't be read");
        assert!(codes.is_sorted_by(|one, other| one < other), "out of order, or twice");
    }

    #[test]
    fn every_row_agrees_with_the_classifier_and_has_a_fix() {
        for (code, known) in rows() {
            assert_eq!(kind(code), known.kind, "{code}");
            assert!(known.fix.ends_with('.') && known.fix.len() > 10, "{code}: {}", known.fix);
        }
        assert_eq!(kind("never_heard_of"), ErrorKind::InvalidArgument);
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
