//! API keys that create other objects: such an object expires no later than its creating key and is listed with it.

use time::OffsetDateTime;

use super::connections::TimedConnection;
use super::{StoreError, TenantDb};
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, EnvironmentId, IntegratedAccountId, LinkTokenId,
};

/// Maximum number of listed objects of each kind.
const MAX_LISTED: i64 = 100;

/// The API key that creates an object.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct CreatingKey {
    /// When it expires.
    pub(super) expires_at: Option<OffsetDateTime>,
}

/// Locks the creating key until the transaction ends, so that a concurrent revocation waits or has happened before.
/// Returns `None` if the key is revoked, and a key without expiry if `made_by` is `None`.
pub(super) async fn lock_creating_key(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    made_by: Option<&str>,
) -> Result<Option<CreatingKey>, StoreError> {
    let Some(made_by) = made_by else { return Ok(Some(CreatingKey::default())) };
    Ok(sqlx::query_as!(
        CreatingKey,
        "SELECT expires_at FROM api_keys
         WHERE environment_id = $1 AND api_key_id = $2 AND revoked_at IS NULL FOR SHARE",
        environment_id as EnvironmentId,
        made_by,
    )
    .fetch_optional(connection)
    .await?)
}

/// Valid objects that a key created, newest first.
#[derive(Debug, Default)]
pub struct CreatedByKey {
    /// API keys.
    pub api_keys: Vec<ApiKeyId>,
    /// Account tokens, each with its account.
    pub account_tokens: Vec<(AccountTokenId, IntegratedAccountId)>,
    /// Unused link tokens.
    pub link_tokens: Vec<LinkTokenId>,
    /// Environments.
    pub environments: Vec<EnvironmentId>,
}

impl TenantDb {
    /// Returns what a key created that is valid at `now`: the newest hundred of each kind.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn created_by(
        &self,
        id: ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<CreatedByKey, StoreError> {
        let api_keys = sqlx::query_scalar!(
            r#"SELECT api_key_id AS "id: ApiKeyId" FROM api_keys
               WHERE environment_id = $1 AND made_by = $2
                 AND LEAST(expires_at, revoked_at, 'infinity') > $3
               ORDER BY api_key_id DESC LIMIT $4"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
            MAX_LISTED,
        )
        .fetch_all(&self.pool)
        .await?;
        let account_tokens = sqlx::query!(
            r#"SELECT account_token_id AS "id: AccountTokenId",
                      integrated_account_id AS "account_id: IntegratedAccountId" FROM account_tokens
               WHERE environment_id = $1 AND made_by = $2
                 AND LEAST(expires_at, revoked_at, 'infinity') > $3
               ORDER BY account_token_id DESC LIMIT $4"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
            MAX_LISTED,
        )
        .fetch_all(&self.pool)
        .await?;
        let link_tokens = sqlx::query_scalar!(
            r#"SELECT link_token_id AS "id: LinkTokenId" FROM link_tokens
               WHERE environment_id = $1 AND made_by = $2 AND LEAST(expires_at, used_at) > $3
               ORDER BY link_token_id DESC LIMIT $4"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
            MAX_LISTED,
        )
        .fetch_all(&self.pool)
        .await?;
        let environments = sqlx::query_scalar!(
            r#"SELECT environment_id AS "id: EnvironmentId" FROM environments
               WHERE made_in = $1 AND made_by = $2 ORDER BY environment_id DESC LIMIT $3"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            MAX_LISTED,
        )
        .fetch_all(&self.pool)
        .await?;
        let account_tokens = account_tokens.into_iter().map(|row| (row.id, row.account_id));
        Ok(CreatedByKey {
            api_keys,
            account_tokens: account_tokens.collect(),
            link_tokens,
            environments,
        })
    }
}
