//! Slack's error codes, sorted by what the caller can do about them: one table, tested.

use crate::connectors::Kind;

/// Codes and their kinds. A code that is not here is an argument the provider did not like, when the
/// call had one to dislike; the code itself always reaches the caller.
const KINDS: &[(&str, Kind)] = &[
    ("access_denied", Kind::Forbidden),
    ("admin_unauthorized", Kind::Forbidden),
    ("already_in_team", Kind::Conflict),
    ("already_in_team_invited_user", Kind::Conflict),
    ("cannot_decode_user_id", Kind::NotFound),
    ("cannot_disable_bot_user_with_scim", Kind::Conflict),
    ("cannot_disable_primary_owner", Kind::Conflict),
    ("cannot_invalidate_primary_owner", Kind::Conflict),
    ("cannot_make_user_guest", Kind::Conflict),
    ("cannot_modify_gdpr", Kind::Conflict),
    ("cannot_modify_owner", Kind::Conflict),
    ("cannot_modify_primary_owner", Kind::Conflict),
    ("cannot_modify_role_admin", Kind::Forbidden),
    ("cannot_reset_bot", Kind::Conflict),
    ("cannot_reset_primary_owner", Kind::Conflict),
    ("cannot_set_org_admin_to_regular_at_workspace_level", Kind::Conflict),
    ("cannot_set_this_guest_to_regular_at_team_level", Kind::Conflict),
    ("channel_not_found", Kind::NotFound),
    ("domain_taken", Kind::Conflict),
    ("ekm_access_denied", Kind::Forbidden),
    ("email_taken", Kind::Conflict),
    ("enterprise_is_restricted", Kind::Forbidden),
    ("enterprise_not_found", Kind::NotFound),
    ("feature_not_enabled", Kind::Forbidden),
    ("idp_group_linked_to_channels", Kind::Conflict),
    ("invalid_actor", Kind::Forbidden),
    ("invalid_cursor", Kind::InvalidCursor),
    ("invalid_permissions", Kind::Forbidden),
    ("invalid_role_for_user", Kind::Conflict),
    ("invited_user_not_created", Kind::Conflict),
    ("invited_user_not_reactivated", Kind::Conflict),
    ("missing_scope", Kind::MissingScope),
    ("name_taken_in_org", Kind::Conflict),
    ("no_permission", Kind::Forbidden),
    ("no_perms", Kind::Forbidden),
    ("no_such_group", Kind::NotFound),
    ("no_such_user", Kind::NotFound),
    ("non_org_teams_only", Kind::Forbidden),
    ("not_allowed", Kind::Forbidden),
    ("not_allowed_token_type", Kind::Forbidden),
    ("not_an_admin", Kind::Forbidden),
    ("not_an_owner", Kind::Forbidden),
    ("org_not_found", Kind::NotFound),
    ("paid_teams_only", Kind::Forbidden),
    ("permission_denied", Kind::Forbidden),
    ("plus_teams_only", Kind::Forbidden),
    ("primary_owner_check_failure", Kind::Conflict),
    ("resource_locked", Kind::Conflict),
    ("resource_not_found", Kind::NotFound),
    ("restricted_action", Kind::Forbidden),
    ("session_not_found", Kind::NotFound),
    ("session_reset_not_allowed", Kind::Forbidden),
    ("target_team_not_on_org", Kind::NotFound),
    ("team_not_found", Kind::NotFound),
    ("team_not_on_enterprise", Kind::NotFound),
    ("too_many_requests", Kind::RateLimited),
    ("unable_to_add_deleted_or_guest_to_group", Kind::Conflict),
    ("unknown_user", Kind::NotFound),
    ("user_already_deleted", Kind::Conflict),
    ("user_already_team_member", Kind::Conflict),
    ("user_creation_failed", Kind::Conflict),
    ("user_disabled", Kind::Conflict),
    ("user_is_already_deleted", Kind::Conflict),
    ("user_is_bot", Kind::Conflict),
    ("user_is_deactivated", Kind::Conflict),
    ("user_is_not_a_guest", Kind::Conflict),
    ("user_must_be_in_workspace", Kind::Conflict),
    ("user_not_found", Kind::NotFound),
    ("user_not_visible", Kind::NotFound),
    ("usergroup_not_found", Kind::NotFound),
    ("username_taken", Kind::Conflict),
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
