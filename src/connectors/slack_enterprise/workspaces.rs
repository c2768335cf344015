//! Workspaces. A page of a list is one call (`admin.teams.list`); one workspace is four at once.

use async_trait::async_trait;

use super::api::row;
use super::users::{found, is_id};
use super::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Position, Reads, Record};
use crate::domain::page::{MAX_LIMIT, Page, PageRequest};
use crate::domain::workspace::Workspace;

const LIST: &str = "admin.teams.list";
const SETTINGS: &str = "admin.teams.settings.info";

#[async_trait]
impl Reads<Workspace> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<Position>,
    ) -> Result<Page<Record<Workspace>, Position>, ConnectorError> {
        let cursor = page.position.map(|position| position.0).unwrap_or_default();
        let limit = page.limit.to_string();
        let answer = self.web(cx, LIST, &[("limit", &limit), ("cursor", &cursor)]).await?;
        let list: wire::AdminTeamsList<'_> = answer.read(cx)?;
        let items = list
            .teams
            .iter()
            .map(|raw| {
                let (team, remote) = row(cx, LIST, raw)?;
                Ok(Record { unified: map::workspace(team), remote })
            })
            .collect::<Result<_, ConnectorError>>()?;
        let cursor = list.response_metadata.next_cursor;
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
        let named = [("team_id", id)];
        let (team, settings, owners, admins) = tokio::join!(
            self.listed_workspace(cx, id),
            self.web(cx, SETTINGS, &named),
            self.people(cx, "admin.teams.owners.list", id),
            self.people(cx, "admin.teams.admins.list", id)
        );
        let (Some(settings), Some(mut team)) = (found(settings)?, team?) else { return Ok(None) };
        let wire::TeamSettings { team: raw } = settings.read(cx)?;
        let (setting, remote) = row::<wire::TeamSetting>(cx, SETTINGS, raw)?;
        let workspace = &mut team.unified;
        workspace.domain = setting.domain.or(workspace.domain.take());
        workspace.icon_url = setting.icon.and_then(|icon| icon.image_230.or(icon.image_132));
        workspace.default_channels = setting.default_channels;
        workspace.owner_ids = Some(owners?);
        workspace.admin_ids = Some(admins?);
        team.remote = team.remote.map(|row| serde_json::json!({ LIST: row, SETTINGS: remote }));
        Ok(Some(team))
    }
}

impl SlackEnterprise {
    /// The workspace's row of the list, which alone has the primary owner.
    async fn listed_workspace(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Workspace>>, ConnectorError> {
        let mut position = None;
        loop {
            let page = PageRequest { position, limit: MAX_LIMIT };
            let page = Reads::<Workspace>::list(self, cx, page).await?;
            if let Some(team) = page.items.into_iter().find(|team| team.unified.id == id) {
                return Ok(Some(team));
            }
            match page.next {
                None => return Ok(None),
                next => position = next,
            }
        }
    }

    /// The ids of a workspace's owners or admins, of all pages.
    async fn people(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        team_id: &str,
    ) -> Result<Vec<String>, ConnectorError> {
        let (mut ids, mut cursor) = (Vec::new(), String::new());
        loop {
            let arguments = [("team_id", team_id), ("limit", "1000"), ("cursor", &cursor)];
            let Some(answer) = found(self.web(cx, method, &arguments).await)? else {
                return Ok(ids);
            };
            let page: wire::TeamPeople = answer.read(cx)?;
            ids.extend(page.ids);
            cursor = page.response_metadata.next_cursor;
            if cursor.is_empty() {
                return Ok(ids);
            }
        }
    }
}
