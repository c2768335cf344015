//! Who leads a workspace, as its lists of owners and admins tell it.

use std::collections::{BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::SlackEnterprise;
use super::roles::Level;
use crate::connectors::{CallContext, ConnectorError};

/// So many calls of one request are under way at once.
pub(super) const AT_ONCE: usize = 8;

/// The leaders of some workspaces.
#[derive(Debug, Default)]
pub(super) struct Ranks(HashMap<String, TeamRanks>);

#[derive(Debug, Default)]
struct TeamRanks {
    primary_owner: Option<String>,
    owner_ids: Vec<String>,
    admin_ids: Vec<String>,
}

impl Ranks {
    /// The level that a full member, known by any of these ids, has in one of these workspaces.
    pub(super) fn level<'u>(
        &self,
        team: &str,
        user: &(impl Iterator<Item = &'u str> + Clone),
    ) -> Level {
        let Some(ranks) = self.0.get(team) else { return Level::Member };
        let is_in = |ids: &[String]| user.clone().any(|user| ids.iter().any(|id| id == user));
        if ranks.primary_owner.as_ref().is_some_and(|owner| user.clone().any(|id| id == owner)) {
            Level::PrimaryOwner
        } else if is_in(&ranks.owner_ids) {
            Level::Owner
        } else if is_in(&ranks.admin_ids) {
            Level::Admin
        } else {
            Level::Member
        }
    }
}

impl SlackEnterprise {
    /// The leaders of these workspaces. Costs two calls for each, and one for every thousand workspaces
    /// that there are; nothing when none is asked for.
    pub(super) async fn ranks(
        &self,
        cx: &CallContext<'_>,
        teams: &BTreeSet<String>,
    ) -> Result<Ranks, ConnectorError> {
        if teams.is_empty() {
            return Ok(Ranks::default());
        }
        let stops = self.every_stop(cx).await?;
        let wanted = stops.into_iter().filter(|stop| teams.contains(&stop.team));
        let ranks = wanted.map(|stop| async move {
            let (owner_ids, admin_ids) = self.leaders(cx, &stop.team).await?;
            let ranks = TeamRanks { primary_owner: stop.owner, owner_ids, admin_ids };
            Ok::<_, ConnectorError>((stop.team, ranks))
        });
        stream::iter(ranks).buffer_unordered(AT_ONCE).try_collect().await.map(Ranks)
    }

    /// The ids of a workspace's owners and of its admins: two calls at once.
    pub(super) async fn leaders(
        &self,
        cx: &CallContext<'_>,
        team: &str,
    ) -> Result<(Vec<String>, Vec<String>), ConnectorError> {
        tokio::try_join!(
            self.people(cx, "admin.teams.owners.list", team),
            self.people(cx, "admin.teams.admins.list", team)
        )
    }
}
