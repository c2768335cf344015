//! A scan over workspaces: the pending ones, and the cursor within the current one. It is a part of a cursor, so it
//! lists the pending workspaces instead of the finished ones.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::api::next_cursor;
use super::{SlackConnector, wire};
use crate::connectors::paging::PageHistory;
use crate::connectors::rows::ResponseRows;
use crate::connectors::{CallContext, ConnectorError};
use crate::domain::page::MAX_LIMIT;

const TEAMS: &str = "admin.teams.list";
/// Number of workspaces read at a time: a cursor holds them.
const WORKSPACES_PER_CURSOR: u16 = 20;

/// A workspace of the scan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ScanEntry {
    /// The workspace.
    #[serde(rename = "t")]
    pub(super) team: String,
    /// The primary owner, which only the list of workspaces has.
    #[serde(rename = "o")]
    pub(super) owner: Option<String>,
}

/// The pending part of a scan.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WorkspaceScan {
    #[serde(rename = "a")]
    pending: VecDeque<ScanEntry>,
    /// The cursor of the following workspaces; `None` at the end.
    #[serde(rename = "n")]
    teams_cursor: Option<String>,
    /// The provider's cursor in the first pending workspace; empty at its start.
    #[serde(rename = "c")]
    pub(super) cursor: String,
}

impl WorkspaceScan {
    /// Scans all workspaces.
    pub(super) fn all() -> Self {
        let teams_cursor = Some(String::new());
        Self { pending: VecDeque::new(), teams_cursor, cursor: String::new() }
    }

    /// Scans only these workspaces.
    pub(super) fn only(stops: impl IntoIterator<Item = ScanEntry>) -> Self {
        let ahead = stops.into_iter().collect();
        Self { pending: ahead, teams_cursor: None, cursor: String::new() }
    }

    /// Returns the scan after a page of the first pending workspace that ended with this cursor; `None` at the end.
    pub(super) fn after(mut self, cursor: String) -> Option<Self> {
        if cursor.is_empty() {
            self.pending.pop_front();
        }
        let goes_on = !self.pending.is_empty() || self.teams_cursor.is_some();
        self.cursor = cursor;
        goes_on.then_some(self)
    }
}

impl SlackConnector {
    /// Returns the current workspace of a scan; `None` at its end. Costs a call per twenty workspaces.
    pub(super) async fn current_workspace(
        &self,
        cx: &CallContext<'_>,
        walk: &mut WorkspaceScan,
    ) -> Result<Option<ScanEntry>, ConnectorError> {
        let mut trail = PageHistory::default();
        while let (true, Some(cursor)) = (walk.pending.is_empty(), walk.teams_cursor.take()) {
            let (stops, next) = self.workspace_page(cx, WORKSPACES_PER_CURSOR, &cursor).await?;
            walk.pending.extend(stops);
            if !next.is_empty() {
                cx.advance(TEAMS, &mut trail, &next)?;
                walk.teams_cursor = Some(next);
            }
        }
        Ok(walk.pending.front().cloned())
    }

    /// Finds a workspace by id; `None` when it does not exist.
    pub(super) async fn find_workspace(
        &self,
        cx: &CallContext<'_>,
        team: &str,
    ) -> Result<Option<ScanEntry>, ConnectorError> {
        let stops = self.all_workspaces(cx).await?;
        Ok(stops.into_iter().find(|stop| stop.team == team))
    }

    /// Reads all workspaces. Costs a call per thousand.
    pub(super) async fn all_workspaces(
        &self,
        cx: &CallContext<'_>,
    ) -> Result<Vec<ScanEntry>, ConnectorError> {
        let (mut all, mut cursor, mut trail) = (Vec::new(), String::new(), PageHistory::default());
        loop {
            let (stops, next) = self.workspace_page(cx, MAX_LIMIT, &cursor).await?;
            all.extend(stops);
            if next.is_empty() {
                return Ok(all);
            }
            cx.advance(TEAMS, &mut trail, &next)?;
            cursor = next;
        }
    }

    async fn workspace_page(
        &self,
        cx: &CallContext<'_>,
        limit: u16,
        cursor: &str,
    ) -> Result<(Vec<ScanEntry>, String), ConnectorError> {
        let arguments = [("limit", &*limit.to_string()), ("cursor", cursor)];
        let response = self.web(cx, TEAMS, &arguments).await?;
        let list: wire::AdminTeamsList<'_> = response.read(cx)?;
        let rows = ResponseRows {
            method: TEAMS,
            list: "teams",
            max_rows: limit.into(),
            rows: list.teams.0,
        };
        let stops = rows.read(cx, |team: wire::AdminTeam, _| {
            let owner = team.primary_owner.and_then(|owner| owner.user_id);
            Some(ScanEntry { team: team.id, owner })
        })?;
        Ok((stops, next_cursor(cx, TEAMS, cursor, list.response_metadata)?))
    }
}
