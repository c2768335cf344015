//! Environments: the isolation units.

use time::OffsetDateTime;

use super::{Store, StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;

/// An isolation unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its name, unique in the installation.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

impl Store {
    /// Adds an environment.
    ///
    /// # Errors
    ///
    /// `Conflict` on `environments_name_key` when the name is taken.
    pub async fn insert_environment(&self, environment: &Environment) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO environments (environment_id, name, created_at) VALUES ($1, $2, $3)",
            environment.id as EnvironmentId,
            environment.name,
            environment.created_at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
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

    /// The environment of that name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environment_named(&self, name: &str) -> Result<Option<Environment>, StoreError> {
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at
               FROM environments WHERE name = $1"#,
            name
        )
        .fetch_optional(&self.pool)
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
}
