//! A walk through the workspaces: which one comes next, and how far into it the last page came. A walk
//! is a part of a cursor, so it names what is ahead instead of remembering what is behind.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::api::next_cursor;
use super::{SlackEnterprise, wire};
use crate::connectors::paging::Trail;
use crate::connectors::rows::Listed;
use crate::connectors::{CallContext, ConnectorError};
use crate::domain::page::MAX_LIMIT;

const TEAMS: &str = "admin.teams.list";
/// So many workspaces are asked for at once: a cursor has to hold them.
const AHEAD: u16 = 20;

/// A workspace on the way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Stop {
    /// The workspace.
    #[serde(rename = "t")]
    pub(super) team: String,
    /// Its primary owner, whom only the list of workspaces tells.
    #[serde(rename = "o")]
    pub(super) owner: Option<String>,
}

/// What is still to be walked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Walk {
    #[serde(rename = "a")]
    ahead: VecDeque<Stop>,
    /// Where the list of workspaces goes on behind those; none at its end.
    #[serde(rename = "n")]
    teams_cursor: Option<String>,
    /// The provider's cursor in the first workspace ahead; empty at its start.
    #[serde(rename = "c")]
    pub(super) cursor: String,
}

impl Walk {
    /// Through all workspaces.
    pub(super) fn all() -> Self {
        let teams_cursor = Some(String::new());
        Self { ahead: VecDeque::new(), teams_cursor, cursor: String::new() }
    }

    /// Through these only.
    pub(super) fn through(stops: impl IntoIterator<Item = Stop>) -> Self {
        let ahead = stops.into_iter().collect();
        Self { ahead, teams_cursor: None, cursor: String::new() }
    }

    /// The walk behind a page of the first workspace ahead that ended with this cursor; none at the end.
    pub(super) fn after(mut self, cursor: String) -> Option<Self> {
        if cursor.is_empty() {
            self.ahead.pop_front();
        }
        let goes_on = !self.ahead.is_empty() || self.teams_cursor.is_some();
        self.cursor = cursor;
        goes_on.then_some(self)
    }
}

impl SlackEnterprise {
    /// The workspace that a walk has come to; none at its end. Costs a call for every twenty.
    pub(super) async fn stop(
        &self,
        cx: &CallContext<'_>,
        walk: &mut Walk,
    ) -> Result<Option<Stop>, ConnectorError> {
        let mut trail = Trail::default();
        while let (true, Some(cursor)) = (walk.ahead.is_empty(), walk.teams_cursor.take()) {
            let (stops, next) = self.stops(cx, AHEAD, &cursor).await?;
            walk.ahead.extend(stops);
            if !next.is_empty() {
                cx.go_on(TEAMS, &mut trail, &next)?;
                walk.teams_cursor = Some(next);
            }
        }
        Ok(walk.ahead.front().cloned())
    }

    /// The workspace with that id as a stop; none when there is no such workspace.
    pub(super) async fn stop_at(
        &self,
        cx: &CallContext<'_>,
        team: &str,
    ) -> Result<Option<Stop>, ConnectorError> {
        let stops = self.every_stop(cx).await?;
        Ok(stops.into_iter().find(|stop| stop.team == team))
    }

    /// All workspaces. Costs a call for every thousand.
    pub(super) async fn every_stop(
        &self,
        cx: &CallContext<'_>,
    ) -> Result<Vec<Stop>, ConnectorError> {
        let (mut all, mut cursor, mut trail) = (Vec::new(), String::new(), Trail::default());
        loop {
            let (stops, next) = self.stops(cx, MAX_LIMIT, &cursor).await?;
            all.extend(stops);
            if next.is_empty() {
                return Ok(all);
            }
            cx.go_on(TEAMS, &mut trail, &next)?;
            cursor = next;
        }
    }

    async fn stops(
        &self,
        cx: &CallContext<'_>,
        limit: u16,
        cursor: &str,
    ) -> Result<(Vec<Stop>, String), ConnectorError> {
        let arguments = [("limit", &*limit.to_string()), ("cursor", cursor)];
        let answer = self.web(cx, TEAMS, &arguments).await?;
        let list: wire::AdminTeamsList<'_> = answer.read(cx)?;
        let rows = Listed { method: TEAMS, list: "teams", most: limit.into(), rows: list.teams.0 };
        let stops = rows.read(cx, |team: wire::AdminTeam, _| {
            let owner = team.primary_owner.and_then(|owner| owner.user_id);
            Some(Stop { team: team.id, owner })
        })?;
        Ok((stops, next_cursor(cx, TEAMS, cursor, list.response_metadata)?))
    }
}
