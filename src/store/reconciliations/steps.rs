//! The steps of plans.

use serde_json::{Map, Value};
use sqlx::types::Json;

use super::super::columns::parse_name;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, ReconciliationId};
use crate::domain::reconciliation::{PlanOperation, PlanStep, StepOutcome, StepSubject};

/// Filter of steps; `None` matches all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct StepFilter {
    /// What became of them.
    pub outcome: Option<StepOutcome>,
    /// Whether they take access from people.
    pub is_removal: Option<bool>,
}

/// A step with what the job that carries it out needs.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredStep {
    /// The step.
    pub step: PlanStep,
    /// Its place in the order.
    pub position: i64,
    /// Whether a job began to carry it out.
    pub is_started: bool,
    /// The object that it created.
    pub object_id: Option<String>,
}

/// A row of the table.
struct Row {
    position: i64,
    n: Option<i64>,
    operation: Json<PlanOperation>,
    subject: Json<StepSubject>,
    before: Json<Map<String, Value>>,
    after: Json<Map<String, Value>>,
    reason: String,
    is_removal: bool,
    provider_calls: i32,
    outcome: String,
    detail: Option<String>,
    object_id: Option<String>,
    is_started: bool,
}

impl Row {
    fn read(self) -> Result<StoredStep, StoreError> {
        Ok(StoredStep {
            position: self.position,
            is_started: self.is_started,
            object_id: self.object_id,
            step: PlanStep {
                n: self.n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default(),
                operation: self.operation.0,
                subject: self.subject.0,
                before: self.before.0,
                after: self.after.0,
                reason: self.reason,
                is_removal: self.is_removal,
                provider_calls: u32::try_from(self.provider_calls).unwrap_or_default(),
                outcome: parse_name("reconciliation_steps", "outcome", &self.outcome)?,
                detail: self.detail,
            },
        })
    }
}

impl TenantDb {
    /// Returns up to `limit` steps after the place `after`, in their order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn steps(
        &self,
        id: ReconciliationId,
        filter: StepFilter,
        after: i64,
        limit: i64,
    ) -> Result<Vec<StoredStep>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, n, operation AS "operation: Json<PlanOperation>",
                      subject AS "subject: Json<StepSubject>", before AS "before: Json<Map<String, Value>>",
                      after AS "after: Json<Map<String, Value>>", reason, is_removal, provider_calls, outcome, detail,
                      object_id, started_at IS NOT NULL AS "is_started!"
               FROM reconciliation_steps
               WHERE environment_id = $1 AND reconciliation_id = $2 AND position > $3
                 AND integrated_account_id = (SELECT integrated_account_id FROM reconciliations
                     WHERE environment_id = $1 AND reconciliation_id = $2)
                 AND ($4::text IS NULL OR outcome = $4) AND ($5::bool IS NULL OR is_removal = $5)
               ORDER BY position LIMIT $6"#,
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            after,
            filter.outcome.map(StepOutcome::name),
            filter.is_removal,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns up to `limit` steps with an outcome before the place `before`, the last one first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn steps_backwards(
        &self,
        id: ReconciliationId,
        outcome: StepOutcome,
        before: i64,
        limit: i64,
    ) -> Result<Vec<StoredStep>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT position, n, operation AS "operation: Json<PlanOperation>",
                      subject AS "subject: Json<StepSubject>", before AS "before: Json<Map<String, Value>>",
                      after AS "after: Json<Map<String, Value>>", reason, is_removal, provider_calls, outcome, detail,
                      object_id, started_at IS NOT NULL AS "is_started!"
               FROM reconciliation_steps
               WHERE environment_id = $1 AND reconciliation_id = $2 AND position < $3 AND outcome = $4
                 AND integrated_account_id = (SELECT integrated_account_id FROM reconciliations
                     WHERE environment_id = $1 AND reconciliation_id = $2)
               ORDER BY position DESC LIMIT $5"#,
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            before,
            outcome.name(),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the id of the object that a step of a plan created, by its key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn created_object(
        &self,
        id: ReconciliationId,
        key: &str,
    ) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar!(
            "SELECT object_id FROM reconciliation_steps
             WHERE environment_id = $1 AND reconciliation_id = $2 AND new_key = $3",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            key,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.flatten())
    }
}
