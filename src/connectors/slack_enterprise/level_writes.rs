//! Assigns and removes levels of a workspace or of the organization: `admin.users.set…`.

use super::SlackConnector;
use crate::connectors::{CallContext, ConnectorError, ErrorKind, PLACE_FIELD, ReadBack, RoleGrant};
use crate::domain::patch::WriteOutcome;

const ADMIN: &str = "admin.users.setAdmin";
const OWNER: &str = "admin.users.setOwner";
const REGULAR: &str = "admin.users.setRegular";

/// Why a role can't be assigned or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AssignmentRefusal {
    /// The primary owner is transferred in the browser.
    PrimaryOwner,
    /// A guest role needs channels: it is a membership.
    Guest,
    /// The role of a member is a membership.
    Membership,
    /// No such role, or not in this place.
    Unknown,
}

impl AssignmentRefusal {
    /// Returns the fix.
    fn fix(self) -> &'static str {
        match self {
            Self::PrimaryOwner => {
                "The role of the primary owner can't be assigned by an API. Transfer it in Slack."
            }
            Self::Guest => {
                "A guest role needs channels. Use POST /workspaces/{id}/members with `user_type` \
                    and `channel_ids`."
            }
            Self::Membership => {
                "A membership can't be removed as a role. Use DELETE /workspaces/{id}/members/{user_id}, \
                    or DELETE /users/{id}."
            }
            Self::Unknown => {
                "There is no such role in this place. Roles `org:…` take no `workspace_id`, roles `ws:…` \
                 need one; GET /roles lists all roles."
            }
        }
    }
}

/// Returns the method that assigns a level.
fn assign_method(role: &str) -> Result<&'static str, AssignmentRefusal> {
    match role {
        "org:admin" | "ws:admin" => Ok(ADMIN),
        "org:owner" | "ws:owner" => Ok(OWNER),
        "org:member" | "ws:member" => Ok(REGULAR),
        "org:primary_owner" | "ws:primary_owner" => Err(AssignmentRefusal::PrimaryOwner),
        "ws:guest_multi_channel" | "ws:guest_single_channel" => Err(AssignmentRefusal::Guest),
        _ => Err(AssignmentRefusal::Unknown),
    }
}

/// Checks whether a level can be removed, which leaves a member.
fn check_removable(role: &str) -> Result<(), AssignmentRefusal> {
    match role {
        "org:member" | "ws:member" => Err(AssignmentRefusal::Membership),
        other => assign_method(other).map(|_| ()),
    }
}

/// Checks whether a level can be assigned in a place.
pub(super) fn check_level(cx: &CallContext<'_>, holding: &RoleGrant) -> Result<(), ConnectorError> {
    assign_method(&holding.role_id).map_err(|why| not_assignable(cx, why))?;
    check_place(cx, holding).map_err(|error| error.with_field(PLACE_FIELD))
}

impl SlackConnector {
    /// Assigns a level to a user.
    pub(super) async fn assign_level(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<WriteOutcome, ConnectorError> {
        check_place(cx, holding)?;
        let method = assign_method(&holding.role_id).map_err(|why| not_assignable(cx, why))?;
        // Slack accepts a level that is held. Where it can't be read, it is assigned anyway.
        if matches!(self.holds_level(cx, holding).await, Ok(true)) {
            return Ok(WriteOutcome::Unchanged);
        }
        self.set_level(cx, method, holding).await
    }

    /// Makes a user a member, if the user holds the level; a user with another level is unchanged.
    pub(super) async fn remove_level(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<WriteOutcome, ConnectorError> {
        check_place(cx, holding)?;
        check_removable(&holding.role_id).map_err(|why| not_assignable(cx, why))?;
        let is_held = self.holds_level(cx, holding).await;
        if !is_held.map_err(|error| error.with_read_back(ReadBack::NotSent))? {
            return Ok(WriteOutcome::Unchanged);
        }
        self.set_level(cx, REGULAR, holding).await
    }

    async fn set_level(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        holding: &RoleGrant,
    ) -> Result<WriteOutcome, ConnectorError> {
        let arguments = [("team_id", &*holding.place_id), ("user_id", &*holding.user_id)];
        self.web(cx, method, &arguments).await.map(|_| WriteOutcome::Applied)
    }
}

/// Checks that a level of the organization is in the organization, and one of a workspace in a workspace.
fn check_place(cx: &CallContext<'_>, holding: &RoleGrant) -> Result<(), ConnectorError> {
    let is_organization = *holding.place_id == *cx.account.organization.id;
    let fits = match holding.role_id.split_once(':') {
        Some(("org", _)) => is_organization,
        Some(("ws", _)) => !is_organization && holding.place_id.starts_with('T'),
        _ => false,
    };
    if fits { Ok(()) } else { Err(not_assignable(cx, AssignmentRefusal::Unknown)) }
}

/// Returns the error of a change that is not sent.
fn not_assignable(cx: &CallContext<'_>, why: AssignmentRefusal) -> ConnectorError {
    ConnectorError {
        fix: Some(why.fix()),
        ..cx.error("role-assignments", ErrorKind::NotAssignable)
    }
}
