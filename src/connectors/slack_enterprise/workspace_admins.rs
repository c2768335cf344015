//! Owners and admins of workspaces.

use std::collections::{BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::SlackConnector;
use super::roles::AdminLevel;
use crate::connectors::{CallContext, ConnectorError};

/// Maximum number of concurrent calls of one request.
pub(super) const MAX_CONCURRENT_CALLS: usize = 8;

/// The owners and admins of some workspaces.
#[derive(Debug, Default)]
pub(super) struct WorkspaceAdmins(HashMap<String, TeamAdmins>);

#[derive(Debug, Default)]
struct TeamAdmins {
    primary_owner: Option<String>,
    owner_ids: Vec<String>,
    admin_ids: Vec<String>,
}

impl WorkspaceAdmins {
    /// Returns the level of a full member, with any of these ids, in one of these workspaces.
    pub(super) fn level<'u>(
        &self,
        team: &str,
        user: &(impl Iterator<Item = &'u str> + Clone),
    ) -> AdminLevel {
        let Some(ranks) = self.0.get(team) else { return AdminLevel::Member };
        let is_in = |ids: &[String]| user.clone().any(|user| ids.iter().any(|id| id == user));
        if ranks.primary_owner.as_ref().is_some_and(|owner| user.clone().any(|id| id == owner)) {
            AdminLevel::PrimaryOwner
        } else if is_in(&ranks.owner_ids) {
            AdminLevel::Owner
        } else if is_in(&ranks.admin_ids) {
            AdminLevel::Admin
        } else {
            AdminLevel::Member
        }
    }
}

impl SlackConnector {
    /// Reads the owners and admins of these workspaces. Costs two calls for each, and one per thousand workspaces of
    /// the organization; none for an empty set.
    pub(super) async fn workspace_admins(
        &self,
        cx: &CallContext<'_>,
        teams: &BTreeSet<String>,
    ) -> Result<WorkspaceAdmins, ConnectorError> {
        if teams.is_empty() {
            return Ok(WorkspaceAdmins::default());
        }
        let stops = self.all_workspaces(cx).await?;
        let wanted = stops.into_iter().filter(|stop| teams.contains(&stop.team));
        let ranks = wanted.map(|stop| async move {
            let (owner_ids, admin_ids) = self.owners_and_admins(cx, &stop.team).await?;
            let ranks = TeamAdmins { primary_owner: stop.owner, owner_ids, admin_ids };
            Ok::<_, ConnectorError>((stop.team, ranks))
        });
        stream::iter(ranks)
            .buffer_unordered(MAX_CONCURRENT_CALLS)
            .try_collect()
            .await
            .map(WorkspaceAdmins)
    }

    /// Reads the ids of a workspace's owners and of its admins: two concurrent calls.
    pub(super) async fn owners_and_admins(
        &self,
        cx: &CallContext<'_>,
        team: &str,
    ) -> Result<(Vec<String>, Vec<String>), ConnectorError> {
        tokio::try_join!(
            self.owner_or_admin_ids(cx, "admin.teams.owners.list", team),
            self.owner_or_admin_ids(cx, "admin.teams.admins.list", team)
        )
    }
}
