//! Reads workspaces. A page of a list is one call (`admin.teams.list`), one workspace four concurrent calls. Slack has
//! no method that returns a workspace's description, number of members or time of creation.

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::value::RawValue;

use super::api::{is_id, next_cursor, not_found_as_none, parse_object};
use super::workspace_admins::MAX_CONCURRENT_CALLS;
use super::{SlackConnector, map, wire};
use crate::connectors::paging::PageHistory;
use crate::connectors::response::merge_remote;
use crate::connectors::rows::ResponseRows;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::filter::{Expand, Expansion, Filter as _, RemoteQuery, WorkspaceFilter};
use crate::domain::page::{MAX_LIMIT, Page, PageRequest};
use crate::domain::workspace::Workspace;

const LIST: &str = "admin.teams.list";
const SETTINGS: &str = "admin.teams.settings.info";

#[async_trait]
impl ReadResource<Workspace> for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Workspace>,
    ) -> Result<Page<Unified<Workspace>, PageToken>, ConnectorError> {
        let ListRequest { page, filter, expand, remote_query } = request;
        let cursor = page.token.map(|position| position.0).unwrap_or_default();
        // A filter by name matches few rows: large pages find them with the fewest calls.
        let most = if filter.name.is_some() { MAX_LIMIT } else { page.limit };
        let arguments = [("limit", &*most.to_string()), ("cursor", &*cursor)];
        let response = self.web_list(cx, LIST, &arguments, remote_query).await?;
        let list: wire::AdminTeamsList<'_> = response.read(cx)?;
        let rows =
            ResponseRows { method: LIST, list: "teams", max_rows: most.into(), rows: list.teams.0 };
        let rows =
            rows.read(cx, |team, remote| Some(Unified::new(map::workspace(team), remote)))?;
        let admitted = rows.into_iter().filter(|record| filter.matches(&record.resource));
        let full = admitted.map(|record| self.expand_workspace(cx, record, expand));
        let items = stream::iter(full).buffered(MAX_CONCURRENT_CALLS).try_collect().await?;
        let cursor = next_cursor(cx, LIST, &cursor, list.response_metadata)?;
        Ok(Page { items, next: (!cursor.is_empty()).then_some(PageToken(cursor)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Workspace>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let (team, settings, leaders) = tokio::join!(
            self.listed_workspace(cx, id),
            self.settings(cx, id),
            self.owners_and_admins(cx, id)
        );
        let (Some(settings), Some(mut team)) = (settings?, team?) else { return Ok(None) };
        settings.add_to(&mut team);
        add_owners_and_admins(&mut team.resource, leaders?);
        Ok(Some(team))
    }
}

/// The data of `admin.teams.settings.info`.
struct WorkspaceSettings {
    team: wire::TeamSetting,
    remote: Option<Box<RawValue>>,
}

impl WorkspaceSettings {
    fn add_to(self, record: &mut Unified<Workspace>) {
        let workspace = &mut record.resource;
        workspace.domain = self.team.domain.or(workspace.domain.take());
        workspace.icon_url = self.team.icon.and_then(|icon| icon.image_230.or(icon.image_132));
        workspace.default_channels = self.team.default_channels;
        let settings = self.remote.as_deref();
        record.remote = record
            .remote
            .take()
            .map(|row| merge_remote([(LIST, Some(&*row)), (SETTINGS, settings)]));
    }
}

fn add_owners_and_admins(workspace: &mut Workspace, (owners, admins): (Vec<String>, Vec<String>)) {
    workspace.owner_ids = Some(owners);
    workspace.admin_ids = Some(admins);
}

impl SlackConnector {
    /// Adds the requested expansions to a row: two calls for owners and admins, one for the settings.
    async fn expand_workspace(
        &self,
        cx: &CallContext<'_>,
        mut record: Unified<Workspace>,
        expand: &Expand,
    ) -> Result<Unified<Workspace>, ConnectorError> {
        if expand.includes_any(&[Expansion::Settings])
            && let Some(settings) = self.settings(cx, &record.resource.id).await?
        {
            settings.add_to(&mut record);
        }
        if expand.includes_any(&[Expansion::Owners]) {
            let leaders = self.owners_and_admins(cx, &record.resource.id).await?;
            add_owners_and_admins(&mut record.resource, leaders);
        }
        Ok(record)
    }

    /// Reads a workspace's settings; `None` when the workspace does not exist.
    async fn settings(
        &self,
        cx: &CallContext<'_>,
        team_id: &str,
    ) -> Result<Option<WorkspaceSettings>, ConnectorError> {
        let response = not_found_as_none(self.web(cx, SETTINGS, &[("team_id", team_id)]).await)?;
        let Some(response) = response else { return Ok(None) };
        let wire::TeamSettings { team: raw } = response.read(cx)?;
        let (team, remote) = parse_object(cx, SETTINGS, raw)?;
        Ok(Some(WorkspaceSettings { team, remote }))
    }

    /// Reads the workspace's row of the list, which alone has the primary owner.
    async fn listed_workspace(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Workspace>>, ConnectorError> {
        let (mut position, mut trail) = (None, PageHistory::default());
        loop {
            let page = PageRequest { token: position, limit: MAX_LIMIT };
            let (filter, expand) = (&WorkspaceFilter::default(), &Expand::default());
            let remote_query = &RemoteQuery::default();
            let request = ListRequest { page, filter, expand, remote_query };
            let page = ReadResource::<Workspace>::list(self, cx, request).await?;
            if let Some(team) = page.items.into_iter().find(|team| team.resource.id == id) {
                return Ok(Some(team));
            }
            let Some(next) = page.next else { return Ok(None) };
            cx.advance(LIST, &mut trail, &next.0)?;
            position = Some(next);
        }
    }

    /// Reads the ids of a workspace's owners or admins from all pages.
    pub(super) async fn owner_or_admin_ids(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        team_id: &str,
    ) -> Result<Vec<String>, ConnectorError> {
        let (mut ids, mut cursor, mut trail) = (Vec::new(), String::new(), PageHistory::default());
        let limit = MAX_LIMIT.to_string();
        loop {
            let arguments = [("team_id", team_id), ("limit", &*limit), ("cursor", &cursor)];
            let Some(response) = not_found_as_none(self.web(cx, method, &arguments).await)? else {
                return Ok(ids);
            };
            let page: wire::TeamAdminIds<'_> = response.read(cx)?;
            let rows =
                ResponseRows { method, list: "ids", max_rows: MAX_LIMIT.into(), rows: page.ids.0 };
            ids.extend(rows.read(cx, |id: String, _| Some(id))?);
            cursor = next_cursor(cx, method, &cursor, page.response_metadata)?;
            if cursor.is_empty() {
                return Ok(ids);
            }
            cx.advance(method, &mut trail, &cursor)?;
        }
    }
}
