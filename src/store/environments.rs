//! Environments: the isolation units.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::created_by::lock_creating_key;
use super::keys::{NewApiKey, insert_key};
use super::{Invalidation, Store, StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::link_page::LinkPage;
use crate::domain::quota::QuotaKind;

/// An isolation unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its name: a label, not necessarily unique.
    pub name: String,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// The API key of another environment that created it, if any.
    pub made_by: Option<String>,
}

/// An environment to insert.
#[derive(Debug)]
pub struct NewEnvironment<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The environment of the API key that creates it, if any, and the audit entry there.
    pub made_in: Option<(EnvironmentId, &'a AuditEntry<'a>)>,
    /// Its first API key and that key's audit entry.
    pub first_key: Option<(&'a NewApiKey<'a>, &'a AuditEntry<'a>)>,
}

impl Store {
    /// Inserts an environment. Returns `false`, and inserts nothing, if the creating key was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` when the environment of that key and its descendants have created as many as allowed.
    pub async fn insert_environment(
        &self,
        new: &NewEnvironment<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let environment = new.environment;
        let root = match new.made_in {
            Some((made_in, _)) => Some(self.root_environment(made_in).await?),
            None => None,
        };
        let reservation =
            self.quotas.reserve(QuotaKind::Environments, root.unwrap_or(environment.id)).await;
        let mut tx = self.pool.begin().await?;
        if let Some((made_in, audit)) = new.made_in {
            reservation.admit(&mut tx).await?;
            if lock_creating_key(&mut tx, made_in, environment.made_by.as_deref()).await?.is_none()
            {
                return Ok(false);
            }
            audit::append(&mut *tx, made_in, audit).await?;
        }
        sqlx::query!(
            "INSERT INTO environments (environment_id, name, created_at, made_in, made_by, root_environment_id)
             VALUES ($1, $2, $3, $4, $5, $6)",
            environment.id as EnvironmentId,
            environment.name,
            environment.created_at,
            new.made_in.map(|(made_in, _)| made_in) as Option<EnvironmentId>,
            environment.made_by,
            root as Option<EnvironmentId>,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, environment.id, audit).await?;
        if let Some((key, audit)) = new.first_key {
            insert_key(&mut tx, environment.id, key, audit).await?;
        }
        tx.commit().await?;
        if let Some((key, _)) = new.first_key {
            self.caches.invalidate(&Invalidation::Key(key.digest));
        }
        Ok(true)
    }

    /// Returns the root of an environment's ancestry: itself when no key created it.
    async fn root_environment(
        &self,
        environment_id: EnvironmentId,
    ) -> Result<EnvironmentId, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT coalesce(root_environment_id, environment_id) AS "root!: EnvironmentId"
               FROM environments WHERE environment_id = $1"#,
            environment_id as EnvironmentId,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Returns every environment, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environments(&self) -> Result<Vec<Environment>, StoreError> {
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at, made_by
               FROM environments ORDER BY environment_id"#
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the environments with this name, or the one with this id, oldest first. At most two, which shows that
    /// the name is ambiguous.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn find_environments(&self, name: &str) -> Result<Vec<Environment>, StoreError> {
        let id = name.parse::<EnvironmentId>().ok();
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at, made_by FROM environments
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
    /// Returns the environment of these rows.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environment(&self) -> Result<Option<Environment>, StoreError> {
        Ok(sqlx::query_as!(
            Environment,
            r#"SELECT environment_id AS "id: EnvironmentId", name, created_at, made_by
               FROM environments WHERE environment_id = $1"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Renames the environment.
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

    /// Returns the branding of the environment's link page.
    ///
    /// # Errors
    ///
    /// When the database fails or the stored settings are invalid.
    pub async fn link_page_settings(&self) -> Result<LinkPage, StoreError> {
        let stored = sqlx::query_scalar!(
            "SELECT link_page FROM environments WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
        )
        .fetch_one(&self.pool)
        .await?;
        serde_json::from_value(stored)
            .map_err(|_| StoreError::Inconsistent { table: "environments", column: "link_page" })
    }

    /// Sets the branding of the environment's link page.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn set_link_page_settings(
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
