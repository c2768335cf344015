//! Keys that make others: what a key made ends no later than the key, and is listed with it.

use time::OffsetDateTime;

use super::connections::Connection;
use super::{StoreError, TenantDb};
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, EnvironmentId, IntegratedAccountId, LinkTokenId,
};

/// The most of a kind that are listed with the key that made them.
const MOST: i64 = 100;

/// The key that makes another one.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Maker {
    /// When it ends by itself.
    pub(super) expires_at: Option<OffsetDateTime>,
}

/// Holds the key that makes something until the transaction is over: a revocation waits, or was before it. `None`
/// when it is revoked. What no key makes has a maker without an end.
pub(super) async fn lock_maker(
    connection: &mut Connection,
    environment_id: EnvironmentId,
    made_by: Option<&str>,
) -> Result<Option<Maker>, StoreError> {
    let Some(made_by) = made_by else { return Ok(Some(Maker::default())) };
    Ok(sqlx::query_as!(
        Maker,
        "SELECT expires_at FROM api_keys
         WHERE environment_id = $1 AND api_key_id = $2 AND revoked_at IS NULL FOR SHARE",
        environment_id as EnvironmentId,
        made_by,
    )
    .fetch_optional(connection)
    .await?)
}

/// What a key made and has not ended, the newest first.
#[derive(Debug, Default)]
pub struct Made {
    /// API keys.
    pub api_keys: Vec<ApiKeyId>,
    /// Account tokens, and the account of each.
    pub account_tokens: Vec<(AccountTokenId, IntegratedAccountId)>,
    /// Link tokens that were not used.
    pub link_tokens: Vec<LinkTokenId>,
    /// Environments.
    pub environments: Vec<EnvironmentId>,
}

impl TenantDb {
    /// What a key made and is good at `now`: of each kind the newest hundred.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn made_by(&self, id: ApiKeyId, now: OffsetDateTime) -> Result<Made, StoreError> {
        let api_keys = sqlx::query_scalar!(
            r#"SELECT api_key_id AS "id: ApiKeyId" FROM api_keys
               WHERE environment_id = $1 AND made_by = $2
                 AND LEAST(expires_at, revoked_at, 'infinity') > $3
               ORDER BY api_key_id DESC LIMIT $4"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
            MOST,
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
            MOST,
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
            MOST,
        )
        .fetch_all(&self.pool)
        .await?;
        let environments = sqlx::query_scalar!(
            r#"SELECT environment_id AS "id: EnvironmentId" FROM environments
               WHERE made_in = $1 AND made_by = $2 ORDER BY environment_id DESC LIMIT $3"#,
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            MOST,
        )
        .fetch_all(&self.pool)
        .await?;
        let account_tokens = account_tokens.into_iter().map(|row| (row.id, row.account_id));
        Ok(Made { api_keys, account_tokens: account_tokens.collect(), link_tokens, environments })
    }
}
