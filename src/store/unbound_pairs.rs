//! Token pairs that are not sealed for the destination of their account: an older version wrote them.

use super::columns::named;
use super::{Store, StoreError};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::domain::sealed::{Ciphertext, WrappedKey};

/// A pair with its account's destination.
#[derive(Debug)]
pub struct UnboundPair {
    /// Whose account it is.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The account's kind of directory.
    pub provider: Provider,
    /// Where its directory is, when every customer has one of their own.
    pub base_url: Option<String>,
    /// Which pair it is.
    pub generation: i64,
    /// The key the tokens are encrypted under.
    pub data_key: WrappedKey,
    /// What calls are made with.
    pub access_token: Ciphertext,
    /// What a new pair is asked with.
    pub refresh_token: Option<Ciphertext>,
}

impl Store {
    /// Returns up to `limit` such pairs of all environments, in the order of their accounts, from behind `after` on.
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
                provider: named("integrated_accounts", "provider", &row.provider)?,
                base_url: row.base_url,
                generation: row.generation,
                data_key: WrappedKey { master_key_id: row.master_key_id, bytes: row.data_key },
                access_token: Ciphertext(row.access_token),
                refresh_token: row.refresh_token.map(Ciphertext),
            })
        });
        read.collect()
    }

    /// Puts newly sealed tokens in the place of a pair's. Returns `false`, and changes nothing, when the account has
    /// another pair or the pair another data key meanwhile.
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
