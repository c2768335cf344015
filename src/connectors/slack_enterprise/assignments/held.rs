//! What one user holds. That takes no list of people: the user's own object names the workspaces, and
//! the leaders of those tell the level.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::families::{Family, Narrow};
use crate::connectors::slack_enterprise::api::{found, is_id, object};
use crate::connectors::slack_enterprise::ranks::Ranks;
use crate::connectors::slack_enterprise::roles::Level;
use crate::connectors::slack_enterprise::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Record};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::RemoteQuery;
use crate::domain::role::RoleScope;

type Held = Vec<Record<RoleAssignment>>;
/// A user and the same as it came.
type Person = (wire::WebUser, Option<Box<RawValue>>);
/// A system role somebody holds and the same as it came.
type Assigned = (wire::SystemAssignment, Option<Box<RawValue>>);

impl SlackEnterprise {
    /// Everything that a user holds, in the order of the ids. Costs a call for the user, one for every
    /// two hundred system roles, and for a member's workspaces two each and one.
    pub(super) async fn held_by(
        &self,
        cx: &CallContext<'_>,
        user: &str,
        narrow: Narrow<'_>,
        remote_query: &RemoteQuery,
    ) -> Result<Held, ConnectorError> {
        if !is_id(user) {
            return Ok(Vec::new());
        }
        let person = self.person(cx, user);
        let system = self.system_assignments(cx, narrow, remote_query);
        let (person, system) = tokio::try_join!(person, system)?;
        let is_theirs = |id: &str| {
            let ids = person.iter().flat_map(|(person, _)| person.ids());
            id == user || ids.into_iter().any(|other| other == id)
        };
        let organization = &cx.account.organization.id;
        let mut held = match &person {
            Some(person) => self.levels_of(cx, user, person, narrow).await?,
            None => Vec::new(),
        };
        // Slack may know them by another id there: here they are who was asked for.
        let theirs = system.into_iter().filter(|(row, _)| is_theirs(&row.user_id));
        held.extend(theirs.map(|(row, remote)| {
            let row = wire::SystemAssignment { user_id: user.to_owned(), ..row };
            Record::new(map::system_assignment(row, organization), remote)
        }));
        held.sort_by(|one, other| one.unified.id.cmp(&other.unified.id));
        Ok(held)
    }

    /// Who it is; none when there is no such user.
    pub(in crate::connectors::slack_enterprise) async fn person(
        &self,
        cx: &CallContext<'_>,
        user: &str,
    ) -> Result<Option<Person>, ConnectorError> {
        let info = self.web(cx, "users.info", &[("user", user)]).await;
        let Some(answer) = found(info)? else { return Ok(None) };
        let wire::UsersInfo { user: raw } = answer.read(cx)?;
        object(cx, "users.info", raw).map(Some)
    }

    async fn system_assignments(
        &self,
        cx: &CallContext<'_>,
        narrow: Narrow<'_>,
        remote_query: &RemoteQuery,
    ) -> Result<Vec<Assigned>, ConnectorError> {
        if !narrow.includes(Family::System, &cx.account.organization.id) {
            return Ok(Vec::new());
        }
        let (role_ids, entity_ids) = narrow.lists();
        let filter = [("role_ids", &*role_ids), ("entity_ids", &*entity_ids)];
        self.all_system_assignments(cx, &filter, remote_query, |_| true).await
    }

    /// The level in the organization and in each workspace.
    async fn levels_of(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        (user, remote): &Person,
        narrow: Narrow<'_>,
    ) -> Result<Held, ConnectorError> {
        let organization = &cx.account.organization.id;
        let asks = |family| narrow.includes(family, organization);
        if user.deleted || user.is_bot {
            return Ok(Vec::new());
        }
        let mut held = Vec::new();
        if asks(Family::Organization) && !user.is_restricted {
            let level = user.enterprise_user.as_ref().map_or(Level::Member, Level::in_enterprise);
            let (role, scope) = (level.organization_role(), RoleScope::Organization);
            held.push(map::assignment(role, id.to_owned(), scope, organization, organization));
        }
        if asks(Family::Workspaces) {
            held.extend(self.workspace_roles(cx, id, user, narrow).await?);
        }
        let record = |unified| Record::new(unified, remote.clone());
        Ok(held.into_iter().map(record).collect::<Vec<Record<RoleAssignment>>>())
    }

    async fn workspace_roles(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        user: &wire::WebUser,
        narrow: Narrow<'_>,
    ) -> Result<Vec<RoleAssignment>, ConnectorError> {
        let teams = user.enterprise_user.iter().flat_map(|part| &part.teams);
        let wanted = |team: &&String| narrow.entity.is_none_or(|entity| entity == team.as_str());
        let teams: BTreeSet<String> = teams.filter(wanted).cloned().collect();
        let guest = match (user.is_restricted, user.is_ultra_restricted) {
            (_, true) => Some("ws:guest_single_channel"),
            (true, false) => Some("ws:guest_multi_channel"),
            (false, false) => None,
        };
        let leaders =
            if guest.is_none() { self.ranks(cx, &teams).await? } else { Ranks::default() };
        let organization = &cx.account.organization.id;
        let held = |team: &String| {
            let role = guest.unwrap_or_else(|| leaders.level(team, &user.ids()).workspace_role());
            map::assignment(role, id.to_owned(), RoleScope::Workspace, team, organization)
        };
        Ok(teams.iter().map(held).collect())
    }
}
