//! The evaluations of accounts: how they end, and the policies that could not be evaluated.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::{StoreError, TenantDb};
use super::queue::EvaluationLease;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::policy::{AccountEvaluation, EvaluationProblem};

impl TenantDb {
    /// Ends the evaluation of a claimed account: it is evaluated up to an event. `problems` are those of the policies that
    /// could not be evaluated. What was due when it started was done, or can't be done without another evaluation over
    /// everybody; besides fixes, of which there may be more. Returns `false` when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_evaluation(
        &self,
        lease: &EvaluationLease,
        sequence: i64,
        problems: &[EvaluationProblem],
        (started, now): (OffsetDateTime, OffsetDateTime),
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE policy_evaluations SET worker = NULL, lease_until = NULL, full_done = $6,
                 sequence = CASE sequence WHEN $10 THEN $5 ELSE sequence END,
                 evaluated_at = $7, problems = $8, due_at = (
                     SELECT min(CASE v.status WHEN 'pending' THEN v.grace_until WHEN 'open' THEN v.fix_due_at
                         ELSE v.acknowledged_until END)
                     FROM violations v
                     JOIN policies p ON p.environment_id = v.environment_id AND p.policy_id = v.policy_id
                     WHERE v.environment_id = $1 AND v.integrated_account_id = $2
                       AND (v.status = 'pending' AND v.grace_until > $9
                            OR v.status = 'open' AND p.is_active AND p.mode = 'fix'
                            OR v.status = 'acknowledged' AND v.acknowledged_until > $9))
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            sequence,
            lease.full_requested,
            now,
            Json(problems) as Json<&[EvaluationProblem]>,
            started,
            lease.sequence,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the evaluations of a claimed account that no policy applies to, until one is requested again.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn stop_evaluations(&self, lease: &EvaluationLease) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM policy_evaluations
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4
               AND full_requested = $5",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            lease.full_requested,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns up to `limit` evaluations of accounts after `after`, in the order of the accounts' ids; with `account_id`,
    /// that of one account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn account_evaluations(
        &self,
        after: Option<IntegratedAccountId>,
        account_id: Option<IntegratedAccountId>,
        limit: i64,
    ) -> Result<Vec<AccountEvaluation>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT integrated_account_id AS "account_id: IntegratedAccountId", evaluated_at,
                      problems AS "problems: Json<Vec<EvaluationProblem>>"
               FROM policy_evaluations
               WHERE environment_id = $1 AND ($2::text IS NULL OR integrated_account_id > $2)
                 AND ($3::text IS NULL OR integrated_account_id = $3)
               ORDER BY integrated_account_id LIMIT $4"#,
            self.environment_id as EnvironmentId,
            after as Option<IntegratedAccountId>,
            account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let evaluations = rows.into_iter().map(|row| AccountEvaluation {
            integrated_account_id: row.account_id,
            evaluated_at: row.evaluated_at,
            problems: row.problems.0,
        });
        Ok(evaluations.collect())
    }

    /// Returns how much policies of mode `fix` have removed in an account since a time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn removals_since(
        &self,
        account_id: IntegratedAccountId,
        since: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT (SELECT count(*) FROM UNNEST(removals) AS r (at) WHERE r.at > $3) AS "count!"
               FROM policy_evaluations WHERE environment_id = $1 AND integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            since,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(count.unwrap_or_default().try_into().unwrap_or_default())
    }

    /// Records that a policy of mode `fix` has removed something. Removals until `since` are not counted any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_removal(
        &self,
        account_id: IntegratedAccountId,
        (at, since): (OffsetDateTime, OffsetDateTime),
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE policy_evaluations SET removals = array_append(
                 ARRAY(SELECT r.at FROM UNNEST(removals) AS r (at) WHERE r.at > $4 ORDER BY r.at), $3)
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            at,
            since,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
