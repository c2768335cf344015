//! Scans users workspace by workspace, for data that only a workspace's own lists have. A member of several workspaces
//! is listed once: in the one with the lowest id in which the filter matches.

use std::collections::BTreeSet;

use super::page_token::{OrgScanPosition, ScanPosition, UserPage};
use super::plan::{MemberSource, WorkspaceScanPlan};
use serde_json::value::RawValue;

use crate::connectors::rows::ResponseRows;
use crate::connectors::slack_enterprise::api::{PageArguments, next_cursor, not_found_as_none};
use crate::connectors::slack_enterprise::map::{self, RowScope};
use crate::connectors::slack_enterprise::roles::{AdminLevel, workspace_role};
use crate::connectors::slack_enterprise::workspace_admins::WorkspaceAdmins;
use crate::connectors::slack_enterprise::workspace_scan::{ScanEntry, WorkspaceScan};
use crate::connectors::slack_enterprise::{SlackConnector, wire};
use crate::connectors::{CallContext, ConnectorError, ListRequest, Unified};
use crate::domain::page::Page;
use crate::domain::user::User;

const ADMIN_LIST: &str = "admin.users.list";
const PROFILES: &str = "users.list";
/// Maximum page size that Slack recommends. <https://docs.slack.dev/reference/methods/users.list>
const MAX_PROFILES: u16 = 200;

/// A page of a workspace's members, and Slack's next cursor.
type MemberPage = (Vec<WorkspaceMember>, String);

/// A member of a workspace.
struct WorkspaceMember {
    record: Unified<User>,
    /// All workspaces of the user; empty for a bot in `users.list`.
    teams: Vec<String>,
}

impl SlackConnector {
    /// Reads one page of the scan: one call, one more per twenty workspaces, and those that detect users listed in an
    /// earlier workspace.
    pub(super) async fn scan_workspace(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, User>,
        visit: WorkspaceScanPlan<'_>,
        mut walk: WorkspaceScan,
    ) -> Result<UserPage, ConnectorError> {
        let stop = self.current_workspace(cx, &mut walk).await?;
        let (mut items, mut next) = (Vec::new(), None);
        if let Some(stop) = stop {
            let page = self.members(cx, request, visit, &stop, &walk.cursor).await;
            // A workspace that was deleted in the meantime has no members.
            let (members, cursor) = not_found_as_none(page)?.unwrap_or_default();
            items = match visit.team {
                Some(_) => members.into_iter().map(|member| member.record).collect(),
                None => self.first_seen_in(cx, visit, &stop.team, members).await?,
            };
            next = walk.after(cursor).map(ScanPosition::Workspaces);
        }
        let sees_all = visit.level.is_none() && visit.team.is_none();
        let outside =
            || sees_all.then(|| ScanPosition::NoWorkspace(OrgScanPosition::start(visit.activity)));
        let next = next.or_else(outside);
        if visit.source == MemberSource::Profiles {
            self.add_system_roles(cx, &mut items).await?;
        }
        Ok(Page { items, next: next.map(|at| at.encode()) })
    }

    /// Starts a scan; `None` when the requested workspace does not exist.
    pub(super) async fn start_workspace_scan(
        &self,
        cx: &CallContext<'_>,
        visit: WorkspaceScanPlan<'_>,
    ) -> Result<Option<WorkspaceScan>, ConnectorError> {
        match visit.team {
            None => Ok(Some(WorkspaceScan::all())),
            Some(team) => {
                Ok(self.find_workspace(cx, team).await?.map(|stop| WorkspaceScan::only([stop])))
            }
        }
    }

    async fn members(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, User>,
        visit: WorkspaceScanPlan<'_>,
        stop: &ScanEntry,
        cursor: &str,
    ) -> Result<MemberPage, ConnectorError> {
        let limit = match visit.source {
            MemberSource::AdminList => request.page.limit,
            MemberSource::Profiles => request.page.limit.min(MAX_PROFILES),
        };
        let asked = PageArguments { cursor, max_rows: limit.into() };
        let limit = limit.to_string();
        let arguments = [("team_id", &*stop.team), ("limit", &limit), ("cursor", cursor)];
        match visit.source {
            MemberSource::AdminList => {
                let response =
                    self.web_list(cx, ADMIN_LIST, &arguments, request.remote_query).await?;
                Self::admin_users(cx, &response, asked, |user, remote| {
                    Some(member_from_admin_list(cx, user, remote, stop))
                })
            }
            MemberSource::Profiles => {
                let response =
                    self.web_list(cx, PROFILES, &arguments, request.remote_query).await?;
                let list: wire::UsersList<'_> = response.read(cx)?;
                let shows_rank = visit.level.is_some() || visit.team.is_some();
                let (method, rows) = (PROFILES, list.members.0);
                let rows = ResponseRows { method, list: "members", max_rows: asked.max_rows, rows };
                let members = rows.read(cx, |user: wire::WebUser, remote| {
                    Some(member_from_profile(cx, user, remote, shows_rank.then_some(stop)))
                })?;
                Ok((members, next_cursor(cx, method, cursor, list.response_metadata)?))
            }
        }
    }

    /// Returns the members that are not listed in an earlier workspace. A filter by level takes the owners and admins
    /// of the earlier workspaces.
    async fn first_seen_in(
        &self,
        cx: &CallContext<'_>,
        visit: WorkspaceScanPlan<'_>,
        team: &str,
        mut members: Vec<WorkspaceMember>,
    ) -> Result<Vec<Unified<User>>, ConnectorError> {
        let holds = |member: &WorkspaceMember, level: AdminLevel| {
            let roles = &member.record.resource.roles;
            roles.iter().any(|role| role.id == level.workspace_role())
        };
        members.retain(|member| visit.level.is_none_or(|level| holds(member, level)));
        members.retain(|member| member.teams.iter().any(|one| one == team));
        let before = |member: &WorkspaceMember| {
            let teams = member.teams.iter().filter(|one| one.as_str() < team);
            teams.cloned().collect::<BTreeSet<String>>()
        };
        let ranks = match visit.level {
            Some(_) => {
                self.workspace_admins(cx, &members.iter().flat_map(before).collect()).await?
            }
            None => WorkspaceAdmins::default(),
        };
        members.retain(|member| {
            let ids = map::ids(&member.record.resource);
            let held_in = |earlier: &String| ranks.level(earlier, &ids);
            !before(member)
                .iter()
                .any(|earlier| visit.level.is_none_or(|level| held_in(earlier) == level))
        });
        Ok(members.into_iter().map(|member| member.record).collect())
    }
}

fn member_from_admin_list(
    cx: &CallContext<'_>,
    user: wire::AdminUser,
    remote: Option<Box<RawValue>>,
    stop: &ScanEntry,
) -> WorkspaceMember {
    let role = workspace_role(&user, stop.owner.as_deref() == Some(&user.id));
    let view = RowScope::Workspace { team: &stop.team, role };
    let unified = map::user_from_admin_list(user, true, view, &cx.account.organization.id);
    let teams = unified.workspaces.iter().map(|one| one.id.clone()).collect();
    WorkspaceMember { teams, record: Unified::new(unified, remote) }
}

/// Maps a row of `users.list`; `rank_in` is the workspace whose level is added to the roles.
fn member_from_profile(
    cx: &CallContext<'_>,
    user: wire::WebUser,
    remote: Option<Box<RawValue>>,
    rank_in: Option<&ScanEntry>,
) -> WorkspaceMember {
    let organization = &cx.account.organization.id;
    let is_plain = !(user.deleted || user.is_bot || user.is_restricted);
    let level = rank_in.filter(|_| is_plain).map(|stop| {
        let is_primary_owner = user.ids().any(|id| stop.owner.as_deref() == Some(id));
        let role = AdminLevel::of(is_primary_owner, user.is_owner, user.is_admin).workspace_role();
        map::workspace_role(role, &stop.team, organization)
    });
    let mut unified = map::user_from_info(user, organization);
    unified.roles.extend(level);
    let teams: Vec<String> = unified.workspaces.iter().map(|one| one.id.clone()).collect();
    WorkspaceMember { teams, record: Unified::new(unified, remote) }
}
