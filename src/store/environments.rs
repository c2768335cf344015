//! Environments: the isolation units.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::link_page::LinkPage;

/// An isolation unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its name: a label, which another one may have too.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Adds an environment.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_environment(
        &self,
        environment: &Environment,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "INSERT INTO environments (environment_id, name, created_at) VALUES ($1, $2, $3)",
            environment.id as EnvironmentId,
            environment.name,
            environment.created_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, environment.id, audit).await?;
        Ok(tx.commit().await?)
    }

    /// Every environment, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at
               FROM environments ORDER BY environment_id"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// The environments of that name, or the one of that id, the oldest first; two at the most, which shows
    /// that the name is ambiguous.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environments_named(&self, name: &str) -> Result<Vec<Environment>, StoreError> {
        let id = name.parse::<EnvironmentId>().ok();
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at FROM environments
               WHERE CASE WHEN $2::text IS NULL THEN name = $1 ELSE environment_id = $2 END
               ORDER BY environment_id LIMIT 2"#,
            name,
            id as Option<EnvironmentId>,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

impl TenantDb {
    /// The environment of these rows.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environment(&self) -> Result<Option<Environment>, StoreError> {
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at
               FROM environments WHERE environment_id = $1"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Gives the environment another name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rename_environment(
        &self,
        name: &str,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE environments SET name = $2 WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
            name,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }

    /// How the link page of the environment looks.
    ///
    /// # Errors
    ///
    /// When the database fails, or the stored settings can't be read.
    pub async fn link_page(&self) -> Result<LinkPage, StoreError> {
        let stored = sqlx::query_scalar!(
            "SELECT link_page FROM environments WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
        )
        .fetch_one(&self.pool)
        .await?;
        serde_json::from_value(stored)
            .map_err(|_| StoreError::Inconsistent { table: "environments", column: "link_page" })
    }

    /// Sets how the link page of the environment looks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_link_page(
        &self,
        page: &LinkPage,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE environments SET link_page = $2 WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
            serde_json::to_value(page).unwrap_or_default(),
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }
}
