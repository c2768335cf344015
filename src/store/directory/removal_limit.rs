//! Which removals found by the read of one object are written: many at once are left to the next full run, which
//! requests each object by its id, or is held.

use std::collections::HashSet;

use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::FeedLock;
use super::super::connections::TimedConnection;
use super::compare::removed;
use super::own::OwnChanges;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::{CopyKind, MaxRemoved};

/// The limit of the removals of one read.
pub(super) struct RemovalLimit {
    /// `None` for no limit.
    max_removed: Option<MaxRemoved>,
    /// Whether removals were left out.
    pub(super) is_exceeded: bool,
}

impl RemovalLimit {
    /// Returns the limit of a read that has removed nothing yet.
    pub(super) fn new(max_removed: Option<MaxRemoved>) -> Self {
        Self { max_removed, is_exceeded: false }
    }

    /// Returns the objects of a kind that may be removed: those that a change of this gateway removed, and the others
    /// unless they are too many. What follows those that were left out is left out too: it is removed after them.
    pub(super) async fn allowed(
        &mut self,
        connection: &mut TimedConnection,
        feed: &FeedLock,
        own: &OwnChanges,
        (kind, ids, read_at): (CopyKind, &[String], OffsetDateTime),
    ) -> Result<Vec<String>, StoreError> {
        let Some(limit) = self.max_removed else { return Ok(ids.to_vec()) };
        if self.is_exceeded {
            return Ok(Vec::new());
        }
        let foreign = foreign_removals(&mut *connection, feed, own, (kind, ids, read_at)).await?;
        let number = u64::try_from(foreign.len()).unwrap_or(u64::MAX);
        // A run may not remove all objects of a kind. The only one is confirmed by this read.
        if number <= 1 || limit.allows(number, present(connection, feed, kind).await?) {
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
        r#"SELECT v.object_id AS "object_id!", v.body::text AS "body!"
           FROM UNNEST($4::text[]) AS i (id)
           CROSS JOIN LATERAL (
               SELECT object_id, body FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
                 AND object_id = i.id AND valid_to = 'infinity' AND read_at <= $5
               LIMIT 1) v"#,
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
