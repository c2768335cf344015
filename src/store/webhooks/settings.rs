//! The endpoints that receive events: created, listed, changed and deleted, with their encrypted secrets.

use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::connections::Transaction;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, WebhookId};
use crate::domain::quota::QuotaKind;
use crate::domain::sealed::{Ciphertext, SealedWebhookSecrets, WrappedKey};
use crate::domain::webhook::{EventTypePattern, Webhook};

/// The constraint that a webhook of an account outside of the environment violates.
pub const WEBHOOK_ACCOUNT_CONSTRAINT: &str = "webhooks_account_fkey";

impl TenantDb {
    /// Inserts a webhook with its first secret. It receives the events that are appended from now on.
    ///
    /// # Errors
    ///
    /// `Conflict` on [`WEBHOOK_ACCOUNT_CONSTRAINT`] when its account is not in this environment.
    pub async fn insert_webhook(
        &self,
        webhook: &Webhook,
        secrets: &SealedWebhookSecrets,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::Webhooks, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        sqlx::query!(
            "INSERT INTO webhooks (environment_id, webhook_id, url, event_types, integrated_account_id,
                 description, is_active, master_key_id, data_key, secret, last_position, created_at, updated_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, last_event, $11, $12
             FROM environments WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
            webhook.id as WebhookId,
            webhook.url,
            &texts(&webhook.event_types),
            webhook.integrated_account_id as Option<IntegratedAccountId>,
            webhook.description,
            webhook.is_active,
            secrets.data_key.master_key_id,
            secrets.data_key.bytes,
            secrets.secret.0,
            webhook.created_at,
            webhook.updated_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }

    /// Returns up to `limit` webhooks after `after`, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhooks(
        &self,
        after: Option<WebhookId>,
        limit: i64,
    ) -> Result<Vec<Webhook>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT webhook_id AS "id: WebhookId", url, event_types,
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      description, is_active, disabled_at, disabled_reason, failing_since,
                      previous_secret_until, created_at, updated_at
               FROM webhooks
               WHERE environment_id = $1 AND ($2::text IS NULL OR webhook_id > $2)
               ORDER BY webhook_id LIMIT $3"#,
            self.environment_id as EnvironmentId,
            after as Option<WebhookId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(Row::read).collect())
    }

    /// Returns the webhook with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT webhook_id AS "id: WebhookId", url, event_types,
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      description, is_active, disabled_at, disabled_reason, failing_since,
                      previous_secret_until, created_at, updated_at
               FROM webhooks WHERE environment_id = $1 AND webhook_id = $2"#,
            self.environment_id as EnvironmentId,
            id as WebhookId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Row::read))
    }

    /// Locks a webhook for a change of its settings, its secrets, its deliveries or its replays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_webhook(&self, id: WebhookId) -> Result<Option<WebhookLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query_as!(
            Row,
            r#"SELECT webhook_id AS "id: WebhookId", url, event_types,
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      description, is_active, disabled_at, disabled_reason, failing_since,
                      previous_secret_until, created_at, updated_at
               FROM webhooks WHERE environment_id = $1 AND webhook_id = $2 FOR NO KEY UPDATE"#,
            self.environment_id as EnvironmentId,
            id as WebhookId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (webhook, environment_id) = (row.read(), self.environment_id);
        Ok(Some(WebhookLock { tx, environment_id, webhook }))
    }
}

/// The exclusive right to change one webhook.
pub struct WebhookLock {
    pub(super) tx: Transaction,
    pub(super) environment_id: EnvironmentId,
    pub(super) webhook: Webhook,
}

impl WebhookLock {
    /// Returns the webhook under the lock.
    #[must_use]
    pub fn webhook(&self) -> &Webhook {
        &self.webhook
    }

    /// Returns the encrypted secrets.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn secrets(&mut self) -> Result<SealedWebhookSecrets, StoreError> {
        let row = sqlx::query!(
            "SELECT master_key_id, data_key, secret, previous_secret
             FROM webhooks WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
        )
        .fetch_one(&mut *self.tx)
        .await?;
        Ok(SealedWebhookSecrets {
            data_key: WrappedKey { master_key_id: row.master_key_id, bytes: row.data_key },
            secret: Ciphertext(row.secret),
            previous: row.previous_secret.map(Ciphertext),
        })
    }

    /// Changes the settings to those of `to`, and returns the webhook as it is then. One that is enabled again or gets
    /// another URL begins anew: its failures are forgotten, and every delivery that is pending or has failed since the
    /// first of these failures is due.
    ///
    /// # Errors
    ///
    /// `Conflict` on [`WEBHOOK_ACCOUNT_CONSTRAINT`] when the account is not in this environment.
    pub async fn update(
        mut self,
        to: Webhook,
        audit: &AuditEntry<'_>,
    ) -> Result<Webhook, StoreError> {
        sqlx::query!(
            "UPDATE webhooks SET url = $3, event_types = $4, integrated_account_id = $5, description = $6,
                 is_active = $7, updated_at = $8
             WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            to.url,
            &texts(&to.event_types),
            to.integrated_account_id as Option<IntegratedAccountId>,
            to.description,
            to.is_active,
            to.updated_at,
        )
        .execute(&mut *self.tx)
        .await?;
        let is_restart = !self.webhook.is_active || to.url != self.webhook.url;
        let to = if to.is_active && is_restart { self.restart(to).await? } else { to };
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(to)
    }

    /// Forgets the failures and makes the deliveries of the outage due.
    async fn restart(&mut self, to: Webhook) -> Result<Webhook, StoreError> {
        sqlx::query!(
            "UPDATE webhooks SET failures = 0, failing_since = NULL, retry_at = NULL, disabled_at = NULL,
                 disabled_reason = NULL
             WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
        )
        .execute(&mut *self.tx)
        .await?;
        // Without a position it is a test, which is not repeated.
        sqlx::query!(
            "UPDATE webhook_deliveries SET status = 'pending', attempt_count = 0, next_attempt_at = $3
             WHERE environment_id = $1 AND webhook_id = $2 AND position IS NOT NULL
               AND status = 'pending'",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            to.updated_at,
        )
        .execute(&mut *self.tx)
        .await?;
        sqlx::query!(
            "UPDATE webhook_deliveries SET status = 'pending', attempt_count = 0, next_attempt_at = $3
             WHERE environment_id = $1 AND webhook_id = $2 AND position IS NOT NULL
               AND status = 'failed' AND created_at >= $4::timestamptz - interval '4 days'
               AND (attempts -> -1 ->> 'at')::timestamptz >= $4",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            to.updated_at,
            self.webhook.failing_since,
        )
        .execute(&mut *self.tx)
        .await?;
        Ok(Webhook { failing_since: None, disabled_at: None, disabled_reason: None, ..to })
    }

    /// Replaces the secrets. The previous one signs deliveries too until `previous_until`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rotate(
        mut self,
        secrets: &SealedWebhookSecrets,
        previous_until: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhooks SET master_key_id = $3, data_key = $4, secret = $5, previous_secret = $6,
                 previous_secret_until = $7, updated_at = $8
             WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            secrets.data_key.master_key_id,
            secrets.data_key.bytes,
            secrets.secret.0,
            secrets.previous.as_ref().map(|secret| secret.0.as_slice()),
            previous_until,
            audit.at,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        Ok(self.tx.commit().await?)
    }

    /// Deletes the webhook with its deliveries and replays, and returns it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete(mut self, audit: &AuditEntry<'_>) -> Result<Webhook, StoreError> {
        sqlx::query!(
            "DELETE FROM webhooks WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(self.webhook)
    }
}

/// Returns patterns as their column has them.
pub(super) fn texts(patterns: &[EventTypePattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

struct Row {
    id: WebhookId,
    url: String,
    event_types: Vec<String>,
    integrated_account_id: Option<IntegratedAccountId>,
    description: String,
    is_active: bool,
    disabled_at: Option<OffsetDateTime>,
    disabled_reason: Option<String>,
    failing_since: Option<OffsetDateTime>,
    previous_secret_until: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Webhook {
        Webhook {
            id: self.id,
            url: self.url,
            event_types: EventTypePattern::stored(self.event_types),
            integrated_account_id: self.integrated_account_id,
            description: self.description,
            is_active: self.is_active,
            disabled_at: self.disabled_at,
            disabled_reason: self.disabled_reason,
            failing_since: self.failing_since,
            previous_secret_until: self.previous_secret_until,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
