//! What SCIM does not have, and the alternatives.

use crate::connectors::{CallContext, ConnectorError, ErrorKind};

/// What to do in place of an invitation.
pub(super) const NO_INVITATIONS: &str = "SCIM has no invitations: create the user without `invite`; the service \
    informs the user by its own rules.";
/// What to do in place of an expiry.
pub(super) const NO_EXPIRY: &str = "SCIM has no expiry of accounts: deactivate the user with DELETE /users/{id} when the access ends.";
/// What to do in place of ending sessions.
pub(super) const NO_SESSIONS: &str = "SCIM has no sessions: deactivate the user with DELETE /users/{id} without \
    `sign_out`; the service ends the sessions by its own rules.";
/// What to do where users can't be deactivated.
pub(super) const NO_ACTIVE: &str = "The service's schema of users has no writable attribute `active`. Set \
    `delete_user` to `delete` in the account's `provider_settings` to delete users instead.";
/// What to do where the service has no groups.
pub(super) const NO_GROUPS: &str =
    "The service announced no groups. Use the proxy for its own resource types.";
/// What to do in place of members of workspaces.
pub(super) const NO_WORKSPACES: &str = "The account has no workspaces. Set `workspaces_from` in its \
    `provider_settings` to the groups that are workspaces, or use /groups/{id}/members.";
/// What to do where the account has no roles.
pub(super) const NO_ROLES: &str = "The account has no roles. Set `roles_from` in its `provider_settings` to `roles`, `entitlements` or `groups`.";
/// What to do about roles that the service sets itself.
pub(super) const ROLES_READ_ONLY: &str = "The service's schema does not let this attribute of users be written. Assign the role in the service.";
/// What to do where the service has no `/Me`.
pub(super) const NO_ME: &str =
    "The service has no `/Me`. Find the user of the credentials with GET /users.";
/// What to do in place of guests.
pub(super) const NO_GUESTS: &str =
    "SCIM has no guests and no channels: add the user as `member`, without `channel_ids`.";
/// What to do in place of links of groups to workspaces.
pub(super) const NO_LINKS: &str = "is not supported by SCIM: groups are not linked to workspaces";

/// Returns the error of an operation that SCIM, or this service, does not have.
pub(super) fn unsupported(cx: &CallContext<'_>, alternative: &'static str) -> ConnectorError {
    cx.error("scim", ErrorKind::Unsupported).with_fix(alternative)
}
