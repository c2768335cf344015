//! Rule sets: created, listed, changed and deleted.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::parse_name;
use super::connections::Transaction;
use super::{StoreError, TenantDb, rule_set_positions};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, RuleSetId};
use crate::domain::quota::QuotaKind;
use crate::domain::reconciliation::{ReconciliationGuards, Rule, RuleSet};

impl TenantDb {
    /// Inserts a rule set.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded`, or when the database fails.
    pub async fn insert_rule_set(
        &self,
        set: &RuleSet,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::RuleSets, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        sqlx::query!(
            "INSERT INTO rule_sets (environment_id, integrated_account_id, rule_set_id, name, rules, mode, guards,
                 auto, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.environment_id as EnvironmentId,
            set.integrated_account_id as IntegratedAccountId,
            set.id as RuleSetId,
            set.name,
            Json(&set.rules) as Json<&Vec<Rule>>,
            set.mode.name(),
            Json(&set.guards) as Json<&ReconciliationGuards>,
            set.auto,
            set.created_at,
            set.updated_at,
        )
        .execute(&mut *tx)
        .await?;
        let account = (self.environment_id, set.integrated_account_id);
        rule_set_positions::follow(&mut tx, account, (set.id, set.auto)).await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }

    /// Returns up to `limit` rule sets behind `after`, oldest first; with `account_id`, those of that account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rule_sets(
        &self,
        after: Option<RuleSetId>,
        account_id: Option<IntegratedAccountId>,
        limit: i64,
    ) -> Result<Vec<RuleSet>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT rule_set_id AS "id: RuleSetId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId", name,
                      rules AS "rules: Json<Vec<Rule>>", mode, guards AS "guards: Json<ReconciliationGuards>", auto,
                      created_at, updated_at
               FROM rule_sets
               WHERE environment_id = $1 AND ($2::text IS NULL OR rule_set_id > $2)
                 AND ($3::text IS NULL OR integrated_account_id = $3)
               ORDER BY rule_set_id LIMIT $4"#,
            self.environment_id as EnvironmentId,
            after as Option<RuleSetId>,
            account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the automatic rule sets of an account, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn automatic_rule_sets(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<RuleSet>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT rule_set_id AS "id: RuleSetId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId", name,
                      rules AS "rules: Json<Vec<Rule>>", mode, guards AS "guards: Json<ReconciliationGuards>", auto,
                      created_at, updated_at
               FROM rule_sets WHERE environment_id = $1 AND integrated_account_id = $2 AND auto
               ORDER BY rule_set_id"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the rule set with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rule_set(&self, id: RuleSetId) -> Result<Option<RuleSet>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT rule_set_id AS "id: RuleSetId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId", name,
                      rules AS "rules: Json<Vec<Rule>>", mode, guards AS "guards: Json<ReconciliationGuards>", auto,
                      created_at, updated_at
               FROM rule_sets WHERE environment_id = $1 AND rule_set_id = $2"#,
            self.environment_id as EnvironmentId,
            id as RuleSetId,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Locks a rule set for a change.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_rule_set(&self, id: RuleSetId) -> Result<Option<RuleSetLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT rule_set_id AS "id: RuleSetId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId", name,
                      rules AS "rules: Json<Vec<Rule>>", mode, guards AS "guards: Json<ReconciliationGuards>", auto,
                      created_at, updated_at
               FROM rule_sets WHERE environment_id = $1 AND rule_set_id = $2 FOR NO KEY UPDATE"#,
            self.environment_id as EnvironmentId,
            id as RuleSetId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (rule_set, environment_id) = (row.read()?, self.environment_id);
        Ok(Some(RuleSetLock { tx, environment_id, rule_set }))
    }
}

/// The exclusive right to change one rule set.
pub struct RuleSetLock {
    tx: Transaction,
    environment_id: EnvironmentId,
    rule_set: RuleSet,
}

impl RuleSetLock {
    /// Returns the rule set under the lock.
    #[must_use]
    pub fn rule_set(&self) -> &RuleSet {
        &self.rule_set
    }

    /// Changes it to `to`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update(mut self, to: &RuleSet, audit: &AuditEntry<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE rule_sets SET name = $3, rules = $4, mode = $5, guards = $6, auto = $7, updated_at = $8
             WHERE environment_id = $1 AND rule_set_id = $2",
            self.environment_id as EnvironmentId,
            self.rule_set.id as RuleSetId,
            to.name,
            Json(&to.rules) as Json<&Vec<Rule>>,
            to.mode.name(),
            Json(&to.guards) as Json<&ReconciliationGuards>,
            to.auto,
            to.updated_at,
        )
        .execute(&mut *self.tx)
        .await?;
        self.end(to.auto, audit).await.map(|_| ())
    }

    /// Deletes it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete(mut self, audit: &AuditEntry<'_>) -> Result<RuleSet, StoreError> {
        sqlx::query!(
            "DELETE FROM rule_sets WHERE environment_id = $1 AND rule_set_id = $2",
            self.environment_id as EnvironmentId,
            self.rule_set.id as RuleSetId,
        )
        .execute(&mut *self.tx)
        .await?;
        self.end(false, audit).await
    }

    /// Commits a change; `is_automatic`: whether the rule set is automatic after it.
    async fn end(
        mut self,
        is_automatic: bool,
        audit: &AuditEntry<'_>,
    ) -> Result<RuleSet, StoreError> {
        let account = (self.environment_id, self.rule_set.integrated_account_id);
        let changed = (self.rule_set.id, is_automatic || self.rule_set.auto);
        rule_set_positions::follow(&mut self.tx, account, changed).await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(self.rule_set)
    }
}

struct Row {
    id: RuleSetId,
    integrated_account_id: IntegratedAccountId,
    name: String,
    rules: Json<Vec<Rule>>,
    mode: String,
    guards: Json<ReconciliationGuards>,
    auto: bool,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<RuleSet, StoreError> {
        Ok(RuleSet {
            id: self.id,
            integrated_account_id: self.integrated_account_id,
            name: self.name,
            rules: self.rules.0,
            mode: parse_name("rule_sets", "mode", &self.mode)?,
            guards: self.guards.0,
            auto: self.auto,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
