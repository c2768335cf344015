//! Revocation of what an API key created: its tokens, or everything, as after a leak of the key.
//!
//! A revoked key creates nothing: every insertion locks the row of its creating key (`lock_creating_key`). So keys are
//! revoked first, until no further one is found, and then what they created.

use time::OffsetDateTime;

use super::StoreError;
use super::TenantDb;
use super::connections::TimedConnection;
use crate::domain::ids::{ApiKeyId, EnvironmentId};

/// Extent of a revocation: the objects that are revoked together with the API key that created them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationScope {
    /// Its account tokens and link tokens.
    Tokens,
    /// Everything: also the keys and environments that it created, and what these created. In such an environment
    /// every key and token is revoked, regardless of its creator.
    All,
}

impl TenantDb {
    /// Revokes what a key created; the key is locked or revoked in this transaction. Returns the revoked digests.
    pub(super) async fn revoke_created(
        &self,
        connection: &mut TimedConnection,
        id: ApiKeyId,
        scope: RevocationScope,
        now: OffsetDateTime,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        if scope == RevocationScope::Tokens {
            return self.revoke_created_tokens(connection, id, now).await;
        }
        let mut ended = Vec::new();
        loop {
            let more = self.revoke_created_keys(connection, id, now).await?;
            if more.is_empty() {
                break;
            }
            ended.extend(more);
        }
        ended.extend(self.revoke_descendant_tokens(connection, id, now).await?);
        Ok(ended)
    }

    async fn revoke_created_tokens(
        &self,
        connection: &mut TimedConnection,
        id: ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        sqlx::query!(
            "UPDATE link_tokens SET revoked_at = $3, expires_at = LEAST(expires_at, $3), state_digest = NULL
             WHERE environment_id = $1 AND made_by = $2 AND used_at IS NULL AND revoked_at IS NULL",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
        )
        .execute(&mut *connection)
        .await?;
        Ok(sqlx::query_scalar!(
            "UPDATE account_tokens SET revoked_at = $3
             WHERE environment_id = $1 AND made_by = $2 AND revoked_at IS NULL RETURNING digest",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
        )
        .fetch_all(&mut *connection)
        .await?)
    }

    /// Revokes the committed keys that descend from a key; returns the digests of their secrets.
    async fn revoke_created_keys(
        &self,
        connection: &mut TimedConnection,
        id: ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = sqlx::query!(
            "WITH RECURSIVE made (environment_id, api_key_id) AS (
                 SELECT $1::text, $2::text
                 UNION
                 SELECT k.environment_id, k.api_key_id FROM made m
                 LEFT JOIN environments e ON e.made_in = m.environment_id AND e.made_by = m.api_key_id
                 JOIN api_keys k ON k.environment_id = e.environment_id
                     OR (k.environment_id = m.environment_id AND k.made_by = m.api_key_id))
             UPDATE api_keys k SET revoked_at = $3 FROM made m
             WHERE k.environment_id = m.environment_id AND k.api_key_id = m.api_key_id
               AND k.revoked_at IS NULL AND (k.environment_id, k.api_key_id) <> ($1, $2)
             RETURNING k.digest, k.previous_digest",
            self.environment_id.to_string(),
            id.to_string(),
            now,
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(rows
            .into_iter()
            .flat_map(|row| [Some(row.digest), row.previous_digest])
            .flatten()
            .collect())
    }

    /// Revokes the tokens of a key and its descendants, and those of the environments that these created.
    async fn revoke_descendant_tokens(
        &self,
        connection: &mut TimedConnection,
        id: ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let (environment_id, id) = (self.environment_id.to_string(), id.to_string());
        sqlx::query!(
            "WITH RECURSIVE made (environment_id, api_key_id) AS (
                 SELECT $1::text, $2::text
                 UNION
                 SELECT k.environment_id, k.api_key_id FROM made m
                 LEFT JOIN environments e ON e.made_in = m.environment_id AND e.made_by = m.api_key_id
                 JOIN api_keys k ON k.environment_id = e.environment_id
                     OR (k.environment_id = m.environment_id AND k.made_by = m.api_key_id))
             UPDATE link_tokens t
             SET revoked_at = $3, expires_at = LEAST(t.expires_at, $3), state_digest = NULL
             WHERE t.used_at IS NULL AND t.revoked_at IS NULL AND (
                 EXISTS (SELECT FROM made m
                     WHERE t.environment_id = m.environment_id AND t.made_by = m.api_key_id)
                 OR t.environment_id IN (SELECT e.environment_id FROM environments e JOIN made m
                     ON e.made_in = m.environment_id AND e.made_by = m.api_key_id))",
            environment_id,
            id,
            now,
        )
        .execute(&mut *connection)
        .await?;
        Ok(sqlx::query_scalar!(
            "WITH RECURSIVE made (environment_id, api_key_id) AS (
                 SELECT $1::text, $2::text
                 UNION
                 SELECT k.environment_id, k.api_key_id FROM made m
                 LEFT JOIN environments e ON e.made_in = m.environment_id AND e.made_by = m.api_key_id
                 JOIN api_keys k ON k.environment_id = e.environment_id
                     OR (k.environment_id = m.environment_id AND k.made_by = m.api_key_id))
             UPDATE account_tokens t SET revoked_at = $3
             WHERE t.revoked_at IS NULL AND (
                 EXISTS (SELECT FROM made m
                     WHERE t.environment_id = m.environment_id AND t.made_by = m.api_key_id)
                 OR t.environment_id IN (SELECT e.environment_id FROM environments e JOIN made m
                     ON e.made_in = m.environment_id AND e.made_by = m.api_key_id))
             RETURNING t.digest",
            environment_id,
            id,
            now,
        )
        .fetch_all(&mut *connection)
        .await?)
    }
}
