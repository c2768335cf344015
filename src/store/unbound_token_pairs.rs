//! Token pairs that an older version sealed without their account's destination.

use super::columns::parse_name;
use super::{Store, StoreError};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// A token pair with its account's destination.
#[derive(Debug)]
pub struct UnboundPair {
    /// The account's environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The account's provider.
    pub provider: Provider,
    /// The directory's base URL, if each customer has its own.
    pub base_url: Option<String>,
    /// Generation of the pair.
    pub generation: i64,
    /// The data key of the tokens.
    pub data_key: WrappedKey,
    /// The access token.
    pub access_token: Ciphertext,
    /// The refresh token, if any.
    pub refresh_token: Option<Ciphertext>,
}

impl Store {
    /// Returns up to `limit` such pairs of all environments, ordered by account, after the pair `after`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unbound_pairs(
        &self,
        after: Option<&UnboundPair>,
        limit: i64,
    ) -> Result<Vec<UnboundPair>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT c.environment_id AS "environment_id: EnvironmentId",
                      c.integrated_account_id AS "account_id: IntegratedAccountId", a.provider, a.base_url,
                      c.generation, c.master_key_id, c.data_key, c.access_token, c.refresh_token
               FROM account_credentials c
               JOIN integrated_accounts a USING (environment_id, integrated_account_id)
               WHERE c.bound_generation IS DISTINCT FROM c.generation
                 AND (c.environment_id, c.integrated_account_id) > ($1, $2)
               ORDER BY c.environment_id, c.integrated_account_id LIMIT $3"#,
            after.map_or_else(String::new, |row| row.environment_id.to_string()),
            after.map_or_else(String::new, |row| row.account_id.to_string()),
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let read = rows.into_iter().map(|row| {
            Ok(UnboundPair {
                environment_id: row.environment_id,
                account_id: row.account_id,
                provider: parse_name("integrated_accounts", "provider", &row.provider)?,
                base_url: row.base_url,
                generation: row.generation,
                data_key: WrappedKey { master_key_id: row.master_key_id, bytes: row.data_key },
                access_token: Ciphertext(row.access_token),
                refresh_token: row.refresh_token.map(Ciphertext),
            })
        });
        read.collect()
    }

    /// Replaces a pair's tokens by re-sealed ones. Returns `false`, and changes nothing, if the account has another
    /// pair or the pair another data key meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn bind_pair(
        &self,
        row: &UnboundPair,
        access_token: &Ciphertext,
        refresh_token: Option<&Ciphertext>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE account_credentials
             SET access_token = $3, refresh_token = $4, bound_generation = generation
             WHERE environment_id = $1 AND integrated_account_id = $2 AND generation = $5
               AND data_key = $6 AND access_token = $7",
            row.environment_id as EnvironmentId,
            row.account_id as IntegratedAccountId,
            access_token.0,
            refresh_token.map(|token| token.0.as_slice()),
            row.generation,
            row.data_key.bytes,
            row.access_token.0,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
