//! Which removals found by the read of one object are written. Many at once are left to the next full run, which
//! requests each object by its id, or is held; none are written of a kind that a held run waits to remove.

use std::collections::{BTreeMap, HashSet};

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::FeedLock;
use super::super::connections::TimedConnection;
use super::compare::removed;
use super::own::OwnChanges;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::{CopyKind, MaxRemoved};
use crate::domain::sync_run::HeldRemovals;

/// The limit of the removals of one read.
pub(super) struct RemovalLimit {
    max_removed: MaxRemoved,
    /// What a held run waits to remove.
    held: BTreeMap<CopyKind, HeldRemovals>,
    /// Whether removals were left out.
    pub(super) is_exceeded: bool,
}

impl RemovalLimit {
    /// Loads what a held run of the account waits to remove.
    pub(super) async fn load(
        connection: &mut TimedConnection,
        feed: &FeedLock,
        max_removed: MaxRemoved,
    ) -> Result<Self, StoreError> {
        let held = sqlx::query_scalar!(
            r#"SELECT checkpoint -> 'held_removals' AS "held!: Json<BTreeMap<CopyKind, HeldRemovals>>"
               FROM sync_runs
               WHERE environment_id = $1 AND integrated_account_id = $2 AND status = 'held'
                 AND checkpoint ? 'held_removals'
               ORDER BY sync_run_id DESC LIMIT 1"#,
            feed.account.0 as EnvironmentId,
            feed.account.1 as IntegratedAccountId,
        )
        .fetch_optional(connection)
        .await?;
        let held = held.map(|held| held.0).unwrap_or_default();
        Ok(Self { max_removed, held, is_exceeded: false })
    }

    /// Returns the objects of a kind that may be removed: those that a change of this gateway removed, and the others
    /// unless they are too many. A user, group or workspace stays while objects stay that refer to it.
    pub(super) async fn allowed(
        &mut self,
        connection: &mut TimedConnection,
        feed: &FeedLock,
        own: &OwnChanges,
        (kind, ids, read_at): (CopyKind, &[String], OffsetDateTime),
    ) -> Result<Vec<String>, StoreError> {
        if self.is_exceeded
            && matches!(kind, CopyKind::User | CopyKind::Group | CopyKind::Workspace)
        {
            return Ok(Vec::new());
        }
        let foreign = foreign_removals(&mut *connection, feed, own, (kind, ids, read_at)).await?;
        let number = u64::try_from(foreign.len()).unwrap_or(u64::MAX);
        let is_allowed = number == 0
            || (!self.held.contains_key(&kind)
                && (number <= self.max_removed.count.into()
                    || number <= self.max_removed.of(present(connection, feed, kind).await?)));
        if is_allowed {
            return Ok(ids.to_vec());
        }
        tracing::info!(account = %feed.account.1, %kind, removals = number, "removals wait for a full run");
        self.is_exceeded = true;
        Ok(ids.iter().filter(|id| !foreign.contains(*id)).cloned().collect())
    }
}

/// Returns the current objects among `ids` whose removal no change of this gateway explains.
async fn foreign_removals(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    own: &OwnChanges,
    (kind, ids, read_at): (CopyKind, &[String], OffsetDateTime),
) -> Result<HashSet<String>, StoreError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query!(
        r#"SELECT object_id, body::text AS "body!" FROM directory_versions
           WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
             AND object_id = ANY ($4) AND valid_to = 'infinity' AND read_at <= $5"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        ids,
        read_at,
    )
    .fetch_all(connection)
    .await?;
    let events = rows.into_iter().map(|row| removed(kind, row.object_id, row.body, None));
    let foreign = events.filter(|event| own.explaining(event).is_none());
    Ok(foreign.filter_map(|event| event.subject.map(|(_, id)| id)).collect())
}

/// Returns the number of current objects of a kind.
async fn present(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
) -> Result<u64, StoreError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM directory_versions
           WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
             AND valid_to = 'infinity'"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(count).unwrap_or_default())
}
