//! List and revocation of link tokens.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{parse_name, parse_names};
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId};
use crate::domain::provider::Provider;

/// A link token in a list.
#[derive(Debug, Clone)]
pub struct LinkTokenSummary {
    /// Its id.
    pub id: LinkTokenId,
    /// The SaaS's own id of its customer.
    pub tenant_id: String,
    /// Providers that the customer chooses from; at least one.
    pub providers: Vec<Provider>,
    /// The account to reconnect, if any.
    pub account_id: Option<IntegratedAccountId>,
    /// The API key that created it.
    pub made_by: Option<String>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it expires or expired.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// The linked account.
    pub linked_account_id: Option<IntegratedAccountId>,
}

struct Row {
    id: LinkTokenId,
    tenant_id: String,
    provider: String,
    choices: Vec<String>,
    account_id: Option<IntegratedAccountId>,
    made_by: Option<String>,
    created_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    used_at: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    linked_account_id: Option<IntegratedAccountId>,
}

impl Row {
    fn read(self) -> Result<LinkTokenSummary, StoreError> {
        let providers = match &*self.choices {
            [] => vec![parse_name("link_tokens", "provider", &self.provider)?],
            some => parse_names("link_tokens", "choices", some)?,
        };
        Ok(LinkTokenSummary {
            id: self.id,
            tenant_id: self.tenant_id,
            providers,
            account_id: self.account_id,
            made_by: self.made_by,
            created_at: self.created_at,
            expires_at: self.expires_at,
            used_at: self.used_at,
            revoked_at: self.revoked_at,
            linked_account_id: self.linked_account_id,
        })
    }
}

impl TenantDb {
    /// Returns the environment's link tokens after `after`, oldest first: those valid at `now` or expired less than a
    /// day before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link_tokens(
        &self,
        after: Option<LinkTokenId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<LinkTokenSummary>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT link_token_id AS "id: LinkTokenId", tenant_id, provider, choices,
                      integrated_account_id AS "account_id: IntegratedAccountId", made_by, created_at,
                      expires_at, used_at, revoked_at,
                      linked_account_id AS "linked_account_id: IntegratedAccountId"
               FROM link_tokens
               WHERE environment_id = $1 AND ($2::text IS NULL OR link_token_id > $2)
                 AND LEAST(expires_at, used_at) > $4
               ORDER BY link_token_id LIMIT $3"#,
            self.environment_id as EnvironmentId,
            after as Option<LinkTokenId>,
            limit,
            now - time::Duration::DAY,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Revokes a link token at `now`; returns when it was revoked, or `None` if it doesn't exist.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_link_token(
        &self,
        id: LinkTokenId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            "SELECT revoked_at FROM link_tokens WHERE environment_id = $1 AND link_token_id = $2 FOR UPDATE",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.revoked_at.is_some() {
            return Ok(row.revoked_at);
        }
        sqlx::query!(
            "UPDATE link_tokens SET revoked_at = $3, expires_at = LEAST(expires_at, $3), state_digest = NULL
             WHERE environment_id = $1 AND link_token_id = $2",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
            now,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(Some(now))
    }
}
