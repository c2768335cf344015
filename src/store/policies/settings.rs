//! The settings of policies: created, listed, changed and deleted.

use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::columns::{parse_name, parse_names};
use super::super::connections::Transaction;
use super::super::{StoreError, TenantDb};
use super::queue;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, PolicyId};
use crate::domain::policy::Policy;
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;

/// Selects policies of an environment, `$1`, by a condition.
macro_rules! policies {
    ($condition:literal, $($arguments:tt)*) => {
        sqlx::query_as!(
            Row,
            r#"SELECT policy_id AS "id: PolicyId", name, kind, parameters, account_ids, severity, grace_s, mode,
                      is_active, created_at, updated_at
               FROM policies WHERE environment_id = $1 AND "# + $condition,
            $($arguments)*
        )
    };
}

impl TenantDb {
    /// Inserts policies. The accounts that they apply to are evaluated next.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded`, or when the database fails.
    pub async fn insert_policies(
        &self,
        policies: &[Policy],
        audits: &[AuditEntry<'_>],
    ) -> Result<(), StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::Policies, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        for (policy, audit) in policies.iter().zip(audits) {
            reservation.admit(&mut tx).await?;
            let accounts = account_texts(policy);
            sqlx::query!(
                "INSERT INTO policies (environment_id, policy_id, name, kind, parameters, account_ids, severity,
                     grace_s, mode, is_active, created_at, updated_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                self.environment_id as EnvironmentId,
                policy.id as PolicyId,
                policy.name,
                policy.kind,
                policy.parameters,
                accounts.as_deref(),
                policy.severity.name(),
                i32::try_from(policy.grace_s).unwrap_or(i32::MAX),
                policy.mode.name(),
                policy.is_active,
                policy.created_at,
                policy.updated_at,
            )
            .execute(&mut *tx)
            .await?;
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        queue::request_environment(&mut tx, self.environment_id).await?;
        Ok(tx.commit().await?)
    }

    /// Returns up to `limit` policies after `after`, oldest first; with `account_id`, those that apply to that account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn policies(
        &self,
        after: Option<PolicyId>,
        account_id: Option<IntegratedAccountId>,
        limit: i64,
    ) -> Result<Vec<Policy>, StoreError> {
        let rows = policies!(
            "($2::text IS NULL OR policy_id > $2)
                 AND ($3::text IS NULL OR account_ids IS NULL OR $3 = ANY (account_ids))
               ORDER BY policy_id LIMIT $4",
            self.environment_id as EnvironmentId,
            after as Option<PolicyId>,
            account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the active policies that apply to an account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn active_policies(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<Policy>, StoreError> {
        let rows = policies!(
            "is_active AND (account_ids IS NULL OR $2 = ANY (account_ids))
               ORDER BY policy_id",
            self.environment_id as EnvironmentId,
            account_id.text(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the policy with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn policy(&self, id: PolicyId) -> Result<Option<Policy>, StoreError> {
        let row =
            policies!("policy_id = $2", self.environment_id as EnvironmentId, id as PolicyId,)
                .fetch_optional(&self.pool)
                .await?;
        row.map(Row::read).transpose()
    }

    /// Locks a policy for a change of its settings.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_policy(&self, id: PolicyId) -> Result<Option<PolicyLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = policies!(
            "policy_id = $2 FOR NO KEY UPDATE",
            self.environment_id as EnvironmentId,
            id as PolicyId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (policy, environment_id) = (row.read()?, self.environment_id);
        Ok(Some(PolicyLock { tx, environment_id, policy }))
    }
}

impl TenantDb {
    /// Returns the providers of accounts that are not disconnected; of all accounts of the environment with `None`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn providers_of(
        &self,
        account_ids: Option<&[IntegratedAccountId]>,
    ) -> Result<Vec<Provider>, StoreError> {
        let ids = account_ids.map(id_texts);
        let names = sqlx::query_scalar!(
            "SELECT DISTINCT provider FROM integrated_accounts
             WHERE environment_id = $1 AND status <> 'disconnected'
               AND ($2::text[] IS NULL OR integrated_account_id = ANY ($2))",
            self.environment_id as EnvironmentId,
            ids.as_deref(),
        )
        .fetch_all(&self.pool)
        .await?;
        parse_names("integrated_accounts", "provider", &names)
    }

    /// Whether a copied account has a workspace, or no account has a copy of workspaces; of all accounts of the
    /// environment with `None`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn knows_workspace(
        &self,
        account_ids: Option<&[IntegratedAccountId]>,
        workspace_id: &str,
    ) -> Result<bool, StoreError> {
        let ids = account_ids.map(id_texts);
        Ok(sqlx::query_scalar!(
            r#"WITH copied AS (
                   SELECT integrated_account_id FROM directory_copies
                   WHERE environment_id = $1 AND kind = 'workspace'
                     AND ($2::text[] IS NULL OR integrated_account_id = ANY ($2)))
               SELECT (NOT EXISTS (SELECT FROM copied) OR EXISTS (
                   SELECT FROM directory_workspaces w JOIN copied USING (integrated_account_id)
                   WHERE w.environment_id = $1 AND w.kind = 'workspace' AND w.object_id = $3
                     AND w.valid_to = 'infinity')) AS "is_known!""#,
            self.environment_id as EnvironmentId,
            ids.as_deref(),
            workspace_id,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}

/// The exclusive right to change one policy.
pub struct PolicyLock {
    tx: Transaction,
    environment_id: EnvironmentId,
    policy: Policy,
}

impl PolicyLock {
    /// Returns the policy under the lock.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Changes the settings to those of `to`. The accounts that it applies to, or applied to, are evaluated next.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update(mut self, to: &Policy, audit: &AuditEntry<'_>) -> Result<(), StoreError> {
        let accounts = account_texts(to);
        sqlx::query!(
            "UPDATE policies SET name = $3, parameters = $4, account_ids = $5, severity = $6, grace_s = $7,
                 mode = $8, is_active = $9, updated_at = $10
             WHERE environment_id = $1 AND policy_id = $2",
            self.environment_id as EnvironmentId,
            self.policy.id as PolicyId,
            to.name,
            to.parameters,
            accounts.as_deref(),
            to.severity.name(),
            i32::try_from(to.grace_s).unwrap_or(i32::MAX),
            to.mode.name(),
            to.is_active,
            to.updated_at,
        )
        .execute(&mut *self.tx)
        .await?;
        queue::request_environment(&mut self.tx, self.environment_id).await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        Ok(self.tx.commit().await?)
    }

    /// Deletes the policy with its violations.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete(mut self, audit: &AuditEntry<'_>) -> Result<Policy, StoreError> {
        sqlx::query!(
            "DELETE FROM policies WHERE environment_id = $1 AND policy_id = $2",
            self.environment_id as EnvironmentId,
            self.policy.id as PolicyId,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(self.policy)
    }
}

fn account_texts(policy: &Policy) -> Option<Vec<String>> {
    policy.integrated_account_ids.as_deref().map(id_texts)
}

fn id_texts(ids: &[IntegratedAccountId]) -> Vec<String> {
    ids.iter().map(|id| id.text()).collect()
}

struct Row {
    id: PolicyId,
    name: String,
    kind: String,
    parameters: serde_json::Value,
    account_ids: Option<Vec<String>>,
    severity: String,
    grace_s: i32,
    mode: String,
    is_active: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<Policy, StoreError> {
        let ids = self.account_ids.map(|ids| parse_names("policies", "account_ids", &ids));
        Ok(Policy {
            id: self.id,
            name: self.name,
            kind: self.kind,
            parameters: self.parameters,
            integrated_account_ids: ids.transpose()?,
            severity: parse_name("policies", "severity", &self.severity)?,
            grace_s: self.grace_s.try_into().unwrap_or_default(),
            mode: parse_name("policies", "mode", &self.mode)?,
            is_active: self.is_active,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
