//! What one user holds. That takes no list of people: the user's own object names the workspaces, and
//! the leaders of those tell the level.

use std::collections::BTreeSet;

use super::families::{Family, Narrow};
use crate::connectors::slack_enterprise::api::{found, is_id, row};
use crate::connectors::slack_enterprise::ranks::Ranks;
use crate::connectors::slack_enterprise::roles::Level;
use crate::connectors::slack_enterprise::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Record};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::RemoteQuery;
use crate::domain::role::RoleScope;

type Held = Vec<Record<RoleAssignment>>;

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
        let levels = self.levels_of(cx, user, narrow);
        let system = self.system_roles_held(cx, user, narrow, remote_query);
        let (mut held, system) = tokio::try_join!(levels, system)?;
        held.extend(system);
        held.sort_by(|one, other| one.unified.id.cmp(&other.unified.id));
        Ok(held)
    }

    async fn system_roles_held(
        &self,
        cx: &CallContext<'_>,
        user: &str,
        narrow: Narrow<'_>,
        remote_query: &RemoteQuery,
    ) -> Result<Held, ConnectorError> {
        let organization = &cx.account.organization.id;
        if !narrow.includes(Family::System, organization) {
            return Ok(Vec::new());
        }
        let (role_ids, entity_ids) = narrow.lists();
        let filter = [("role_ids", &*role_ids), ("entity_ids", &*entity_ids)];
        let wanted = |held: &wire::SystemAssignment| held.user_id == user;
        let rows = self.all_system_assignments(cx, &filter, remote_query, wanted).await?;
        let record = |(row, remote)| {
            let unified = map::system_assignment(row, organization);
            Record::new(unified, remote)
        };
        Ok(rows.into_iter().map(record).collect())
    }

    /// The level in the organization and in each workspace.
    async fn levels_of(
        &self,
        cx: &CallContext<'_>,
        user: &str,
        narrow: Narrow<'_>,
    ) -> Result<Held, ConnectorError> {
        let organization = &cx.account.organization.id;
        let asks = |family| narrow.includes(family, organization);
        if !(asks(Family::Organization) || asks(Family::Workspaces)) {
            return Ok(Vec::new());
        }
        let info = self.web(cx, "users.info", &[("user", user)]).await;
        let Some(answer) = found(info)? else { return Ok(Vec::new()) };
        let wire::UsersInfo { user: raw } = answer.read(cx)?;
        let (user, remote) = row::<wire::WebUser>(cx, "users.info", raw)?;
        if user.deleted || user.is_bot {
            return Ok(Vec::new());
        }
        let mut held = Vec::new();
        if asks(Family::Organization) && !user.is_restricted {
            let level = user.enterprise_user.as_ref().map_or(Level::Member, Level::in_enterprise);
            let (role, scope) = (level.organization_role(), RoleScope::Organization);
            held.push(map::assignment(role, user.id.clone(), scope, organization, organization));
        }
        if asks(Family::Workspaces) {
            held.extend(self.workspace_roles(cx, &user, narrow).await?);
        }
        let record = |unified| Record::new(unified, remote.clone());
        Ok(held.into_iter().map(record).collect::<Vec<Record<RoleAssignment>>>())
    }

    async fn workspace_roles(
        &self,
        cx: &CallContext<'_>,
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
            let role = guest.unwrap_or_else(|| leaders.level(team, &user.id).workspace_role());
            map::assignment(role, user.id.clone(), RoleScope::Workspace, team, organization)
        };
        Ok(teams.iter().map(held).collect())
    }
}
