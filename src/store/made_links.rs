//! Link tokens as they are listed, and how one is revoked before its end.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{all_named, named};
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId};
use crate::domain::provider::Provider;

/// A link token as it is listed.
#[derive(Debug, Clone)]
pub struct ListedLinkToken {
    /// Its id.
    pub id: LinkTokenId,
    /// The SaaS's own name for its customer.
    pub tenant_id: String,
    /// The kinds of directory that the customer chooses from; at least one.
    pub providers: Vec<Provider>,
    /// The account to connect again.
    pub account_id: Option<IntegratedAccountId>,
    /// The API key that made it.
    pub made_by: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends, or ended.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// The account that came of it.
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
    fn read(self) -> Result<ListedLinkToken, StoreError> {
        let providers = match &*self.choices {
            [] => vec![named("link_tokens", "provider", &self.provider)?],
            some => all_named("link_tokens", "choices", some)?,
        };
        Ok(ListedLinkToken {
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
    /// The environment's link tokens behind one, the oldest first: those that are good at `now` or ended less
    /// than a day before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link_tokens(
        &self,
        after: Option<LinkTokenId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<ListedLinkToken>, StoreError> {
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

    /// Ends a link token at `now`; gives since when it is revoked, `None` when there is no such one.
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
        let known = sqlx::query!(
            "SELECT revoked_at FROM link_tokens WHERE environment_id = $1 AND link_token_id = $2 FOR UPDATE",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(known) = known else { return Ok(None) };
        if known.revoked_at.is_some() {
            return Ok(known.revoked_at);
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
