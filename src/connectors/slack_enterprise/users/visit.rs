//! Users workspace by workspace, for what only a workspace's own lists tell. Somebody who is in several
//! is given in one of them: the one with the lowest id in which the filter finds them.

use std::collections::BTreeSet;

use super::at::{At, PassAt, Users};
use super::plan::{Source, Visit};
use serde_json::value::RawValue;

use crate::connectors::rows::Listed;
use crate::connectors::slack_enterprise::api::{Asked, found, next_cursor};
use crate::connectors::slack_enterprise::map::{self, View};
use crate::connectors::slack_enterprise::ranks::Ranks;
use crate::connectors::slack_enterprise::roles::{Level, workspace_role};
use crate::connectors::slack_enterprise::walk::{Stop, Walk};
use crate::connectors::slack_enterprise::{SlackEnterprise, wire};
use crate::connectors::{CallContext, ConnectorError, Question, Record};
use crate::domain::page::Page;
use crate::domain::user::User;

const ROWS: &str = "admin.users.list";
const PROFILES: &str = "users.list";
/// The longest page of it that Slack recommends. <https://docs.slack.dev/reference/methods/users.list>
const MOST_PROFILES: u16 = 200;

/// A page of a workspace's people, and Slack's next cursor.
type Members = (Vec<Member>, String);

/// Somebody in a workspace.
struct Member {
    record: Record<User>,
    /// Every workspace that they are in; empty for a bot in `users.list`.
    teams: Vec<String>,
}

impl SlackEnterprise {
    /// One page of the walk: one call, one more for every twenty workspaces, and what it takes to tell
    /// who was given in a workspace before.
    pub(super) async fn visit(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, User>,
        visit: Visit<'_>,
        mut walk: Walk,
    ) -> Result<Users, ConnectorError> {
        let stop = self.stop(cx, &mut walk).await?;
        let (mut items, mut next) = (Vec::new(), None);
        if let Some(stop) = stop {
            let page = self.members(cx, question, visit, &stop, &walk.cursor).await;
            // A workspace that went away in the meantime has no members.
            let (members, cursor) = found(page)?.unwrap_or_default();
            items = match visit.team {
                Some(_) => members.into_iter().map(|member| member.record).collect(),
                None => self.new_here(cx, visit, &stop.team, members).await?,
            };
            next = walk.after(cursor).map(At::Walk);
        }
        let sees_all = visit.level.is_none() && visit.team.is_none();
        let outside = || sees_all.then(|| At::Outside(PassAt::start(visit.standing)));
        let next = next.or_else(outside);
        if visit.source == Source::Profiles {
            self.add_system_roles(cx, &mut items).await?;
        }
        Ok(Page { items, next: next.map(|at| at.encode()) })
    }

    /// Where a walk begins; none when the workspace asked for isn't there.
    pub(super) async fn walk_start(
        &self,
        cx: &CallContext<'_>,
        visit: Visit<'_>,
    ) -> Result<Option<Walk>, ConnectorError> {
        match visit.team {
            None => Ok(Some(Walk::all())),
            Some(team) => Ok(self.stop_at(cx, team).await?.map(|stop| Walk::through([stop]))),
        }
    }

    async fn members(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, User>,
        visit: Visit<'_>,
        stop: &Stop,
        cursor: &str,
    ) -> Result<Members, ConnectorError> {
        let limit = match visit.source {
            Source::Rows => question.page.limit,
            Source::Profiles => question.page.limit.min(MOST_PROFILES),
        };
        let asked = Asked { cursor, most: limit.into() };
        let limit = limit.to_string();
        let arguments = [("team_id", &*stop.team), ("limit", &limit), ("cursor", cursor)];
        match visit.source {
            Source::Rows => {
                let answer = self.web_list(cx, ROWS, &arguments, question.remote_query).await?;
                Self::admin_users(cx, &answer, asked, |user, remote| {
                    Some(member_of_row(cx, user, remote, stop))
                })
            }
            Source::Profiles => {
                let answer = self.web_list(cx, PROFILES, &arguments, question.remote_query).await?;
                let list: wire::UsersList<'_> = answer.read(cx)?;
                let shows_rank = visit.level.is_some() || visit.team.is_some();
                let (method, rows) = (PROFILES, list.members.0);
                let rows = Listed { method, list: "members", most: asked.most, rows };
                let members = rows.read(cx, |user: wire::WebUser, remote| {
                    Some(member_of_profile(cx, user, remote, shows_rank.then_some(stop)))
                })?;
                Ok((members, next_cursor(cx, method, cursor, list.response_metadata)?))
            }
        }
    }

    /// Those who are not given in a workspace before this one. When a level is asked for, that takes
    /// the leaders of the workspaces before.
    async fn new_here(
        &self,
        cx: &CallContext<'_>,
        visit: Visit<'_>,
        team: &str,
        mut members: Vec<Member>,
    ) -> Result<Vec<Record<User>>, ConnectorError> {
        let holds = |member: &Member, level: Level| {
            let roles = &member.record.unified.roles;
            roles.iter().any(|role| role.id == level.workspace_role())
        };
        members.retain(|member| visit.level.is_none_or(|level| holds(member, level)));
        members.retain(|member| member.teams.iter().any(|one| one == team));
        let before = |member: &Member| {
            let teams = member.teams.iter().filter(|one| one.as_str() < team);
            teams.cloned().collect::<BTreeSet<String>>()
        };
        let ranks = match visit.level {
            Some(_) => self.ranks(cx, &members.iter().flat_map(before).collect()).await?,
            None => Ranks::default(),
        };
        members.retain(|member| {
            let ids = map::ids(&member.record.unified);
            let held_in = |earlier: &String| ranks.level(earlier, &ids);
            !before(member)
                .iter()
                .any(|earlier| visit.level.is_none_or(|level| held_in(earlier) == level))
        });
        Ok(members.into_iter().map(|member| member.record).collect())
    }
}

fn member_of_row(
    cx: &CallContext<'_>,
    user: wire::AdminUser,
    remote: Option<Box<RawValue>>,
    stop: &Stop,
) -> Member {
    let role = workspace_role(&user, stop.owner.as_deref() == Some(&user.id));
    let view = View::Workspace { team: &stop.team, role };
    let unified = map::listed_user(user, true, view, &cx.account.organization.id);
    let teams = unified.workspaces.iter().map(|one| one.id.clone()).collect();
    Member { teams, record: Record::new(unified, remote) }
}

/// `rank_in` is the workspace whose level is to stand among the roles.
fn member_of_profile(
    cx: &CallContext<'_>,
    user: wire::WebUser,
    remote: Option<Box<RawValue>>,
    rank_in: Option<&Stop>,
) -> Member {
    let organization = &cx.account.organization.id;
    let is_plain = !(user.deleted || user.is_bot || user.is_restricted);
    let level = rank_in.filter(|_| is_plain).map(|stop| {
        let is_primary_owner = user.ids().any(|id| stop.owner.as_deref() == Some(id));
        let role = Level::of(is_primary_owner, user.is_owner, user.is_admin).workspace_role();
        map::workspace_role(role, &stop.team, organization)
    });
    let mut unified = map::informed_user(user, organization);
    unified.roles.extend(level);
    let teams: Vec<String> = unified.workspaces.iter().map(|one| one.id.clone()).collect();
    Member { teams, record: Record::new(unified, remote) }
}
