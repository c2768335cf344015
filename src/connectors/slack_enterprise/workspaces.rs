//! Workspaces. A page of a list is one call (`admin.teams.list`); one workspace is four at once. Slack
//! has no method that tells a workspace's description, its members' number or when it was made.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::value::RawValue;

use super::api::{found, is_id, next_cursor, object};
use super::ranks::AT_ONCE;
use super::{SlackEnterprise, map, wire};
use crate::connectors::paging::Trail;
use crate::connectors::reading::together;
use crate::connectors::rows::Listed;
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::filter::{Expand, Expansion, Filter as _, RemoteQuery, WorkspaceFilter};
use crate::domain::page::{MAX_LIMIT, Page, PageRequest};
use crate::domain::workspace::Workspace;

const LIST: &str = "admin.teams.list";
const SETTINGS: &str = "admin.teams.settings.info";

#[async_trait]
impl Reads<Workspace> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, Workspace>,
    ) -> Result<Page<Record<Workspace>, Position>, ConnectorError> {
        let Question { page, filter, expand, remote_query } = question;
        let cursor = page.position.map(|position| position.0).unwrap_or_default();
        // A name is of one workspace only: the fewest pages find it.
        let most = if filter.name.is_some() { MAX_LIMIT } else { page.limit };
        let arguments = [("limit", &*most.to_string()), ("cursor", &*cursor)];
        let answer = self.web_list(cx, LIST, &arguments, remote_query).await?;
        let list: wire::AdminTeamsList<'_> = answer.read(cx)?;
        let rows = Listed { method: LIST, list: "teams", most: most.into(), rows: list.teams.0 };
        let rows = rows.read(cx, |team, remote| Some(Record::new(map::workspace(team), remote)))?;
        let admitted = rows.into_iter().filter(|record| filter.admits(&record.unified));
        let full = admitted.map(|record| self.expand_workspace(cx, record, expand));
        let items = stream::iter(full).buffered(AT_ONCE).try_collect().await?;
        let cursor = next_cursor(cx, LIST, &cursor, list.response_metadata)?;
        Ok(Page { items, next: (!cursor.is_empty()).then_some(Position(cursor)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Workspace>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let (team, settings, leaders) = tokio::join!(
            self.listed_workspace(cx, id),
            self.settings(cx, id),
            self.leaders(cx, id)
        );
        let (Some(settings), Some(mut team)) = (settings?, team?) else { return Ok(None) };
        settings.add_to(&mut team);
        add_leaders(&mut team.unified, leaders?);
        Ok(Some(team))
    }
}

/// What `admin.teams.settings.info` tells.
struct Settings {
    team: wire::TeamSetting,
    remote: Option<Box<RawValue>>,
}

impl Settings {
    fn add_to(self, record: &mut Record<Workspace>) {
        let workspace = &mut record.unified;
        workspace.domain = self.team.domain.or(workspace.domain.take());
        workspace.icon_url = self.team.icon.and_then(|icon| icon.image_230.or(icon.image_132));
        workspace.default_channels = self.team.default_channels;
        let settings = self.remote.as_deref();
        record.remote =
            record.remote.take().map(|row| together([(LIST, Some(&*row)), (SETTINGS, settings)]));
    }
}

fn add_leaders(workspace: &mut Workspace, (owners, admins): (Vec<String>, Vec<String>)) {
    workspace.owner_ids = Some(owners);
    workspace.admin_ids = Some(admins);
}

impl SlackEnterprise {
    /// Adds what was asked for to a row: two calls for the leaders, one for the settings.
    async fn expand_workspace(
        &self,
        cx: &CallContext<'_>,
        mut record: Record<Workspace>,
        expand: &Expand,
    ) -> Result<Record<Workspace>, ConnectorError> {
        if expand.asks_for(&[Expansion::Settings])
            && let Some(settings) = self.settings(cx, &record.unified.id).await?
        {
            settings.add_to(&mut record);
        }
        if expand.asks_for(&[Expansion::Owners]) {
            let leaders = self.leaders(cx, &record.unified.id).await?;
            add_leaders(&mut record.unified, leaders);
        }
        Ok(record)
    }

    /// A workspace's settings; none when there is no such workspace.
    async fn settings(
        &self,
        cx: &CallContext<'_>,
        team_id: &str,
    ) -> Result<Option<Settings>, ConnectorError> {
        let answer = found(self.web(cx, SETTINGS, &[("team_id", team_id)]).await)?;
        let Some(answer) = answer else { return Ok(None) };
        let wire::TeamSettings { team: raw } = answer.read(cx)?;
        let (team, remote) = object(cx, SETTINGS, raw)?;
        Ok(Some(Settings { team, remote }))
    }

    /// The workspace's row of the list, which alone has the primary owner.
    async fn listed_workspace(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Workspace>>, ConnectorError> {
        let (mut position, mut trail) = (None, Trail::default());
        loop {
            let page = PageRequest { position, limit: MAX_LIMIT };
            let (filter, expand) = (&WorkspaceFilter::default(), &Expand::default());
            let remote_query = &RemoteQuery::default();
            let question = Question { page, filter, expand, remote_query };
            let page = Reads::<Workspace>::list(self, cx, question).await?;
            if let Some(team) = page.items.into_iter().find(|team| team.unified.id == id) {
                return Ok(Some(team));
            }
            let Some(next) = page.next else { return Ok(None) };
            cx.go_on(LIST, &mut trail, &next.0)?;
            position = Some(next);
        }
    }

    /// The ids of a workspace's owners or admins, of all pages.
    pub(super) async fn people(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        team_id: &str,
    ) -> Result<Vec<String>, ConnectorError> {
        let (mut ids, mut cursor, mut trail) = (Vec::new(), String::new(), Trail::default());
        let limit = MAX_LIMIT.to_string();
        loop {
            let arguments = [("team_id", team_id), ("limit", &*limit), ("cursor", &cursor)];
            let Some(answer) = found(self.web(cx, method, &arguments).await)? else {
                return Ok(ids);
            };
            let page: wire::TeamPeople<'_> = answer.read(cx)?;
            let rows = Listed { method, list: "ids", most: MAX_LIMIT.into(), rows: page.ids.0 };
            ids.extend(rows.read(cx, |id: String, _| Some(id))?);
            cursor = next_cursor(cx, method, &cursor, page.response_metadata)?;
            if cursor.is_empty() {
                return Ok(ids);
            }
            cx.go_on(method, &mut trail, &cursor)?;
        }
    }
}
