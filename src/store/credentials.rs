//! Encrypted tokens of accounts, and the record of refresh attempts.

use time::OffsetDateTime;

use super::account_states::apply_evidence;
use super::attempt_outcome::AttemptOutcome;
use super::audit::{self, AuditEntry};
use super::connections::Transaction;
use super::events::{self, NewEvent};
use super::{StoreError, TenantDb};
use crate::domain::account_state::{Evidence, Transition};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// The current tokens of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Number of the pair; grows with every refresh and every link.
    pub generation: i64,
    /// The data key of the tokens.
    pub data_key: WrappedKey,
    /// The access token.
    pub access_token: Ciphertext,
    /// The refresh token; `None` for a grant without one.
    pub refresh_token: Option<Ciphertext>,
    /// When the access token expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// When the pair was stored.
    pub issued_at: OffsetDateTime,
}

/// Tokens to store.
#[derive(Debug, Clone)]
pub struct NewCredentials {
    /// The data key of the tokens.
    pub data_key: WrappedKey,
    /// The access token.
    pub access_token: Ciphertext,
    /// The refresh token, if any.
    pub refresh_token: Option<Ciphertext>,
    /// When the access token expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Returns the current tokens of an account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn credentials(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<Credentials>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "SELECT generation, master_key_id, data_key, access_token, refresh_token, expires_at,
                    updated_at AS issued_at
             FROM account_credentials WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(Row::read))
    }

    /// Locks the tokens of an account for a refresh, after any other refresh in any process. The lock holds the tokens
    /// as of after the wait: compare their generation before calling the provider.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn lock_credentials(
        &self,
        id: IntegratedAccountId,
    ) -> Result<Option<RefreshLock>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query_as!(
            Row,
            "SELECT generation, master_key_id, data_key, access_token, refresh_token, expires_at,
                    updated_at AS issued_at
             FROM account_credentials WHERE environment_id = $1 AND integrated_account_id = $2
             FOR UPDATE",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        Ok(row.map(|row| RefreshLock {
            tx,
            db: self.clone(),
            account_id: id,
            credentials: row.read(),
        }))
    }

    /// Records that the access token of a pair is invalid from now on, if the pair is current and was thought valid.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn expire_access_token(
        &self,
        id: IntegratedAccountId,
        generation: i64,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE account_credentials SET expires_at = $4
             WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3
               AND (expires_at IS NULL OR expires_at > $4)",
            self.environment_id as EnvironmentId,
            id as IntegratedAccountId,
            generation,
            now,
        )
        .execute(&self.pool)
        .await?;
        self.invalidate_account(id);
        Ok(())
    }
}

/// The exclusive right, across processes, to refresh one account.
pub struct RefreshLock {
    tx: Transaction,
    pub(super) db: TenantDb,
    pub(super) account_id: IntegratedAccountId,
    pub(super) credentials: Credentials,
}

impl RefreshLock {
    /// Returns the tokens under the lock.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Records durably, outside of the lock's transaction, that the provider is about to be called. Returns the number
    /// of the attempt for this generation, from 1.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_attempt(&self, now: OffsetDateTime) -> Result<i32, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"INSERT INTO credential_refreshes
                   (environment_id, integrated_account_id, generation, attempt, started_at)
               SELECT $1, $2, $3, coalesce(max(attempt), 0) + 1, $4 FROM credential_refreshes
               WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3
               RETURNING attempt"#,
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation,
            now,
        )
        .fetch_one(&self.db.pool)
        .await?)
    }

    /// Stores the new pair with an audit entry and releases the lock; returns the new generation. All statements use
    /// the lock's connection, so that the only copy of the pair never waits for another one. If the account was marked
    /// `needs_reauth` meanwhile because of the old pair, it becomes active again and `event` is appended.
    ///
    /// # Errors
    ///
    /// When the database fails; then the old pair stays, and only the provider's grace period for a repeated refresh is
    /// left.
    pub async fn complete_refresh(
        mut self,
        attempt: i32,
        new: &NewCredentials,
        (audit, event): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<i64, StoreError> {
        let now = audit.at;
        let evidence = Evidence::TokensRefreshed { generation: self.credentials.generation };
        let account = (self.db.environment_id, self.account_id);
        let step = apply_evidence(&mut self.tx, account, &evidence, now).await?;
        let generation =
            replace(&mut *self.tx, self.db.environment_id, self.account_id, new, now).await?;
        let attempt = self.attempt_key(attempt);
        finish_attempt(&mut *self.tx, attempt, AttemptOutcome::Refreshed, now).await?;
        if matches!(step, Some(Transition::MoveTo { .. })) {
            events::append(&mut self.tx, self.db.environment_id, event).await?;
        }
        audit::append(&mut *self.tx, self.db.environment_id, audit).await?;
        sqlx::query!(
            "DELETE FROM credential_refreshes WHERE environment_id = $1
             AND integrated_account_id = $2 AND generation < $3",
            self.db.environment_id as EnvironmentId,
            self.account_id as IntegratedAccountId,
            self.credentials.generation - 10,
        )
        .execute(&mut *self.tx)
        .await?;
        self.tx.commit().await?;
        self.db.invalidate_account(self.account_id);
        Ok(generation)
    }

    /// Changes the account's status as `evidence` about the locked pair requires, and completes the attempt that
    /// produced it, if any. Returns whether the status changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_rejection(
        mut self,
        attempt: Option<i32>,
        evidence: &Evidence<'_>,
        (audit, event): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<bool, StoreError> {
        let account = (self.db.environment_id, self.account_id);
        if let Some(attempt) = attempt {
            let attempt = self.attempt_key(attempt);
            finish_attempt(&mut *self.tx, attempt, AttemptOutcome::Rejected, audit.at).await?;
        }
        let step = apply_evidence(&mut self.tx, account, evidence, audit.at).await?;
        let is_moved = matches!(step, Some(Transition::MoveTo { .. }));
        if is_moved {
            audit::append(&mut *self.tx, self.db.environment_id, audit).await?;
            events::append(&mut self.tx, self.db.environment_id, event).await?;
        }
        self.tx.commit().await?;
        self.db.invalidate_account(self.account_id);
        Ok(is_moved)
    }

    /// Records that an attempt got no conclusive response. The lock stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_failure(
        &mut self,
        attempt: i32,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let attempt = self.attempt_key(attempt);
        finish_attempt(&self.db.pool, attempt, AttemptOutcome::Failed, now).await
    }

    fn attempt_key(&self, number: i32) -> AttemptKey {
        AttemptKey {
            environment_id: self.db.environment_id,
            account_id: self.account_id,
            generation: self.credentials.generation,
            number,
        }
    }
}

/// Key of a recorded refresh attempt.
struct AttemptKey {
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
    generation: i64,
    number: i32,
}

async fn finish_attempt(
    executor: impl sqlx::PgExecutor<'_>,
    attempt: AttemptKey,
    outcome: AttemptOutcome,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE credential_refreshes SET finished_at = $5, outcome = $6
         WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $3 AND attempt = $4",
        attempt.environment_id as EnvironmentId,
        attempt.account_id as IntegratedAccountId,
        attempt.generation,
        attempt.number,
        now,
        outcome.name(),
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// Stores an account's tokens in place of the old ones, if any; returns the new generation.
pub(super) async fn replace(
    executor: impl sqlx::PgExecutor<'_>,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
    new: &NewCredentials,
    now: OffsetDateTime,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        "INSERT INTO account_credentials (environment_id, integrated_account_id, generation,
             master_key_id, data_key, access_token, refresh_token, expires_at, updated_at, bound_generation)
         VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8, 1)
         ON CONFLICT (environment_id, integrated_account_id) DO UPDATE
         SET generation = account_credentials.generation + 1,
             bound_generation = account_credentials.generation + 1,
             master_key_id = excluded.master_key_id, data_key = excluded.data_key,
             access_token = excluded.access_token, refresh_token = excluded.refresh_token,
             expires_at = excluded.expires_at, updated_at = excluded.updated_at
         RETURNING generation",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        new.data_key.master_key_id,
        new.data_key.bytes,
        new.access_token.0,
        new.refresh_token.as_ref().map(|token| token.0.as_slice()),
        new.expires_at,
        now,
    )
    .fetch_one(executor)
    .await?)
}

struct Row {
    generation: i64,
    master_key_id: String,
    data_key: Vec<u8>,
    access_token: Vec<u8>,
    refresh_token: Option<Vec<u8>>,
    expires_at: Option<OffsetDateTime>,
    issued_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Credentials {
        Credentials {
            generation: self.generation,
            data_key: WrappedKey { master_key_id: self.master_key_id, bytes: self.data_key },
            access_token: Ciphertext(self.access_token),
            refresh_token: self.refresh_token.map(Ciphertext),
            expires_at: self.expires_at,
            issued_at: self.issued_at,
        }
    }
}
