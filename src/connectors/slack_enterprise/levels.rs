//! The ranks that `admin.users.set…` gives, of a workspace or of the organization.

use super::SlackEnterprise;
use crate::connectors::{CallContext, ConnectorError, Holding, Kind, ReadBack};
use crate::domain::input::Done;

const ADMIN: &str = "admin.users.setAdmin";
const OWNER: &str = "admin.users.setOwner";
const REGULAR: &str = "admin.users.setRegular";

/// Why a role is not given or taken by us, although the caller may have thought so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// There is one primary owner; the office is handed over in the browser.
    PrimaryOwner,
    /// A guest needs channels: that is a membership.
    Guest,
    /// To be a member is a membership.
    Membership,
    /// No such role, or not in such a place.
    Unknown,
}

impl Refused {
    /// What to do instead.
    fn fix(self) -> &'static str {
        match self {
            Self::PrimaryOwner => {
                "The role of the primary owner is not assigned by an API. Transfer it in Slack."
            }
            Self::Guest => {
                "A guest's role comes with channels. Use POST /workspaces/{id}/members with `user_type` \
                 and `channel_ids`."
            }
            Self::Membership => {
                "A membership is not removed as a role. Use DELETE /workspaces/{id}/members/{user_id}, \
                 or DELETE /users/{id}."
            }
            Self::Unknown => {
                "There is no such role in this place. Roles `org:…` take no `workspace_id`, roles `ws:…` \
                 need one; GET /roles lists all roles."
            }
        }
    }
}

/// The method that gives a level, for the place where the role is held.
fn giver(role: &str) -> Result<&'static str, Refused> {
    match role {
        "org:admin" | "ws:admin" => Ok(ADMIN),
        "org:owner" | "ws:owner" => Ok(OWNER),
        "org:member" | "ws:member" => Ok(REGULAR),
        "org:primary_owner" | "ws:primary_owner" => Err(Refused::PrimaryOwner),
        "ws:guest_multi_channel" | "ws:guest_single_channel" => Err(Refused::Guest),
        _ => Err(Refused::Unknown),
    }
}

/// Whether a level can be taken away: what is left then is a plain member.
fn takable(role: &str) -> Result<(), Refused> {
    match role {
        "org:member" | "ws:member" => Err(Refused::Membership),
        other => giver(other).map(|_| ()),
    }
}

/// Why a level can't be given there, whoever asks.
pub(super) fn check_level(cx: &CallContext<'_>, holding: &Holding) -> Result<(), ConnectorError> {
    check_place(cx, holding)?;
    giver(&holding.role_id).map(|_| ()).map_err(|why| refused(cx, why))
}

impl SlackEnterprise {
    /// Makes the holder what the role says.
    pub(super) async fn give_level(
        &self,
        cx: &CallContext<'_>,
        holding: &Holding,
    ) -> Result<Done, ConnectorError> {
        check_place(cx, holding)?;
        let method = giver(&holding.role_id).map_err(|why| refused(cx, why))?;
        // Slack accepts a level that is held. Where it can't be read, it is given all the same.
        if matches!(self.holds_level(cx, holding).await, Ok(true)) {
            return Ok(Done::Already);
        }
        self.set_level(cx, method, holding).await
    }

    /// Makes the holder a plain member, if the role is held at all: whoever holds another one keeps
    /// that.
    pub(super) async fn take_level(
        &self,
        cx: &CallContext<'_>,
        holding: &Holding,
    ) -> Result<Done, ConnectorError> {
        check_place(cx, holding)?;
        takable(&holding.role_id).map_err(|why| refused(cx, why))?;
        let is_held = self.holds_level(cx, holding).await;
        if !is_held.map_err(|error| error.read_back(ReadBack::NotSent))? {
            return Ok(Done::Already);
        }
        self.set_level(cx, REGULAR, holding).await
    }

    async fn set_level(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        holding: &Holding,
    ) -> Result<Done, ConnectorError> {
        let arguments = [("team_id", &*holding.place_id), ("user_id", &*holding.user_id)];
        self.web(cx, method, &arguments).await.map(|_| Done::Done)
    }
}

/// A level of the organization belongs to the organization, one of a workspace to a workspace.
fn check_place(cx: &CallContext<'_>, holding: &Holding) -> Result<(), ConnectorError> {
    let is_organization = *holding.place_id == *cx.account.organization.id;
    let fits = match holding.role_id.split_once(':') {
        Some(("org", _)) => is_organization,
        Some(("ws", _)) => !is_organization && holding.place_id.starts_with('T'),
        _ => false,
    };
    if fits { Ok(()) } else { Err(refused(cx, Refused::Unknown)) }
}

/// The error of a change that is not sent at all.
fn refused(cx: &CallContext<'_>, why: Refused) -> ConnectorError {
    ConnectorError { fix: Some(why.fix()), ..cx.error("role-assignments", Kind::Refused) }
}
