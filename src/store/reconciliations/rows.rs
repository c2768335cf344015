//! The people of desired states, stored while they arrive and read when the plan is made.

use serde_json::Value;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::super::connections::Transaction;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ReconciliationId};

/// How long rows are stored that no plan is made of.
const RETENTION: Duration = Duration::days(1);

/// A person of a desired state.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedRow {
    /// The number of the row in the upload or list.
    pub row_number: i64,
    /// The value by which the person is matched, in the form in which values are compared.
    pub match_key: String,
    /// The person, as [`crate::domain::reconciliation::DesiredUser::parse`] reads it.
    pub person: Value,
}

impl TenantDb {
    /// Stores rows of a reconciliation, which need not exist yet.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn stage_rows(
        &self,
        account_id: IntegratedAccountId,
        reconciliation_id: ReconciliationId,
        rows: &[StagedRow],
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let numbers: Vec<i64> = rows.iter().map(|row| row.row_number).collect();
        let keys: Vec<&str> = rows.iter().map(|row| &*row.match_key).collect();
        let people: Vec<String> = rows.iter().map(|row| row.person.to_string()).collect();
        sqlx::query!(
            "INSERT INTO reconciliation_rows
                 (environment_id, integrated_account_id, reconciliation_id, row_number, match_key, person, created_at)
             SELECT $1, $2, $3, r.number, r.key, r.person::jsonb, $7
             FROM UNNEST($4::bigint[], $5::text[], $6::text[]) AS r (number, key, person)",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            reconciliation_id as ReconciliationId,
            &numbers,
            &keys as &[&str],
            &people,
            now,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns up to `limit` rows behind the row `after`, in their order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn staged_rows(
        &self,
        account_id: IntegratedAccountId,
        reconciliation_id: ReconciliationId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StagedRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT row_number, match_key, person AS "person: Json<Value>" FROM reconciliation_rows
               WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3
                 AND row_number > $4
               ORDER BY row_number LIMIT $5"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            reconciliation_id as ReconciliationId,
            after,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let row =
            |(row_number, match_key, Json(person))| StagedRow { row_number, match_key, person };
        Ok(rows.into_iter().map(|one| row((one.row_number, one.match_key, one.person))).collect())
    }

    /// Deletes the rows of a reconciliation.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn drop_rows(
        &self,
        account_id: IntegratedAccountId,
        reconciliation_id: ReconciliationId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM reconciliation_rows
             WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            reconciliation_id as ReconciliationId,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

/// Deletes rows of which no plan is being made: their upload was interrupted, or the plan exists.
pub(in crate::store) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM reconciliation_rows WHERE ctid = ANY (ARRAY(
                   SELECT r.ctid FROM reconciliation_rows r
                   WHERE r.created_at < $1
                     AND NOT EXISTS (SELECT FROM reconciliations p
                         WHERE p.environment_id = r.environment_id
                           AND p.reconciliation_id = r.reconciliation_id AND p.status = 'planning')
                   ORDER BY r.created_at LIMIT $2 FOR UPDATE OF r SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now - RETENTION,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
