//! Custom mappings of an environment and of its accounts.

use time::OffsetDateTime;

use super::columns::named;
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, MappingId};
use crate::domain::mapping::{MappedResource, Mapping};
use crate::domain::provider::Provider;

/// Which mappings a list shows. `None` shows all.
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
    /// Adds a mapping.
    ///
    /// # Errors
    ///
    /// `Conflict` on `mappings_place_key` when the field has one there, on `mappings_account_fkey` when
    /// the account is not of this environment.
    pub async fn insert_mapping(&self, mapping: &Mapping) -> Result<(), StoreError> {
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
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The mappings of the environment that a filter shows, the oldest first.
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

    /// The mappings that hold for an account: its own, and the environment's for its provider where it
    /// has none of its own.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn mappings_of(
        &self,
        account_id: IntegratedAccountId,
        provider: Provider,
    ) -> Result<Vec<Mapping>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT DISTINCT ON (resource, field) mapping_id AS "id: MappingId",
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      provider, resource, field, expression, created_at, updated_at
               FROM mappings
               WHERE environment_id = $1 AND provider = $2
                 AND (integrated_account_id IS NULL OR integrated_account_id = $3)
               ORDER BY resource, field, integrated_account_id NULLS LAST"#,
            self.environment_id as EnvironmentId,
            provider.name(),
            account_id as IntegratedAccountId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Changes the expression of a mapping; `false` when it isn't there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change_mapping(
        &self,
        id: MappingId,
        expression: &str,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE mappings SET expression = $3, updated_at = $4
             WHERE environment_id = $1 AND mapping_id = $2",
            self.environment_id as EnvironmentId,
            id as MappingId,
            expression,
            now,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes a mapping; `false` when it isn't there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete_mapping(&self, id: MappingId) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "DELETE FROM mappings WHERE environment_id = $1 AND mapping_id = $2",
            self.environment_id as EnvironmentId,
            id as MappingId,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
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
            provider: named("mappings", "provider", &self.provider)?,
            resource: named("mappings", "resource", &self.resource)?,
            field: self.field,
            expression: self.expression,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
