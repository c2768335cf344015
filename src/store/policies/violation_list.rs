//! Reads violations, and changes single ones: acknowledged, fixed.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::columns::parse_name;
use super::super::{StoreError, TenantDb};
use super::queue;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, PolicyId, ViolationId};
use crate::domain::policy::{
    Acknowledgement, DirectoryOperation, Evidence, FindingSubject, FixReport, PolicySeverity,
    Violation, ViolationStatus,
};

/// Filter of violations; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViolationFilter {
    /// The policy.
    pub policy_id: Option<PolicyId>,
    /// The account.
    pub account_id: Option<IntegratedAccountId>,
    /// The status.
    pub status: Option<ViolationStatus>,
    /// The severity.
    pub severity: Option<PolicySeverity>,
    /// A user concerned.
    pub user_id: Option<String>,
}

/// Selects violations of an environment, `$1`, by a condition.
macro_rules! violations {
    ($condition:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT v.violation_id AS "id: ViolationId", v.policy_id AS "policy_id: PolicyId",
                      p.name AS policy_name, p.kind AS policy_kind, p.severity,
                      v.integrated_account_id AS "account_id: IntegratedAccountId", v.subject_kind, v.subject_id,
                      v.status, v.evidence AS "evidence: _", v.fix AS "fix: _", v.fix_unavailable,
                      v.last_fix AS "last_fix: _", v.occurrences, v.first_seen_at, v.last_seen_at, v.opened_at,
                      v.resolved_at, v.acknowledgement AS "acknowledgement: _"
               FROM violations v JOIN policies p ON p.environment_id = v.environment_id AND p.policy_id = v.policy_id
               WHERE v.environment_id = $1 AND "# + $condition,
            $($arguments)*
        )
    };
}

impl TenantDb {
    /// Returns up to `limit` violations before `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn violations(
        &self,
        filter: &ViolationFilter,
        before: Option<ViolationId>,
        limit: i64,
    ) -> Result<Vec<Violation>, StoreError> {
        let users: Option<Vec<String>> = filter.user_id.clone().map(|id| vec![id]);
        let rows = violations!(
            "($2::text IS NULL OR v.policy_id = $2)
                 AND ($3::text IS NULL OR v.integrated_account_id = $3) AND ($4::text IS NULL OR v.status = $4)
                 AND ($5::text IS NULL OR p.severity = $5)
                 AND ($6::text[] IS NULL OR v.evidence -> 'user_ids' ?| $6)
                 AND ($7::text IS NULL OR v.violation_id < $7)
               ORDER BY v.violation_id DESC LIMIT $8",
            self.environment_id as EnvironmentId,
            filter.policy_id as Option<PolicyId>,
            filter.account_id as Option<IntegratedAccountId>,
            filter.status.map(ViolationStatus::name),
            filter.severity.map(PolicySeverity::name),
            users.as_deref(),
            before as Option<ViolationId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the violation with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn violation(&self, id: ViolationId) -> Result<Option<Violation>, StoreError> {
        let row = violations!(
            "v.violation_id = $2",
            self.environment_id as EnvironmentId,
            id as ViolationId,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Accepts an open violation until a time. Returns `false` when it is neither open nor acknowledged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn acknowledge_violation(
        &self,
        violation: &Violation,
        acknowledgement: &Acknowledgement,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query!(
            "UPDATE violations SET status = 'acknowledged', acknowledgement = $3, acknowledged_until = $4,
                 fix_due_at = NULL
             WHERE environment_id = $1 AND violation_id = $2 AND status IN ('open', 'acknowledged')",
            self.environment_id as EnvironmentId,
            violation.id as ViolationId,
            Json(acknowledgement) as Json<&Acknowledgement>,
            acknowledgement.expires_at,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        let account = (self.environment_id, violation.integrated_account_id);
        queue::due_by(&mut tx, account, acknowledgement.expires_at).await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns up to `limit` violations of an account whose fix is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn due_fixes(
        &self,
        account_id: IntegratedAccountId,
        now: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<Violation>, StoreError> {
        let rows = violations!(
            "v.integrated_account_id = $2 AND v.status = 'open'
                 AND v.fix_due_at <= $3 AND p.is_active AND p.mode = 'fix'
               ORDER BY v.fix_due_at, v.violation_id LIMIT $4",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            now,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns a violation if its fix is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn due_fix(
        &self,
        id: ViolationId,
        now: OffsetDateTime,
    ) -> Result<Option<Violation>, StoreError> {
        let row = violations!(
            "v.violation_id = $2 AND v.status = 'open' AND v.fix_due_at <= $3 AND p.is_active AND p.mode = 'fix'
                 AND (p.account_ids IS NULL OR v.integrated_account_id = ANY (p.account_ids))",
            self.environment_id as EnvironmentId,
            id as ViolationId,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Postpones the due fixes of an account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn postpone_fixes(
        &self,
        account_id: IntegratedAccountId,
        until: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE violations SET fix_due_at = $3
             WHERE environment_id = $1 AND integrated_account_id = $2 AND fix_due_at < $3",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            until,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Records what became of a fix. One that was interrupted remains due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_fix(
        &self,
        violation_id: ViolationId,
        (report, is_interrupted): (&FixReport, bool),
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE violations SET last_fix = $3, fix_due_at = CASE WHEN $4 THEN fix_due_at END
             WHERE environment_id = $1 AND violation_id = $2",
            self.environment_id as EnvironmentId,
            violation_id as ViolationId,
            Json(report) as Json<&FixReport>,
            is_interrupted,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }
}

struct Row {
    id: ViolationId,
    policy_id: PolicyId,
    policy_name: String,
    policy_kind: String,
    severity: String,
    account_id: IntegratedAccountId,
    subject_kind: String,
    subject_id: String,
    status: String,
    evidence: Json<Evidence>,
    fix: Json<Vec<DirectoryOperation>>,
    fix_unavailable: Option<String>,
    last_fix: Option<Json<FixReport>>,
    occurrences: i32,
    first_seen_at: OffsetDateTime,
    last_seen_at: OffsetDateTime,
    opened_at: Option<OffsetDateTime>,
    resolved_at: Option<OffsetDateTime>,
    acknowledgement: Option<Json<Acknowledgement>>,
}

impl Row {
    fn read(self) -> Result<Violation, StoreError> {
        Ok(Violation {
            id: self.id,
            policy_id: self.policy_id,
            policy_name: self.policy_name,
            policy_kind: self.policy_kind,
            severity: parse_name("policies", "severity", &self.severity)?,
            integrated_account_id: self.account_id,
            subject: FindingSubject {
                kind: parse_name("violations", "subject_kind", &self.subject_kind)?,
                id: self.subject_id,
            },
            status: parse_name("violations", "status", &self.status)?,
            evidence: self.evidence.0,
            fix: self.fix.0,
            fix_unavailable: self.fix_unavailable,
            last_fix: self.last_fix.map(|report| report.0),
            occurrences: self.occurrences,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            opened_at: self.opened_at,
            resolved_at: self.resolved_at,
            acknowledgement: self.acknowledgement.map(|one| one.0),
        })
    }
}
