//! Role assignments: three families in one list, one after the other. First the levels of the
//! organization, then those of each workspace, then the system roles; each assignment stands once.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::api::row;
use super::roles::Level;
use super::users::{encode, found, is_id, position};
use super::{SlackEnterprise, map, roles, wire};
use crate::connectors::{CallContext, ConnectorError, Position, Reads, Record};
use crate::domain::assignment::RoleAssignment;
use crate::domain::page::{Page, PageRequest};
use crate::domain::role::RoleScope;

const USERS: &str = "admin.users.list";
const TEAMS: &str = "admin.teams.list";
const SYSTEM: &str = "admin.roles.listAssignments";
/// The most rows of a page of `admin.roles.listAssignments`.
const SYSTEM_LIMIT: u16 = 200;

type Assignments = Page<Record<RoleAssignment>, Position>;

/// Where a page begins. An empty cursor is a start.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
enum At {
    /// Among the levels of the organization.
    Organization { cursor: String },
    /// Before a workspace.
    Workspace { teams_cursor: String },
    /// Among the members of a workspace; `next` is the cursor of the workspace after it.
    Members { team: String, owner: Option<String>, cursor: String, next: String },
    /// Among the system roles.
    System { cursor: String },
}

impl Default for At {
    fn default() -> Self {
        Self::Organization { cursor: String::new() }
    }
}

#[async_trait]
impl Reads<RoleAssignment> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<Position>,
    ) -> Result<Assignments, ConnectorError> {
        match position(cx, USERS, page.position.as_ref())? {
            At::Organization { cursor } => self.organization_levels(cx, &cursor, page.limit).await,
            At::Workspace { teams_cursor } => match self.workspace_at(cx, &teams_cursor).await? {
                Some(members) => self.workspace_levels(cx, members, page.limit).await,
                None => self.system_roles(cx, "", page.limit).await,
            },
            At::Members { team, owner, cursor, next } => {
                self.workspace_levels(cx, Members { team, owner, cursor, next }, page.limit).await
            }
            At::System { cursor } => self.system_roles(cx, &cursor, page.limit).await,
        }
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<RoleAssignment>>, ConnectorError> {
        let mut parts = id.split('.');
        let (Some(role), Some(user), Some(entity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(None);
        };
        if !(is_id(user) && is_id(entity)) {
            return Ok(None);
        }
        if roles::is_provider_id(role) {
            return self.system_assignment(cx, role, user, entity).await;
        }
        if entity == cx.account.organization.id {
            return self.organization_level(cx, role, user).await;
        }
        self.workspace_level(cx, role, user, entity).await
    }
}

/// The members of one workspace, from a cursor on.
struct Members {
    team: String,
    owner: Option<String>,
    cursor: String,
    next: String,
}

impl SlackEnterprise {
    async fn organization_levels(
        &self,
        cx: &CallContext<'_>,
        cursor: &str,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let arguments = [("limit", &*limit.to_string()), ("cursor", cursor)];
        let (items, cursor) = self
            .levels(cx, &arguments, |user| {
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
            At::Workspace { teams_cursor: cursor }
        } else {
            At::Organization { cursor }
        };
        Ok(Page { items, next: Some(encode(&next)) })
    }

    /// The workspace at a cursor of the workspaces; `None` when there is none.
    async fn workspace_at(
        &self,
        cx: &CallContext<'_>,
        teams_cursor: &str,
    ) -> Result<Option<Members>, ConnectorError> {
        let answer = self.web(cx, TEAMS, &[("limit", "1"), ("cursor", teams_cursor)]).await?;
        let list: wire::AdminTeamsList<'_> = answer.read(cx)?;
        let Some(raw) = list.teams.first() else { return Ok(None) };
        let (team, _) = row::<wire::AdminTeam>(cx, TEAMS, raw)?;
        Ok(Some(Members {
            team: team.id,
            owner: team.primary_owner.map(|owner| owner.user_id),
            cursor: String::new(),
            next: list.response_metadata.next_cursor,
        }))
    }

    async fn workspace_levels(
        &self,
        cx: &CallContext<'_>,
        at: Members,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let limit = limit.to_string();
        let arguments = [("team_id", &*at.team), ("limit", &limit), ("cursor", &at.cursor)];
        let (items, cursor) = self
            .levels(cx, &arguments, |user| {
                let is_owner = at.owner.as_deref() == Some(&user.id);
                let role = workspace_role(&user, is_owner)?;
                let scope = RoleScope::Workspace;
                Some(map::assignment(role, user.id, scope, &at.team, organization))
            })
            .await?;
        let next = match (cursor.is_empty(), at.next.is_empty()) {
            (false, _) => At::Members { team: at.team, owner: at.owner, cursor, next: at.next },
            (true, false) => At::Workspace { teams_cursor: at.next },
            (true, true) => At::System { cursor },
        };
        Ok(Page { items, next: Some(encode(&next)) })
    }

    /// A page of active users, each made an assignment by `assignment`; and the next cursor.
    async fn levels(
        &self,
        cx: &CallContext<'_>,
        arguments: &[(&str, &str)],
        assignment: impl Fn(wire::AdminUser) -> Option<RoleAssignment>,
    ) -> Result<(Vec<Record<RoleAssignment>>, String), ConnectorError> {
        let answer = self.web(cx, USERS, arguments).await?;
        let list: wire::AdminUsersList<'_> = answer.read(cx)?;
        let mut items = Vec::with_capacity(list.users.len());
        for raw in list.users {
            let (user, remote) = row(cx, USERS, raw)?;
            items.extend(assignment(user).map(|unified| Record { unified, remote }));
        }
        Ok((items, list.response_metadata.next_cursor))
    }

    async fn system_roles(
        &self,
        cx: &CallContext<'_>,
        cursor: &str,
        limit: u16,
    ) -> Result<Assignments, ConnectorError> {
        let limit = limit.min(SYSTEM_LIMIT).to_string();
        let answer = self.web(cx, SYSTEM, &[("limit", &limit), ("cursor", cursor)]).await?;
        let list: wire::ListAssignments<'_> = answer.read(cx)?;
        let items = list
            .role_assignments
            .iter()
            .map(|raw| {
                let (held, remote) = row(cx, SYSTEM, raw)?;
                let unified = map::system_assignment(held, &cx.account.organization.id);
                Ok(Record { unified, remote })
            })
            .collect::<Result<_, ConnectorError>>()?;
        let cursor = list.response_metadata.next_cursor;
        let next = (!cursor.is_empty()).then(|| encode(&At::System { cursor }));
        Ok(Page { items, next })
    }

    /// Every system assignment that `wanted` wants, of all pages.
    pub(super) async fn all_system_assignments(
        &self,
        cx: &CallContext<'_>,
        filter: &[(&str, &str)],
        wanted: impl Fn(&wire::SystemAssignment) -> bool + Send,
    ) -> Result<Vec<wire::SystemAssignment>, ConnectorError> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut arguments = filter.to_vec();
            arguments.extend([("limit", "200"), ("cursor", cursor.as_str())]);
            let answer = self.web(cx, SYSTEM, &arguments).await?;
            let list: wire::ListAssignments<'_> = answer.read(cx)?;
            for raw in list.role_assignments {
                let (held, _) = row(cx, SYSTEM, raw)?;
                if wanted(&held) {
                    rows.push(held);
                }
            }
            cursor = list.response_metadata.next_cursor;
            if cursor.is_empty() {
                return Ok(rows);
            }
        }
    }

    async fn system_assignment(
        &self,
        cx: &CallContext<'_>,
        role: &str,
        user: &str,
        entity: &str,
    ) -> Result<Option<Record<RoleAssignment>>, ConnectorError> {
        let roles = serde_json::json!([role]).to_string();
        let entities = serde_json::json!([entity]).to_string();
        let filter = [("role_ids", &*roles), ("entity_ids", &*entities)];
        let rows = self
            .all_system_assignments(cx, &filter, |held| {
                held.user_id == user && held.role_id == role && held.entity_id == entity
            })
            .await?;
        Ok(rows.into_iter().next().map(|held| Record {
            remote: cx.wants_remote.then(|| {
                serde_json::json!({
                    "role_id": held.role_id, "entity_id": held.entity_id,
                    "user_id": held.user_id, "date_create": held.date_create,
                })
            }),
            unified: map::system_assignment(held, &cx.account.organization.id),
        }))
    }

    async fn organization_level(
        &self,
        cx: &CallContext<'_>,
        role: &str,
        user: &str,
    ) -> Result<Option<Record<RoleAssignment>>, ConnectorError> {
        let Some(answer) = found(self.web(cx, "users.info", &[("user", user)]).await)? else {
            return Ok(None);
        };
        let wire::UsersInfo { user: raw } = answer.read(cx)?;
        let (user, remote) = row::<wire::WebUser>(cx, "users.info", raw)?;
        let level = user.enterprise_user.as_ref().map_or(Level::Member, Level::in_enterprise);
        let holds = !(user.deleted || user.is_bot || user.is_restricted);
        if !holds || level.organization_role() != role {
            return Ok(None);
        }
        let organization = &cx.account.organization.id;
        let scope = RoleScope::Organization;
        let unified = map::assignment(role, user.id, scope, organization, organization);
        Ok(Some(Record { unified, remote }))
    }

    async fn workspace_level(
        &self,
        cx: &CallContext<'_>,
        role: &str,
        user: &str,
        team: &str,
    ) -> Result<Option<Record<RoleAssignment>>, ConnectorError> {
        let organization = &cx.account.organization.id;
        let mut cursor = String::new();
        loop {
            let arguments = [("team_id", team), ("limit", "1000"), ("cursor", &cursor)];
            let page = self
                .levels(cx, &arguments, |row| {
                    let held = workspace_role(&row, row.is_primary_owner)?;
                    let scope = RoleScope::Workspace;
                    (row.id == user && held == role)
                        .then(|| map::assignment(role, row.id, scope, team, organization))
                })
                .await;
            let Some((items, next)) = found(page)? else { return Ok(None) };
            if let Some(held) = items.into_iter().next() {
                return Ok(Some(held));
            }
            if next.is_empty() {
                return Ok(None);
            }
            cursor = next;
        }
    }
}

/// The role that a row of a workspace's members tells; `None` for a bot.
fn workspace_role(user: &wire::AdminUser, is_primary_owner: bool) -> Option<&'static str> {
    if user.is_bot {
        None
    } else if user.is_ultra_restricted {
        Some("ws:guest_single_channel")
    } else if user.is_restricted {
        Some("ws:guest_multi_channel")
    } else if is_primary_owner {
        Some(Level::PrimaryOwner.workspace_role())
    } else {
        Some(Level::in_organization(user).workspace_role())
    }
}
