//! Levels: of the organization, and of each workspace, from the rows of `admin.users.list`.

use super::families::{Family, Narrow};
use super::{Assignments, At};
use crate::connectors::position::encode;
use crate::connectors::slack_enterprise::api::{Asked, found};
use crate::connectors::slack_enterprise::roles::{Level, workspace_role};
use crate::connectors::slack_enterprise::walk::Walk;
use crate::connectors::slack_enterprise::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Record};
use crate::domain::assignment::RoleAssignment;
use crate::domain::page::Page;
use crate::domain::role::RoleScope;

const USERS: &str = "admin.users.list";

impl SlackEnterprise {
    /// A page of the levels of the organization: one call.
    pub(super) async fn organization_levels(
        &self,
        cx: &CallContext<'_>,
        narrow: Narrow<'_>,
        cursor: &str,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let arguments = [("limit", &*limit.to_string()), ("cursor", cursor)];
        let (items, cursor) = self
            .levels(cx, &arguments, Asked { cursor, most: limit.into() }, |user| {
                // Guests and bots have no level in the organization.
                let is_member = !user.is_restricted && !user.is_bot;
                is_member.then(|| {
                    let role = Level::in_organization(&user).organization_role();
                    let scope = RoleScope::Organization;
                    map::assignment(role, user.id, scope, organization, organization)
                })
            })
            .await?;
        let next = if cursor.is_empty() {
            narrow.next(Some(Family::Organization), organization).map(At::start)
        } else {
            Some(At::Organization { cursor })
        };
        Ok(Page { items, next: next.map(|at| encode(&at)) })
    }

    /// A page of the levels of one workspace: one call, and one more for every twenty workspaces.
    pub(super) async fn workspace_levels(
        &self,
        cx: &CallContext<'_>,
        narrow: Narrow<'_>,
        walk: Option<Walk>,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let mut walk = match (walk, narrow.entity) {
            (Some(walk), _) => walk,
            (None, None) => Walk::all(),
            (None, Some(team)) => Walk::through(self.stop_at(cx, team).await?),
        };
        let (mut items, mut next) = (Vec::new(), None);
        if let Some(stop) = self.stop(cx, &mut walk).await? {
            let arguments = [
                ("team_id", &*stop.team),
                ("only_guests", if narrow.only_guests() { "true" } else { "" }),
                ("limit", &limit.to_string()),
                ("cursor", &walk.cursor),
            ];
            let asked = Asked { cursor: &walk.cursor, most: limit.into() };
            let page = self.levels(cx, &arguments, asked, |user| {
                let is_owner = stop.owner.as_deref() == Some(&user.id);
                let role = workspace_role(&user, is_owner)?;
                let scope = RoleScope::Workspace;
                Some(map::assignment(role, user.id, scope, &stop.team, organization))
            });
            // A workspace that went away in the meantime has no members.
            let (levels, cursor) = found(page.await)?.unwrap_or_default();
            items = levels;
            next = walk.after(cursor).map(|walk| At::Workspaces { walk: Some(walk) });
        }
        let later = || narrow.next(Some(Family::Workspaces), organization).map(At::start);
        Ok(Page { items, next: next.or_else(later).map(|at| encode(&at)) })
    }

    /// A page of active users, each made an assignment by `assignment`; and the next cursor.
    async fn levels(
        &self,
        cx: &CallContext<'_>,
        arguments: &[(&str, &str)],
        asked: Asked<'_>,
        assignment: impl Fn(wire::AdminUser) -> Option<RoleAssignment>,
    ) -> Result<(Vec<Record<RoleAssignment>>, String), ConnectorError> {
        let answer = self.web(cx, USERS, arguments).await?;
        Self::admin_users(cx, &answer, asked, |user, remote| {
            assignment(user).map(|unified| Record::new(unified, remote))
        })
    }
}
