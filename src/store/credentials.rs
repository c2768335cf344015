//! The tokens of accounts, encrypted, and the record of every attempt to renew them.

use time::OffsetDateTime;

use super::account_states::move_account;
use super::audit::{self, AuditEntry};
use super::connections::Transaction;
use super::events::{self, NewEvent};
use super::refresh_outcome::RefreshOutcome;
use super::{StoreError, TenantDb};
use crate::domain::account_state::{Evidence, Step};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// The present tokens of an account.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// How many pairs this account has had; grows with every refresh and every link.
    pub generation: i64,
    /// The key the tokens are encrypted under.
    pub data_key: WrappedKey,
    /// What calls are made with.
    pub access_token: Ciphertext,
    /// What a new pair is asked with; `None` for a grant that never ends.
    pub refresh_token: Option<Ciphertext>,
    /// When the access token ends; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// When the pair was stored.
    pub issued_at: OffsetDateTime,
}

/// Tokens to be stored.
#[derive(Debug, Clone)]
pub struct NewCredentials {
    /// The key they are encrypted under.
    pub data_key: WrappedKey,
    /// What calls are made with.
    pub access_token: Ciphertext,
    /// What a new pair is asked with.
    pub refresh_token: Option<Ciphertext>,
    /// When the access token ends.
    pub expires_at: Option<OffsetDateTime>,
}

impl TenantDb {
    /// The present tokens of an account.
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

    /// Takes the right to refresh an account, waiting for whoever has it, in any process. The tokens in
    /// the lock are those after the wait: look at their generation before you ask the provider.
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

    /// Writes down that the access token of a pair ended now, when it is the present one and was
    /// believed to live.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_access_token(
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
        self.forget_account(id);
        Ok(())
    }
}

/// The right to refresh one account: whoever holds it is the only one, in every process.
pub struct RefreshLock {
    tx: Transaction,
    pub(super) db: TenantDb,
    pub(super) account_id: IntegratedAccountId,
    pub(super) credentials: Credentials,
}

impl RefreshLock {
    /// The tokens as they stand under the lock.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Writes down, durably and outside of the lock's transaction, that the provider is about to be
    /// asked; answers the attempt's number for this generation, from 1.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn intend(&self, now: OffsetDateTime) -> Result<i32, StoreError> {
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

    /// Stores the new pair, with a row of the audit log, and gives the right back; answers the new generation. All of
    /// it goes through the connection that the lock has: none has to be waited for with the only copy of the pair in
    /// hand. An account that was marked meanwhile, by whoever asked with the old pair and was refused, works again:
    /// that is what `told` tells.
    ///
    /// # Errors
    ///
    /// When the database fails: then the old pair stands, and the provider's grace for a repeated
    /// refresh is what is left.
    pub async fn refreshed(
        mut self,
        attempt: i32,
        new: &NewCredentials,
        (audit, told): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<i64, StoreError> {
        let now = audit.at;
        let evidence = Evidence::PairRenewed { generation: self.credentials.generation };
        let account = (self.db.environment_id, self.account_id);
        let step = move_account(&mut self.tx, account, &evidence, now).await?;
        let generation =
            replace(&mut *self.tx, self.db.environment_id, self.account_id, new, now).await?;
        let attempt = self.attempt(attempt);
        finish(&mut *self.tx, attempt, RefreshOutcome::Refreshed, now).await?;
        if matches!(step, Some(Step::Move { .. })) {
            events::append(&mut self.tx, self.db.environment_id, told).await?;
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
        self.db.forget_account(self.account_id);
        Ok(generation)
    }

    /// Moves the account as `evidence` against the pair of this lock demands, and finishes the attempt that
    /// brought it, if one did. Returns whether the account moved.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn refused(
        mut self,
        attempt: Option<i32>,
        evidence: &Evidence<'_>,
        (audit, event): (&AuditEntry<'_>, &NewEvent<'_>),
    ) -> Result<bool, StoreError> {
        let account = (self.db.environment_id, self.account_id);
        if let Some(attempt) = attempt {
            let attempt = self.attempt(attempt);
            finish(&mut *self.tx, attempt, RefreshOutcome::Refused, audit.at).await?;
        }
        let step = move_account(&mut self.tx, account, evidence, audit.at).await?;
        let is_moved = matches!(step, Some(Step::Move { .. }));
        if is_moved {
            audit::append(&mut *self.tx, self.db.environment_id, audit).await?;
            events::append(&mut self.tx, self.db.environment_id, event).await?;
        }
        self.tx.commit().await?;
        self.db.forget_account(self.account_id);
        Ok(is_moved)
    }

    /// Writes down that an attempt got no answer that can be trusted. The right is kept.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn failed(&mut self, attempt: i32, now: OffsetDateTime) -> Result<(), StoreError> {
        let attempt = self.attempt(attempt);
        finish(&self.db.pool, attempt, RefreshOutcome::Failed, now).await
    }

    fn attempt(&self, number: i32) -> Attempt {
        Attempt {
            environment_id: self.db.environment_id,
            account_id: self.account_id,
            generation: self.credentials.generation,
            number,
        }
    }
}

/// One row of the record of attempts.
struct Attempt {
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
    generation: i64,
    number: i32,
}

async fn finish(
    executor: impl sqlx::PgExecutor<'_>,
    attempt: Attempt,
    outcome: RefreshOutcome,
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

/// Puts `new` in the place of an account's tokens, or stores its first; answers the new generation.
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
