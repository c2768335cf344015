//! What a run has read, and what it has not found.

use time::OffsetDateTime;

use super::super::connections::TimedConnection;
use super::super::{StoreError, TenantDb};
use crate::domain::copied_object::CopiedObject;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, SyncRunId};
use crate::domain::sync::CopyKind;

/// An object of the copy that a run has not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingObject {
    /// Its id.
    pub id: String,
    /// The user that it refers to.
    pub user_id: Option<String>,
    /// The workspace, group or channel that it refers to.
    pub parent_id: Option<String>,
}

/// Records that a run has read objects.
pub(in crate::store) async fn mark_seen(
    connection: &mut TimedConnection,
    account_id: IntegratedAccountId,
    run_id: SyncRunId,
    kind: CopyKind,
    objects: &[CopiedObject],
) -> Result<(), StoreError> {
    let ids: Vec<String> = objects.iter().map(|object| object.id.clone()).collect();
    sqlx::query!(
        "INSERT INTO sync_seen (integrated_account_id, sync_run_id, kind, object_id)
         SELECT $1, $2, $3, id FROM UNNEST($4::text[]) AS id ON CONFLICT DO NOTHING",
        account_id as IntegratedAccountId,
        run_id as SyncRunId,
        kind.name(),
        &ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what a run has read.
pub(in crate::store) async fn forget_run(
    connection: &mut TimedConnection,
    account_id: IntegratedAccountId,
    run_id: SyncRunId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM sync_seen WHERE integrated_account_id = $1 AND sync_run_id = $2",
        account_id as IntegratedAccountId,
        run_id as SyncRunId,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM sync_profiles WHERE integrated_account_id = $1 AND sync_run_id = $2",
        account_id as IntegratedAccountId,
        run_id as SyncRunId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl TenantDb {
    /// Returns the number of current objects of a kind, and how many of them a run has not found. An object that was
    /// read after `started` is not missing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_missing(
        &self,
        account_id: IntegratedAccountId,
        run_id: SyncRunId,
        kind: CopyKind,
        started: OffsetDateTime,
    ) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query!(
            // A subquery with a limit is one lookup in the primary key for each object. A join of tables that have just
            // been filled, without statistics, compares each object with all others.
            r#"SELECT count(*) AS "present!",
                      count(*) FILTER (WHERE v.read_at <= $5 AND (
                          SELECT s.object_id FROM sync_seen s
                          WHERE s.integrated_account_id = $2 AND s.sync_run_id = $3 AND s.kind = $4
                            AND s.object_id = v.object_id LIMIT 1) IS NULL) AS "missing!"
               FROM directory_versions v
               WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = $4
                 AND v.valid_to = 'infinity'"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            run_id as SyncRunId,
            kind.name(),
            started,
        )
        .fetch_one(&self.pool)
        .await?;
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        Ok((number(row.present), number(row.missing)))
    }

    /// Returns up to `limit` current objects of a kind that a run has not found, after the id `after`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn missing_objects(
        &self,
        account_id: IntegratedAccountId,
        run_id: SyncRunId,
        (kind, started): (CopyKind, OffsetDateTime),
        after: &str,
        limit: i64,
    ) -> Result<Vec<MissingObject>, StoreError> {
        Ok(sqlx::query_as!(
            MissingObject,
            r#"SELECT v.object_id AS id, v.user_id, v.parent_id
               FROM directory_versions v
               WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = $4
                 AND v.valid_to = 'infinity' AND v.read_at <= $5 AND v.object_id > $6
                 AND (SELECT s.object_id FROM sync_seen s
                      WHERE s.integrated_account_id = $2 AND s.sync_run_id = $3 AND s.kind = $4
                        AND s.object_id = v.object_id LIMIT 1) IS NULL
               ORDER BY v.object_id LIMIT $7"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            run_id as SyncRunId,
            kind.name(),
            started,
            after,
            limit,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the current body of an object.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn current_body(
        &self,
        account_id: IntegratedAccountId,
        kind: CopyKind,
        id: &str,
    ) -> Result<Option<String>, StoreError> {
        let body = sqlx::query_scalar!(
            r#"SELECT body::text AS "body!" FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4
                 AND valid_to = 'infinity'"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            kind.name(),
            id,
        );
        Ok(body.fetch_optional(&self.pool).await?)
    }

    /// Returns the ids of the current objects of a kind that refer to a user, or to a workspace or group.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn current_ids(
        &self,
        account_id: IntegratedAccountId,
        kind: CopyKind,
        user_id: Option<&String>,
        parent_id: Option<&String>,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            // Each part has an index, which `OR` would not use.
            r#"SELECT object_id AS "id!" FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
                 AND valid_to = 'infinity' AND user_id = $4
               UNION
               SELECT object_id FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
                 AND valid_to = 'infinity' AND parent_id = $5"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            kind.name(),
            user_id,
            parent_id,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the profiles that a run has read, of these users.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sync_profiles(
        &self,
        account_id: IntegratedAccountId,
        run_id: SyncRunId,
        user_ids: &[String],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT user_id, profile::text AS "profile!" FROM sync_profiles
               WHERE integrated_account_id = $1 AND sync_run_id = $2 AND user_id = ANY ($3)"#,
            account_id as IntegratedAccountId,
            run_id as SyncRunId,
            user_ids,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.user_id, row.profile)).collect())
    }
}
