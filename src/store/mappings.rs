//! Custom mappings of environments and accounts.

use std::sync::Arc;

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::cache::SharedMappings;
use super::columns::parse_name;
use super::{Invalidation, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, MappingId};
use crate::domain::mapping::{MappedResource, Mapping};
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;

/// Filter of a list of mappings; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MappingFilter {
    /// Those for this account, without the environment's.
    pub account_id: Option<IntegratedAccountId>,
    /// Those for this provider.
    pub provider: Option<Provider>,
    /// Those of this resource.
    pub resource: Option<MappedResource>,
}

impl TenantDb {
    /// Inserts a mapping.
    ///
    /// # Errors
    ///
    /// `Conflict` on `mappings_place_key` when the field has a mapping already, on `mappings_account_fkey` when the
    /// account is not in this environment.
    pub async fn insert_mapping(
        &self,
        mapping: &Mapping,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::Mappings, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        sqlx::query!(
            "INSERT INTO mappings (environment_id, mapping_id, integrated_account_id, provider, resource,
                 field, expression, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.environment_id as EnvironmentId,
            mapping.id as MappingId,
            mapping.integrated_account_id as Option<IntegratedAccountId>,
            mapping.provider.name(),
            mapping.resource.name(),
            mapping.field,
            mapping.expression,
            mapping.created_at,
            mapping.updated_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.invalidate_mappings(mapping.integrated_account_id);
        Ok(())
    }

    /// Returns the mappings that match the filter, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mappings(&self, filter: &MappingFilter) -> Result<Vec<Mapping>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT mapping_id AS "id: MappingId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      provider, resource, field, expression, created_at, updated_at
               FROM mappings
               WHERE environment_id = $1
                 AND ($2::text IS NULL OR integrated_account_id = $2)
                 AND ($3::text IS NULL OR provider = $3)
                 AND ($4::text IS NULL OR resource = $4)
               ORDER BY mapping_id"#,
            self.environment_id as EnvironmentId,
            filter.account_id as Option<IntegratedAccountId>,
            filter.provider.map(Provider::name),
            filter.resource.map(MappedResource::name),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the mappings that apply to an account: its own, and the environment's for its provider where it has none
    /// of its own.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mappings_for_account(
        &self,
        account_id: IntegratedAccountId,
        provider: Provider,
    ) -> Result<Vec<Mapping>, StoreError> {
        let read = async || Ok::<_, StoreError>(Some(Arc::new(self.shared_mappings().await?)));
        let Some(shared) = self.caches.shared_mappings.get(&self.environment_id, read).await?
        else {
            return Ok(Vec::new());
        };
        let own = if shared.accounts_with_own.binary_search(&account_id).is_ok() {
            let filter = MappingFilter { account_id: Some(account_id), ..MappingFilter::default() };
            let read = async || Ok::<_, StoreError>(Some(Arc::from(self.mappings(&filter).await?)));
            self.caches.own_mappings.get(&(self.environment_id, account_id), read).await?
        } else {
            None
        };
        let own = own.as_deref().unwrap_or_default().iter();
        let mut all: Vec<Mapping> = own
            .chain(&shared.for_all_accounts)
            .filter(|one| one.provider == provider)
            .cloned()
            .collect();
        // The sort is stable: the account's own mappings stay before the environment's.
        all.sort_by(|one, other| target(one).cmp(&target(other)));
        all.dedup_by(|later, first| target(later) == target(first));
        Ok(all)
    }

    async fn shared_mappings(&self) -> Result<SharedMappings, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT mapping_id AS "id: MappingId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      provider, resource, field, expression, created_at, updated_at
               FROM mappings WHERE environment_id = $1 AND integrated_account_id IS NULL
               ORDER BY resource, field"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_all(&self.pool)
        .await?;
        let for_all = rows.into_iter().map(Row::read).collect::<Result<_, _>>()?;
        let with_own = sqlx::query_scalar!(
            r#"SELECT DISTINCT integrated_account_id AS "id!: IntegratedAccountId"
               FROM mappings WHERE environment_id = $1 AND integrated_account_id IS NOT NULL"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut with_own: Vec<IntegratedAccountId> = with_own;
        with_own.sort_unstable();
        Ok(SharedMappings { for_all_accounts: for_all, accounts_with_own: with_own })
    }

    fn invalidate_mappings(&self, account_id: Option<IntegratedAccountId>) {
        self.caches.invalidate(&Invalidation::Mappings(self.environment_id, account_id));
    }

    /// Updates the expression of a mapping; returns `false` if it doesn't exist.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update_mapping(
        &self,
        id: MappingId,
        expression: &str,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let changed = sqlx::query_scalar!(
            r#"UPDATE mappings SET expression = $3, updated_at = $4
               WHERE environment_id = $1 AND mapping_id = $2
               RETURNING integrated_account_id AS "id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            id as MappingId,
            expression,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(account_id) = changed else { return Ok(false) };
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.invalidate_mappings(account_id);
        Ok(true)
    }

    /// Deletes a mapping; returns `false` if it doesn't exist.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete_mapping(
        &self,
        id: MappingId,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let deleted = sqlx::query_scalar!(
            r#"DELETE FROM mappings WHERE environment_id = $1 AND mapping_id = $2
               RETURNING integrated_account_id AS "id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            id as MappingId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(account_id) = deleted else { return Ok(false) };
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.invalidate_mappings(account_id);
        Ok(true)
    }
}

/// Returns the resource and field of a mapping: an account has at most one mapping for each.
fn target(mapping: &Mapping) -> (&'static str, &str) {
    (mapping.resource.name(), &mapping.field)
}

struct Row {
    id: MappingId,
    integrated_account_id: Option<IntegratedAccountId>,
    provider: String,
    resource: String,
    field: String,
    expression: String,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<Mapping, StoreError> {
        Ok(Mapping {
            id: self.id,
            integrated_account_id: self.integrated_account_id,
            provider: parse_name("mappings", "provider", &self.provider)?,
            resource: parse_name("mappings", "resource", &self.resource)?,
            field: self.field,
            expression: self.expression,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
