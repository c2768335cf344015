//! The number of current objects of each kind in a copy.

use super::super::change_events::FeedLock;
use super::super::columns::parse_name;
use super::super::connections::TimedConnection;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;
use crate::domain::sync_run::ChangeCounts;

/// Adds what a change created, and subtracts what it removed.
pub(super) async fn add_changes(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    counts: ChangeCounts,
) -> Result<(), StoreError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let difference = number(counts.created) - number(counts.removed);
    if difference == 0 {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO directory_copy_sizes AS size (environment_id, integrated_account_id, kind, objects)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (integrated_account_id, environment_id, kind)
             DO UPDATE SET objects = size.objects + $4",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        difference,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the current objects of a kind. A process of an earlier version, which adds no changes, may have written some.
pub(in crate::store) async fn count(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO directory_copy_sizes (environment_id, integrated_account_id, kind, objects)
         SELECT $1, $2, $3, count(*) FROM directory_versions
         WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND valid_to = 'infinity'
         ON CONFLICT (integrated_account_id, environment_id, kind) DO UPDATE SET objects = excluded.objects",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl TenantDb {
    /// Returns the number of current objects of each kind that there are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn copy_sizes(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<(CopyKind, u64)>, StoreError> {
        let rows = sqlx::query!(
            "SELECT kind, objects FROM directory_copy_sizes
             WHERE environment_id = $1 AND integrated_account_id = $2 AND objects > 0",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let kind = parse_name("directory_copy_sizes", "kind", &row.kind)?;
                Ok((kind, u64::try_from(row.objects).unwrap_or_default()))
            })
            .collect()
    }
}
