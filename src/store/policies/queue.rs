//! Which accounts are evaluated next, by which process, and the people whom their new events concern.

use std::collections::BTreeSet;
use std::time::Duration;

use time::OffsetDateTime;

use super::super::connections::TimedConnection;
use super::super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// The maximum number of events whose people are evaluated one by one; with more of them, everybody is.
const MAX_EVENTS: i64 = 5_000;

/// A claimed account: proof for each write that no other worker has claimed it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationLease {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    pub(super) worker: String,
    pub(super) claims: i64,
    pub(super) sequence: i64,
    pub(super) full_requested: i64,
    needs_full: bool,
}

/// Whom an evaluation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluationScope {
    /// Everybody.
    Everyone,
    /// The people with these ids, whom events concern.
    People(Vec<String>),
}

impl Store {
    /// Claims an account that is due: one whose evaluation over everybody was requested, with new events, or with a
    /// violation that is due for a change of its status.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_evaluation(
        &self,
        worker: &str,
        lease: Duration,
        now: OffsetDateTime,
    ) -> Result<Option<EvaluationLease>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE policy_evaluations SET worker = $1, claims = claims + 1,
                   lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE (integrated_account_id, environment_id) = (
                   SELECT e.integrated_account_id, e.environment_id FROM policy_evaluations e
                   LEFT JOIN account_feeds f
                     ON f.environment_id = e.environment_id
                       AND f.integrated_account_id = e.integrated_account_id
                   WHERE (e.full_requested > e.full_done OR e.due_at <= $3 OR f.last_sequence > e.sequence)
                     AND (e.lease_until IS NULL OR e.lease_until < clock_timestamp())
                   ORDER BY e.evaluated_at NULLS FIRST LIMIT 1 FOR UPDATE OF e SKIP LOCKED)
               RETURNING environment_id AS "environment_id: EnvironmentId",
                   integrated_account_id AS "account_id: IntegratedAccountId", claims, sequence, full_requested,
                   full_requested > full_done AS "needs_full!""#,
            worker,
            lease.as_secs_f64(),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| EvaluationLease {
            environment_id: row.environment_id,
            account_id: row.account_id,
            worker: worker.to_owned(),
            claims: row.claims,
            sequence: row.sequence,
            full_requested: row.full_requested,
            needs_full: row.needs_full,
        }))
    }

    /// Claims an account for a fix, whether it is due or not; `None` while another process has it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_evaluation_of(
        &self,
        (environment_id, account_id): (EnvironmentId, IntegratedAccountId),
        worker: &str,
        lease: Duration,
    ) -> Result<Option<EvaluationLease>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE policy_evaluations SET worker = $3, claims = claims + 1,
                   lease_until = clock_timestamp() + make_interval(secs => $4)
               WHERE environment_id = $1 AND integrated_account_id = $2
                 AND (worker IS NULL OR lease_until IS NULL OR lease_until < clock_timestamp())
               RETURNING claims, sequence, full_requested, full_requested > full_done AS "needs_full!""#,
            environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            worker,
            lease.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| EvaluationLease {
            environment_id,
            account_id,
            worker: worker.to_owned(),
            claims: row.claims,
            sequence: row.sequence,
            full_requested: row.full_requested,
            needs_full: row.needs_full,
        }))
    }

    /// Extends a lease. Returns `false` when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn extend_evaluation(
        &self,
        lease: &EvaluationLease,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE policy_evaluations SET lease_until = clock_timestamp() + make_interval(secs => $5)
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            duration.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a lease without a result: the account stays due.
    ///
    /// # Errors
    ///
    /// When the database fails; then the lease ends with its time.
    pub async fn release_evaluation(
        &self,
        lease: &EvaluationLease,
        pause: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE policy_evaluations SET worker = NULL,
                 lease_until = clock_timestamp() + make_interval(secs => $5)
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            pause.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

impl TenantDb {
    /// Returns whom the evaluation of a claimed account is about, and the event up to which it is then evaluated.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn evaluation_scope(
        &self,
        lease: &EvaluationLease,
    ) -> Result<(EvaluationScope, i64), StoreError> {
        let last = sqlx::query_scalar!(
            "SELECT last_sequence FROM account_feeds WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?
        .unwrap_or_default();
        if lease.needs_full || last - lease.sequence > MAX_EVENTS {
            return Ok((EvaluationScope::Everyone, last));
        }
        let rows = sqlx::query!(
            r#"SELECT sequence AS "sequence!", split_part(type, '.', 1) AS "family!",
                      COALESCE(object ->> 'user_id', previous ->> 'user_id', object ->> 'id', subject_id) AS user_id
               FROM events
               WHERE environment_id = $1 AND integrated_account_id = $2 AND sequence > $3 AND sequence <= $4
               ORDER BY sequence"#,
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.sequence,
            last,
        )
        .fetch_all(&self.pool)
        .await?;
        let (mut people, mut expected) = (BTreeSet::new(), lease.sequence);
        for row in rows {
            expected += 1;
            if row.sequence != expected {
                // Events between were deleted after their retention.
                return Ok((EvaluationScope::Everyone, last));
            }
            match row.family.as_str() {
                "user" | "role_assignment" | "workspace_member" | "group_member" => {
                    people.extend(row.user_id);
                }
                // A condition may name them.
                "workspace" | "group" => return Ok((EvaluationScope::Everyone, last)),
                _ => {}
            }
        }
        if expected != last {
            return Ok((EvaluationScope::Everyone, last));
        }
        Ok((EvaluationScope::People(people.into_iter().collect()), last))
    }
}

/// Whether a lease is still held, for a write in the same transaction.
pub(super) async fn holds(
    connection: &mut TimedConnection,
    lease: &EvaluationLease,
) -> Result<bool, StoreError> {
    let held = sqlx::query_scalar!(
        "SELECT 1 FROM policy_evaluations
         WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4 FOR UPDATE",
        lease.environment_id as EnvironmentId,
        lease.account_id as IntegratedAccountId,
        lease.worker,
        lease.claims,
    )
    .fetch_optional(connection)
    .await?;
    Ok(held.is_some())
}

/// Requests the evaluation of an account over everybody, if its environment has policies or had any.
pub(in crate::store) async fn request_full(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO policy_evaluations AS e
             (environment_id, integrated_account_id, sequence, full_requested)
         SELECT $1, $2, 0, 1 WHERE EXISTS (SELECT FROM policies WHERE environment_id = $1)
         ON CONFLICT (integrated_account_id, environment_id)
             DO UPDATE SET full_requested = e.full_requested + 1",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Requests another evaluation of the people of an event and of those after it, because it is known now who made the change.
/// An evaluation in progress, whose lease has the earlier number, does not end it.
pub(in crate::store) async fn evaluate_again(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    position: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE policy_evaluations p SET sequence = LEAST(p.sequence, e.sequence) - 1
         FROM events e
         WHERE e.environment_id = $1 AND e.position = $3
           AND p.environment_id = $1 AND p.integrated_account_id = $2",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        position,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Requests the evaluation of all copied accounts of an environment, after its policies were changed.
pub(super) async fn request_environment(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO policy_evaluations AS e
             (environment_id, integrated_account_id, sequence, full_requested)
         SELECT environment_id, integrated_account_id, 0, 1 FROM directory_copies
         WHERE environment_id = $1 AND kind = 'user'
         ORDER BY integrated_account_id
         ON CONFLICT (integrated_account_id, environment_id)
             DO UPDATE SET full_requested = e.full_requested + 1",
        environment_id as EnvironmentId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Advances the time at which an account is due to `at`.
pub(super) async fn due_by(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE policy_evaluations SET due_at = LEAST(due_at, $3)
         WHERE environment_id = $1 AND integrated_account_id = $2",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
