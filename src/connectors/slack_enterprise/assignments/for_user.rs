//! Role assignments of one user, without listing all users: the user's object has the workspaces, and the owners and
//! admins of those determine the levels.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::role_families::{AssignmentQuery, RoleFamily};
use crate::connectors::slack_enterprise::api::{is_id, not_found_as_none, parse_object};
use crate::connectors::slack_enterprise::roles::AdminLevel;
use crate::connectors::slack_enterprise::workspace_admins::WorkspaceAdmins;
use crate::connectors::slack_enterprise::{SlackConnector, map, wire};
use crate::connectors::{CallContext, ConnectorError, Unified};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::RemoteQuery;
use crate::domain::role::RoleScope;

type AssignmentRecords = Vec<Unified<RoleAssignment>>;
/// A user, with the raw object.
type WebUserRecord = (wire::WebUser, Option<Box<RawValue>>);
/// A system role assignment, with the raw row.
type SystemAssignmentRecord = (wire::SystemAssignment, Option<Box<RawValue>>);

impl SlackConnector {
    /// Returns all assignments of a user, ordered by id. Costs one call for the user, one per 200 system roles, and for
    /// the workspaces of a member two each and one.
    pub(super) async fn user_assignments(
        &self,
        cx: &CallContext<'_>,
        user: &str,
        narrow: AssignmentQuery<'_>,
        remote_query: &RemoteQuery,
    ) -> Result<AssignmentRecords, ConnectorError> {
        if !is_id(user) {
            return Ok(Vec::new());
        }
        let person = self.web_user(cx, user);
        let system = self.system_assignments(cx, narrow, remote_query);
        let (person, system) = tokio::try_join!(person, system)?;
        let is_theirs = |id: &str| {
            let ids = person.iter().flat_map(|(person, _)| person.ids());
            id == user || ids.into_iter().any(|other| other == id)
        };
        let organization = &cx.account.organization.id;
        let mut held = match &person {
            Some(person) => self.level_assignments(cx, user, person, narrow).await?,
            None => Vec::new(),
        };
        // Slack may list the user under another id: the requested id is returned.
        let theirs = system.into_iter().filter(|(row, _)| is_theirs(&row.user_id));
        held.extend(theirs.map(|(row, remote)| {
            let row = wire::SystemAssignment { user_id: user.to_owned(), ..row };
            Unified::new(map::system_assignment(row, organization), remote)
        }));
        held.sort_by(|one, other| one.resource.id.cmp(&other.resource.id));
        Ok(held)
    }

    /// Reads a user by `users.info`; `None` when there is none, or the user is of another organization.
    pub(in crate::connectors::slack_enterprise) async fn web_user(
        &self,
        cx: &CallContext<'_>,
        user: &str,
    ) -> Result<Option<WebUserRecord>, ConnectorError> {
        let info = self.web(cx, "users.info", &[("user", user)]).await;
        let Some(response) = not_found_as_none(info)? else { return Ok(None) };
        let wire::UsersInfo { user: raw } = response.read(cx)?;
        let read: WebUserRecord = parse_object(cx, "users.info", raw)?;
        let is_other = self.is_of_other_organization(cx, &read.0).await?;
        Ok((!is_other).then_some(read))
    }

    async fn system_assignments(
        &self,
        cx: &CallContext<'_>,
        narrow: AssignmentQuery<'_>,
        remote_query: &RemoteQuery,
    ) -> Result<Vec<SystemAssignmentRecord>, ConnectorError> {
        if !narrow.includes(RoleFamily::System, &cx.account.organization.id) {
            return Ok(Vec::new());
        }
        let (role_ids, entity_ids) = narrow.lists();
        let filter = [("role_ids", &*role_ids), ("entity_ids", &*entity_ids)];
        self.all_system_assignments(cx, &filter, remote_query, |_| true).await
    }

    /// Returns the levels in the organization and in each workspace.
    async fn level_assignments(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        (user, remote): &WebUserRecord,
        narrow: AssignmentQuery<'_>,
    ) -> Result<AssignmentRecords, ConnectorError> {
        let organization = &cx.account.organization.id;
        let asks = |family| narrow.includes(family, organization);
        if user.deleted || user.is_bot {
            return Ok(Vec::new());
        }
        let mut held = Vec::new();
        if asks(RoleFamily::Organization) && !user.is_restricted {
            let level =
                user.enterprise_user.as_ref().map_or(AdminLevel::Member, AdminLevel::in_enterprise);
            let (role, scope) = (level.organization_role(), RoleScope::Organization);
            held.push(map::assignment(role, id.to_owned(), scope, organization, organization));
        }
        if asks(RoleFamily::Workspaces) {
            held.extend(self.workspace_level_assignments(cx, id, user, narrow).await?);
        }
        let record = |unified| Unified::new(unified, remote.clone());
        Ok(held.into_iter().map(record).collect::<Vec<Unified<RoleAssignment>>>())
    }

    async fn workspace_level_assignments(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        user: &wire::WebUser,
        narrow: AssignmentQuery<'_>,
    ) -> Result<Vec<RoleAssignment>, ConnectorError> {
        let teams = user.enterprise_user.iter().flat_map(|part| &part.teams);
        let wanted = |team: &&String| narrow.entity_id.is_none_or(|entity| entity == team.as_str());
        let teams: BTreeSet<String> = teams.filter(wanted).cloned().collect();
        let guest = match (user.is_restricted, user.is_ultra_restricted) {
            (_, true) => Some("ws:guest_single_channel"),
            (true, false) => Some("ws:guest_multi_channel"),
            (false, false) => None,
        };
        let leaders = if guest.is_none() {
            self.workspace_admins(cx, &teams).await?
        } else {
            WorkspaceAdmins::default()
        };
        let organization = &cx.account.organization.id;
        let held = |team: &String| {
            let role = guest.unwrap_or_else(|| leaders.level(team, &user.ids()).workspace_role());
            map::assignment(role, id.to_owned(), RoleScope::Workspace, team, organization)
        };
        Ok(teams.iter().map(held).collect())
    }
}
