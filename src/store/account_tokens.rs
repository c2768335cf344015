//! Account tokens: bearer tokens bound to one account, found by digest only.

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{digest_bytes, parse_names, parse_patterns};
use super::created_by::lock_creating_key;
use super::keys::scope_names;
use super::{Invalidation, StoreError, TenantDb};
use crate::domain::access::Scope;
use crate::domain::account::AccountStatus;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{AccountTokenId, EnvironmentId, IntegratedAccountId};
use crate::domain::networks::Networks;
use crate::domain::quota::QuotaKind;
use crate::domain::sealed::Digest;

/// An account token to insert.
#[derive(Debug)]
pub struct NewAccountToken<'a> {
    /// Its id.
    pub id: AccountTokenId,
    /// The account it is bound to.
    pub account_id: IntegratedAccountId,
    /// The API key that creates it; it is revoked with that key.
    pub made_by: &'a str,
    /// The digest of its secret.
    pub digest: Digest,
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// Provider methods it may call through the proxy; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
    /// Allowed client addresses; `None` for all.
    pub allowed_addresses: Option<&'a Networks>,
    /// The current time.
    pub created_at: OffsetDateTime,
    /// When it expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
}

/// Outcome of inserting an account token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountTokenInsertion {
    /// The token is stored.
    Inserted {
        /// When it expires, which is no later than its creating key; `None` for never.
        expires_at: Option<OffsetDateTime>,
    },
    /// Nothing is stored: the creating key was revoked meanwhile.
    KeyRevoked,
    /// Nothing is stored: the account was disconnected meanwhile.
    AccountDisconnected,
}

/// An account token, without its secret.
#[derive(Debug, Clone)]
pub struct AccountToken {
    /// Its id.
    pub id: AccountTokenId,
    /// Its scopes.
    pub scopes: Vec<Scope>,
    /// Provider methods it may call through the proxy; `None` for all.
    pub allowed_methods: Option<AllowedMethods>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    pub revoked_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Inserts an account token, unless its key was revoked or its account disconnected meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_account_token(
        &self,
        token: &NewAccountToken<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<AccountTokenInsertion, StoreError> {
        let allowed_addresses = token.allowed_addresses.map(Networks::to_strings);
        let reservation = self.quotas.reserve(QuotaKind::AccountTokens, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        let maker = lock_creating_key(&mut tx, self.environment_id, Some(token.made_by)).await?;
        let Some(maker) = maker else { return Ok(AccountTokenInsertion::KeyRevoked) };
        // A concurrent disconnection waits for this transaction and deletes the token, or has committed before.
        let account = sqlx::query_scalar!(
            "SELECT status FROM integrated_accounts
             WHERE environment_id = $1 AND integrated_account_id = $2 FOR SHARE",
            self.environment_id as EnvironmentId,
            token.account_id as IntegratedAccountId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if account.is_none_or(|status| status == AccountStatus::Disconnected.name()) {
            return Ok(AccountTokenInsertion::AccountDisconnected);
        }
        let expires_at = [token.expires_at, maker.expires_at].into_iter().flatten().min();
        sqlx::query!(
            "INSERT INTO account_tokens
                 (environment_id, account_token_id, integrated_account_id, digest, scopes, created_at, expires_at,
                  allowed_methods, allowed_addresses, made_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            self.environment_id as EnvironmentId,
            token.id as AccountTokenId,
            token.account_id as IntegratedAccountId,
            digest_bytes(&token.digest),
            &scope_names(token.scopes),
            token.created_at,
            expires_at,
            token.allowed_methods.map(AllowedMethods::patterns),
            allowed_addresses as Option<Vec<String>>,
            token.made_by,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.caches.invalidate(&Invalidation::Key(token.digest));
        Ok(AccountTokenInsertion::Inserted { expires_at })
    }

    /// Returns the tokens of an account that are valid at `now` or expired less than a day before, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn account_tokens(
        &self,
        account_id: IntegratedAccountId,
        now: OffsetDateTime,
    ) -> Result<Vec<AccountToken>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT t.account_token_id AS "id: AccountTokenId", t.scopes, t.allowed_methods, t.created_at,
                      t.expires_at, t.revoked_at, u.last_used_at AS "last_used_at?"
               FROM account_tokens t LEFT JOIN key_uses u
                   ON u.environment_id = t.environment_id AND u.key_id = t.account_token_id
               WHERE t.environment_id = $1 AND t.integrated_account_id = $2
               AND LEAST(t.expires_at, t.revoked_at, 'infinity') > $3
               ORDER BY t.account_token_id"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            now - time::Duration::DAY,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(AccountToken {
                    id: row.id,
                    scopes: parse_names("account_tokens", "scopes", &row.scopes)?,
                    allowed_methods: parse_patterns("account_tokens", row.allowed_methods)?,
                    created_at: row.created_at,
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                    last_used_at: row.last_used_at,
                })
            })
            .collect()
    }

    /// Revokes an account token at `now`; returns whether it was not revoked before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_account_token(
        &self,
        account_id: IntegratedAccountId,
        id: AccountTokenId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let revoked = sqlx::query_scalar!(
            "UPDATE account_tokens SET revoked_at = $4
             WHERE environment_id = $1 AND integrated_account_id = $2 AND account_token_id = $3
             AND revoked_at IS NULL RETURNING digest",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            id as AccountTokenId,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if revoked.is_some() {
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        tx.commit().await?;
        self.invalidate_keys(revoked.as_slice());
        Ok(revoked.is_some())
    }
}
