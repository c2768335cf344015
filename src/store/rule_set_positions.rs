//! Up to which event of an account's feed its automatic rule sets were applied, and by which process.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::connections::TimedConnection;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, RuleSetId};
use crate::domain::sync_run::SyncProblem;

/// The maximum number of events that are looked at together.
const MAX_EVENTS: i64 = 1_000;

/// A claimed account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSetLease {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    worker: String,
    claims: i64,
    sequence: i64,
}

/// The people whom events create or change, and the last of these events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedPeople {
    /// The ids of the people.
    pub user_ids: Vec<String>,
    /// The number of the last event.
    pub sequence: i64,
}

impl Store {
    /// Claims an account with automatic rule sets and new events.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_rule_sets(
        &self,
        worker: &str,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<RuleSetLease>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE rule_set_positions SET worker = $1, claims = claims + 1,
                   lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE (integrated_account_id, environment_id) = (
                   SELECT p.integrated_account_id, p.environment_id FROM rule_set_positions p
                   JOIN account_feeds f
                     ON f.environment_id = p.environment_id
                       AND f.integrated_account_id = p.integrated_account_id
                   WHERE f.last_sequence > p.sequence AND (p.due_at IS NULL OR p.due_at <= $3)
                     AND (p.lease_until IS NULL OR p.lease_until < clock_timestamp())
                   ORDER BY p.claims LIMIT 1 FOR UPDATE OF p SKIP LOCKED)
               RETURNING environment_id AS "environment_id: EnvironmentId",
                   integrated_account_id AS "account_id: IntegratedAccountId", claims, sequence"#,
            worker,
            lease.as_secs_f64(),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| RuleSetLease {
            environment_id: row.environment_id,
            account_id: row.account_id,
            worker: worker.to_owned(),
            claims: row.claims,
            sequence: row.sequence,
        }))
    }

    /// Ends a lease without a result: the events are looked at again at `due_at`.
    ///
    /// # Errors
    ///
    /// When the database fails; then the lease ends with its time.
    pub async fn release_rule_sets(
        &self,
        lease: &RuleSetLease,
        due_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE rule_set_positions SET worker = NULL, lease_until = NULL, due_at = $5
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            due_at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl TenantDb {
    /// Returns the people whom the next events of a claimed account create, change or reactivate. Not those of a first
    /// sync, and not the changes of rule sets themselves.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn changed_people(&self, lease: &RuleSetLease) -> Result<ChangedPeople, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT sequence AS "sequence!", CASE
                   WHEN type IN ('user.created', 'user.updated', 'user.reactivated') AND NOT initial
                       AND COALESCE(starts_with(actor ->> 'id', 'rls_'), FALSE) IS FALSE
                   THEN COALESCE(object ->> 'id', subject_id) END AS user_id
               FROM events
               WHERE environment_id = $1 AND integrated_account_id = $2 AND sequence > $3
               ORDER BY sequence LIMIT $4"#,
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.sequence,
            MAX_EVENTS,
        )
        .fetch_all(&self.pool)
        .await?;
        let sequence = rows.last().map_or(lease.sequence, |row| row.sequence);
        let mut user_ids: Vec<String> = rows.into_iter().filter_map(|row| row.user_id).collect();
        user_ids.sort_unstable();
        user_ids.dedup();
        Ok(ChangedPeople { user_ids, sequence })
    }

    /// Ends a lease: the rule sets were applied up to an event. `problem` says to whom they could not be. Returns `false`
    /// when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_rule_sets(
        &self,
        lease: &RuleSetLease,
        sequence: i64,
        problem: Option<&SyncProblem>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE rule_set_positions SET worker = NULL, lease_until = NULL, due_at = NULL, sequence = $5,
                 problem = $6
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4
               AND sequence = $7",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            sequence,
            problem.map(Json) as Option<Json<&SyncProblem>>,
            lease.sequence,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// Follows the feed of an account after a change of a rule set, if the account has automatic ones; otherwise no longer. An
/// automatic rule set that was changed begins at the present end, unless there are others: events before may not have
/// been applied by them.
pub(super) async fn follow(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    (changed, is_automatic): (RuleSetId, bool),
) -> Result<(), StoreError> {
    sqlx::query!(
        "DELETE FROM rule_set_positions
         WHERE environment_id = $1 AND integrated_account_id = $2 AND NOT EXISTS (
             SELECT FROM rule_sets
             WHERE environment_id = $1 AND integrated_account_id = $2 AND auto
               AND NOT ($4 AND rule_set_id = $3))",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        changed as RuleSetId,
        is_automatic,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "INSERT INTO rule_set_positions (environment_id, integrated_account_id, sequence)
         SELECT $1, $2, COALESCE((
             SELECT last_sequence FROM account_feeds
             WHERE environment_id = $1 AND integrated_account_id = $2), 0)
         WHERE EXISTS (SELECT FROM rule_sets
             WHERE environment_id = $1 AND integrated_account_id = $2 AND auto)
         ON CONFLICT DO NOTHING",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
    )
    .execute(connection)
    .await?;
    Ok(())
}
