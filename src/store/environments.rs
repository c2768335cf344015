//! Environments: the isolation units.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::keys::{NewApiKey, add_key};
use super::makers::lock_maker;
use super::{Change, Store, StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::link_page::LinkPage;
use crate::domain::quota::Quota;

/// An isolation unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Its id.
    pub id: EnvironmentId,
    /// Its name: a label, which another one may have too.
    pub name: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// The API key that made it, if one of another environment did.
    pub made_by: Option<String>,
}

/// An environment to be added.
#[derive(Debug)]
pub struct NewEnvironment<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// Where the key is that makes it, if one does, and the row of the audit log there.
    pub made_in: Option<(EnvironmentId, &'a AuditEntry<'a>)>,
    /// Its first key, and that one's row of the audit log.
    pub first_key: Option<(&'a NewApiKey<'a>, &'a AuditEntry<'a>)>,
}

impl Store {
    /// Adds an environment. `false` when the key that makes it was revoked meanwhile: nothing is added.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` when the environment of that key, and what descends from it, made as many as they may.
    pub async fn insert_environment(
        &self,
        new: &NewEnvironment<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let environment = new.environment;
        let root = match new.made_in {
            Some((made_in, _)) => Some(self.root_of(made_in).await?),
            None => None,
        };
        let place = self.quotas.reserve(Quota::Environments, root.unwrap_or(environment.id)).await;
        let mut tx = self.pool.begin().await?;
        if let Some((made_in, audit)) = new.made_in {
            place.admit(&mut tx).await?;
            if lock_maker(&mut tx, made_in, environment.made_by.as_deref()).await?.is_none() {
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
            add_key(&mut tx, environment.id, key, audit).await?;
        }
        tx.commit().await?;
        if let Some((key, _)) = new.first_key {
            self.warm.hear(&Change::Key(key.digest));
        }
        Ok(true)
    }

    /// The environment that another one descends from: itself when no key made it.
    async fn root_of(&self, environment_id: EnvironmentId) -> Result<EnvironmentId, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT coalesce(root_environment_id, environment_id) AS "root!: EnvironmentId"
               FROM environments WHERE environment_id = $1"#,
            environment_id as EnvironmentId,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Every environment, the oldest first.
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
    /// The environment of these rows.
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
