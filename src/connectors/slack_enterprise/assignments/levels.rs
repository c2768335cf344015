//! Pages of levels of the organization and of each workspace, from the rows of `admin.users.list`.

use super::role_families::{AssignmentQuery, RoleFamily};
use super::{AssignmentPosition, Assignments};
use crate::connectors::page_token::encode;
use crate::connectors::slack_enterprise::api::{PageArguments, not_found_as_none};
use crate::connectors::slack_enterprise::roles::{AdminLevel, workspace_role};
use crate::connectors::slack_enterprise::workspace_scan::WorkspaceScan;
use crate::connectors::slack_enterprise::{SlackConnector, map, wire};
use crate::connectors::{CallContext, ConnectorError, Unified};
use crate::domain::assignment::RoleAssignment;
use crate::domain::page::Page;
use crate::domain::role::RoleScope;

const USERS: &str = "admin.users.list";

impl SlackConnector {
    /// Returns a page of the organization's levels: one call.
    pub(super) async fn organization_levels(
        &self,
        cx: &CallContext<'_>,
        narrow: AssignmentQuery<'_>,
        cursor: &str,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let arguments = [("limit", &*limit.to_string()), ("cursor", cursor)];
        let (items, cursor) = self
            .level_page(cx, &arguments, PageArguments { cursor, max_rows: limit.into() }, |user| {
                // Guests and bots have no level in the organization.
                let is_member = !user.is_restricted && !user.is_bot;
                is_member.then(|| {
                    let role = AdminLevel::in_organization(&user).organization_role();
                    let scope = RoleScope::Organization;
                    map::assignment(role, user.id, scope, organization, organization)
                })
            })
            .await?;
        let next = if cursor.is_empty() {
            narrow.next(Some(RoleFamily::Organization), organization).map(AssignmentPosition::start)
        } else {
            Some(AssignmentPosition::Organization { cursor })
        };
        Ok(Page { items, next: next.map(|at| encode(&at)) })
    }

    /// Returns a page of the levels of one workspace: one call, and one more per twenty workspaces.
    pub(super) async fn workspace_levels(
        &self,
        cx: &CallContext<'_>,
        narrow: AssignmentQuery<'_>,
        walk: Option<WorkspaceScan>,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let mut walk = match (walk, narrow.entity_id) {
            (Some(walk), _) => walk,
            (None, None) => WorkspaceScan::all(),
            (None, Some(team)) => WorkspaceScan::only(self.find_workspace(cx, team).await?),
        };
        let (mut items, mut next) = (Vec::new(), None);
        if let Some(stop) = self.current_workspace(cx, &mut walk).await? {
            let arguments = [
                ("team_id", &*stop.team),
                ("only_guests", if narrow.only_guests() { "true" } else { "" }),
                ("limit", &limit.to_string()),
                ("cursor", &walk.cursor),
            ];
            let asked = PageArguments { cursor: &walk.cursor, max_rows: limit.into() };
            let page = self.level_page(cx, &arguments, asked, |user| {
                let is_owner = stop.owner.as_deref() == Some(&user.id);
                let role = workspace_role(&user, is_owner)?;
                let scope = RoleScope::Workspace;
                Some(map::assignment(role, user.id, scope, &stop.team, organization))
            });
            // A workspace that was deleted in the meantime has no members.
            let (levels, cursor) = not_found_as_none(page.await)?.unwrap_or_default();
            items = levels;
            next =
                walk.after(cursor).map(|walk| AssignmentPosition::Workspaces { scan: Some(walk) });
        }
        let later = || {
            narrow.next(Some(RoleFamily::Workspaces), organization).map(AssignmentPosition::start)
        };
        Ok(Page { items, next: next.or_else(later).map(|at| encode(&at)) })
    }

    /// Reads a page of active users, mapped by `assignment`; returns the rows and the next cursor.
    async fn level_page(
        &self,
        cx: &CallContext<'_>,
        arguments: &[(&str, &str)],
        asked: PageArguments<'_>,
        assignment: impl Fn(wire::AdminUser) -> Option<RoleAssignment>,
    ) -> Result<(Vec<Unified<RoleAssignment>>, String), ConnectorError> {
        let response = self.web(cx, USERS, arguments).await?;
        Self::admin_users(cx, &response, asked, |user, remote| {
            assignment(user).map(|unified| Unified::new(unified, remote))
        })
    }
}
