//! Provider apps: an environment's OAuth clients, with encrypted client secrets.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::parse_name;
use super::connections::Transaction;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::domain::quota::QuotaKind;
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// An environment's OAuth client for a provider.
#[derive(Debug, Clone)]
pub struct ProviderApp {
    /// Its id.
    pub id: ProviderAppId,
    /// The provider it is registered with.
    pub provider: Provider,
    /// Its client id.
    pub client_id: String,
    /// The data key of its secrets.
    pub data_key: WrappedKey,
    /// Its client secret.
    pub client_secret: Ciphertext,
    /// The secret with which the provider signs its requests to us.
    pub signing_secret: Option<Ciphertext>,
    /// Scopes that a link requests.
    pub scopes: Vec<String>,
    /// Whether links use PKCE.
    pub pkce: bool,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

/// A provider app to insert, or to replace the one with its client id.
#[derive(Debug)]
pub struct NewProviderApp<'a> {
    /// The app.
    pub app: &'a ProviderApp,
    /// The current time.
    pub now: OffsetDateTime,
}

impl TenantDb {
    /// Inserts a provider app.
    ///
    /// # Errors
    ///
    /// `Conflict` on `provider_apps_client_key` when the environment already has this client.
    pub async fn insert_provider_app(
        &self,
        new: &NewProviderApp<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let app = new.app;
        let reservation = self.quotas.reserve(QuotaKind::ProviderApps, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
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

    /// Returns the provider app with this id.
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

    /// Returns the environment's newest app for a provider, which new links use.
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
    /// Returns the environment's provider apps, oldest first.
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

    /// Locks a provider app for a change: its secrets share one data key, so concurrent changes must not start from the
    /// same row. Links that refer to the app don't wait, because the lock does not conflict with foreign keys.
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

/// The exclusive right to change one provider app.
pub struct ProviderAppLock {
    tx: Transaction,
    environment_id: EnvironmentId,
    app: ProviderApp,
}

impl ProviderAppLock {
    /// Returns the app under the lock.
    #[must_use]
    pub fn app(&self) -> &ProviderApp {
        &self.app
    }

    /// Replaces the app's secrets and scopes.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update(
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

    /// Deletes the app and its link tokens.
    ///
    /// # Errors
    ///
    /// `Conflict` on `integrated_accounts_provider_app_fkey` while an account was linked through it, including
    /// disconnected ones.
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
    /// Returns the apps of all environments with a signing secret: only the signature of a provider's request tells
    /// which app it is for.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn apps_with_signing_secret(
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
            provider: parse_name("provider_apps", "provider", &self.provider)?,
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
