//! Encrypted tokens of accounts.

use time::OffsetDateTime;

use super::{StoreError, TenantDb};
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

/// A row as it is stored.
pub(super) struct Row {
    pub(super) generation: i64,
    pub(super) master_key_id: String,
    pub(super) data_key: Vec<u8>,
    pub(super) access_token: Vec<u8>,
    pub(super) refresh_token: Option<Vec<u8>>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) issued_at: OffsetDateTime,
}

impl Row {
    pub(super) fn read(self) -> Credentials {
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
