//! Provider apps: an environment's OAuth clients. The client secret is ciphertext here.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::named;
use super::connections::Transaction;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::Quota;
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// An environment's OAuth client for a provider.
#[derive(Debug, Clone)]
pub struct ProviderApp {
    /// Its id.
    pub id: ProviderAppId,
    /// The provider it is registered with.
    pub provider: Provider,
    /// Its public id at the provider.
    pub client_id: String,
    /// The key its secret is encrypted under.
    pub data_key: WrappedKey,
    /// Its secret.
    pub client_secret: Ciphertext,
    /// What the provider signs its requests to us with.
    pub signing_secret: Option<Ciphertext>,
    /// The scopes a link asks for.
    pub scopes: Vec<String>,
    /// Whether it is registered for PKCE.
    pub pkce: bool,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// A provider app to be added, or to take the place of the one with its client id.
#[derive(Debug)]
pub struct NewProviderApp<'a> {
    /// The app.
    pub app: &'a ProviderApp,
    /// The present.
    pub now: OffsetDateTime,
}

impl TenantDb {
    /// Adds a provider app.
    ///
    /// # Errors
    ///
    /// `Conflict` on `provider_apps_client_key` when the environment has that client already.
    pub async fn insert_provider_app(
        &self,
        new: &NewProviderApp<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let app = new.app;
        let place = self.quotas.reserve(Quota::ProviderApps, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        place.admit(&mut tx).await?;
        sqlx::query!(
            "INSERT INTO provider_apps (environment_id, provider_app_id, provider, client_id,
                 master_key_id, data_key, client_secret, signing_secret, scopes, pkce, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
            self.environment_id as EnvironmentId,
            app.id as ProviderAppId,
            app.provider.name(),
            app.client_id,
            app.data_key.master_key_id,
            app.data_key.bytes,
            app.client_secret.0,
            app.signing_secret.as_ref().map(|secret| secret.0.as_slice()),
            &app.scopes,
            app.pkce,
            new.now,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }

    /// The provider app of that id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn provider_app(&self, id: ProviderAppId) -> Result<Option<ProviderApp>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT provider_app_id AS "id: ProviderAppId", provider, client_id, master_key_id,
                      data_key, client_secret, signing_secret, scopes, pkce, updated_at
               FROM provider_apps WHERE environment_id = $1 AND provider_app_id = $2"#,
            self.environment_id as EnvironmentId,
            id as ProviderAppId,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// The environment's newest app for a provider: the one that new links use.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn provider_app_for(
        &self,
        provider: Provider,
    ) -> Result<Option<ProviderApp>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT provider_app_id AS "id: ProviderAppId", provider, client_id, master_key_id,
                      data_key, client_secret, signing_secret, scopes, pkce, updated_at
               FROM provider_apps WHERE environment_id = $1 AND provider = $2
               ORDER BY provider_app_id DESC LIMIT 1"#,
            self.environment_id as EnvironmentId,
            provider.name(),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }
}

impl TenantDb {
    /// The environment's provider apps, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn provider_apps(&self) -> Result<Vec<ProviderApp>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT provider_app_id AS "id: ProviderAppId", provider, client_id, master_key_id,
                      data_key, client_secret, signing_secret, scopes, pkce, updated_at
               FROM provider_apps WHERE environment_id = $1 ORDER BY provider_app_id"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Takes the right to change a provider app, waiting for whoever has it: its secrets share one key,
    /// so two changes must not be made of the same row. Links that refer to it don't wait for that, as they hold
    /// what its removal waits for.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_provider_app(
        &self,
        id: ProviderAppId,
    ) -> Result<Option<ProviderAppLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT provider_app_id AS "id: ProviderAppId", provider, client_id, master_key_id,
                      data_key, client_secret, signing_secret, scopes, pkce, updated_at
               FROM provider_apps WHERE environment_id = $1 AND provider_app_id = $2 FOR NO KEY UPDATE"#,
            self.environment_id as EnvironmentId,
            id as ProviderAppId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (app, environment_id) = (row.read()?, self.environment_id);
        Ok(Some(ProviderAppLock { tx, environment_id, app }))
    }
}

/// The right to change one provider app.
pub struct ProviderAppLock {
    tx: Transaction,
    environment_id: EnvironmentId,
    app: ProviderApp,
}

impl ProviderAppLock {
    /// The app as it stands.
    #[must_use]
    pub fn app(&self) -> &ProviderApp {
        &self.app
    }

    /// Puts other secrets and scopes in the place of the app's.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change(
        mut self,
        to: &ProviderApp,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE provider_apps SET master_key_id = $3, data_key = $4, client_secret = $5,
                 signing_secret = $6, scopes = $7, pkce = $8, updated_at = $9
             WHERE environment_id = $1 AND provider_app_id = $2",
            self.environment_id as EnvironmentId,
            self.app.id as ProviderAppId,
            to.data_key.master_key_id,
            to.data_key.bytes,
            to.client_secret.0,
            to.signing_secret.as_ref().map(|secret| secret.0.as_slice()),
            &to.scopes,
            to.pkce,
            to.updated_at,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        Ok(self.tx.commit().await?)
    }

    /// Removes the app, and the link tokens that were made for it.
    ///
    /// # Errors
    ///
    /// `Conflict` on `integrated_accounts_provider_app_fkey` while an account was linked through it, a
    /// disconnected one too.
    pub async fn delete(mut self, audit: &AuditEntry<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM link_tokens WHERE environment_id = $1 AND provider_app_id = $2",
            self.environment_id as EnvironmentId,
            self.app.id as ProviderAppId,
        )
        .execute(&mut *self.tx)
        .await?;
        sqlx::query!(
            "DELETE FROM provider_apps WHERE environment_id = $1 AND provider_app_id = $2",
            self.environment_id as EnvironmentId,
            self.app.id as ProviderAppId,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        Ok(self.tx.commit().await?)
    }
}

impl Store {
    /// The apps of all environments that have a signing secret: a provider's request doesn't say whose
    /// it is but by its signature.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn signing_apps(
        &self,
        provider: Provider,
    ) -> Result<Vec<(EnvironmentId, ProviderApp)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId",
                      provider_app_id AS "id: ProviderAppId", provider, client_id, master_key_id,
                      data_key, client_secret, signing_secret, scopes, pkce, updated_at
               FROM provider_apps WHERE provider = $1 AND signing_secret IS NOT NULL
               ORDER BY environment_id, provider_app_id"#,
            provider.name(),
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let app = Row {
                    id: row.id,
                    provider: row.provider,
                    client_id: row.client_id,
                    master_key_id: row.master_key_id,
                    data_key: row.data_key,
                    client_secret: row.client_secret,
                    signing_secret: row.signing_secret,
                    scopes: row.scopes,
                    pkce: row.pkce,
                    updated_at: row.updated_at,
                };
                Ok((row.environment_id, app.read()?))
            })
            .collect()
    }
}

struct Row {
    id: ProviderAppId,
    provider: String,
    client_id: String,
    master_key_id: String,
    data_key: Vec<u8>,
    client_secret: Vec<u8>,
    signing_secret: Option<Vec<u8>>,
    scopes: Vec<String>,
    pkce: bool,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<ProviderApp, StoreError> {
        Ok(ProviderApp {
            id: self.id,
            provider: named("provider_apps", "provider", &self.provider)?,
            client_id: self.client_id,
            data_key: WrappedKey { master_key_id: self.master_key_id, bytes: self.data_key },
            client_secret: Ciphertext(self.client_secret),
            signing_secret: self.signing_secret.map(Ciphertext),
            scopes: self.scopes,
            pkce: self.pkce,
            updated_at: self.updated_at,
        })
    }
}
