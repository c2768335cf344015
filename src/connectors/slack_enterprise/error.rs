//! Slack's error codes, sorted by what the caller can do about them: one table, tested.

use crate::connectors::Kind;

/// Codes and their kinds. A code that is not here is an argument the provider did not like, when the
/// call had one to dislike; the code itself always reaches the caller.
const KINDS: &[(&str, Kind)] = &[
    ("access_denied", Kind::Forbidden),
    ("cannot_decode_user_id", Kind::NotFound),
    ("channel_not_found", Kind::NotFound),
    ("ekm_access_denied", Kind::Forbidden),
    ("enterprise_is_restricted", Kind::Forbidden),
    ("enterprise_not_found", Kind::NotFound),
    ("feature_not_enabled", Kind::Forbidden),
    ("invalid_actor", Kind::Forbidden),
    ("invalid_cursor", Kind::InvalidCursor),
    ("missing_scope", Kind::MissingScope),
    ("no_permission", Kind::Forbidden),
    ("no_such_group", Kind::NotFound),
    ("no_such_user", Kind::NotFound),
    ("non_org_teams_only", Kind::Forbidden),
    ("not_allowed_token_type", Kind::Forbidden),
    ("not_an_admin", Kind::Forbidden),
    ("not_an_owner", Kind::Forbidden),
    ("org_not_found", Kind::NotFound),
    ("permission_denied", Kind::Forbidden),
    ("plus_teams_only", Kind::Forbidden),
    ("resource_not_found", Kind::NotFound),
    ("team_not_found", Kind::NotFound),
    ("team_not_on_enterprise", Kind::NotFound),
    ("too_many_requests", Kind::RateLimited),
    ("unknown_user", Kind::NotFound),
    ("user_not_found", Kind::NotFound),
    ("user_not_visible", Kind::NotFound),
];

/// The kind of a code.
pub(super) fn kind(code: &str) -> Kind {
    if super::dialect::is_dead_token(code) {
        return Kind::NeedsReauth;
    }
    if super::dialect::is_trouble(code) {
        return Kind::Trouble;
    }
    KINDS.iter().find(|(known, _)| *known == code).map_or(Kind::InvalidArgument, |(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_has_no_code_twice() {
        assert!(KINDS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn codes_are_sorted_by_what_the_caller_can_do() {
        for (code, expected) in [
            ("token_revoked", Kind::NeedsReauth),
            ("missing_scope", Kind::MissingScope),
            ("user_not_found", Kind::NotFound),
            ("internal_error", Kind::Trouble),
            ("invalid_cursor", Kind::InvalidCursor),
            ("never_heard_of", Kind::InvalidArgument),
        ] {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
