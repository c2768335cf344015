//! Who may call: the API keys of an environment and the tokens of its accounts. Only digests are kept.

use std::sync::Arc;

use time::OffsetDateTime;

use super::columns::{all_named, digest_bytes, patterns};
use super::{Change, Store, StoreError, TenantDb};
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{ApiKeyId, EnvironmentId, IntegratedAccountId};
use crate::domain::sealed::Digest;

/// An API key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// What it was made for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<AllowedMethods>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
    /// When it was ended by hand.
    pub revoked_at: Option<OffsetDateTime>,
}

/// An API key to be added.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// What it is for.
    pub name: &'a str,
    /// The digest of its secret.
    pub digest: Digest,
    /// What it may do.
    pub scopes: &'a [Scope],
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
    /// The present.
    pub created_at: OffsetDateTime,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
}

/// Who is behind a key that a request came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose rows it may see.
    pub environment_id: EnvironmentId,
    /// The key's id, for the audit log.
    pub key_id: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<AllowedMethods>,
    /// The one account it is bound to; `None` for an API key.
    pub account_id: Option<IntegratedAccountId>,
}

/// What stands in our own secrets' place in a request: which table knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An API key.
    ApiKey,
    /// An account token.
    AccountToken,
}

/// A key that was not revoked, as it is kept in memory.
#[derive(Debug, Clone)]
pub(super) struct KnownKey {
    caller: Arc<Caller>,
    expires_at: Option<OffsetDateTime>,
}

impl Store {
    /// The caller with the key of that digest, when it is alive at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn caller(
        &self,
        kind: KeyKind,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<Caller>>, StoreError> {
        let read = async {
            match kind {
                KeyKind::ApiKey => self.api_key(digest).await,
                KeyKind::AccountToken => self.account_token(digest).await,
            }
        };
        let known = self.warm.keys.get(digest, read).await?;
        // Time passes without a notice.
        let known = known.filter(|key| key.expires_at.is_none_or(|end| end > now));
        Ok(known.map(|key| key.caller))
    }

    async fn api_key(&self, digest: &Digest) -> Result<Option<KnownKey>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId", api_key_id, scopes, allowed_methods,
                      expires_at
               FROM api_keys WHERE digest = $1 AND revoked_at IS NULL"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let caller = Caller {
                environment_id: row.environment_id,
                key_id: row.api_key_id,
                scopes: all_named("api_keys", "scopes", &row.scopes)?,
                allowed_methods: patterns("api_keys", row.allowed_methods)?,
                account_id: None,
            };
            Ok(KnownKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }

    async fn account_token(&self, digest: &Digest) -> Result<Option<KnownKey>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId", account_token_id, scopes, allowed_methods,
                      integrated_account_id AS "account_id: IntegratedAccountId", expires_at
               FROM account_tokens WHERE digest = $1 AND revoked_at IS NULL"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let caller = Caller {
                environment_id: row.environment_id,
                key_id: row.account_token_id,
                scopes: all_named("account_tokens", "scopes", &row.scopes)?,
                allowed_methods: patterns("account_tokens", row.allowed_methods)?,
                account_id: Some(row.account_id),
            };
            Ok(KnownKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }
}

impl TenantDb {
    /// Adds an API key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_api_key(&self, key: &NewApiKey<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO api_keys (environment_id, api_key_id, name, digest, scopes, created_at, expires_at,
                 allowed_methods)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self.environment_id as EnvironmentId,
            key.id as ApiKeyId,
            key.name,
            digest_bytes(&key.digest),
            &names(key.scopes),
            key.created_at,
            key.expires_at,
            key.allowed_methods.map(AllowedMethods::patterns),
        )
        .execute(&self.pool)
        .await?;
        self.warm.hear(&Change::Key(key.digest));
        Ok(())
    }

    /// Every API key of the environment, the oldest first, ended ones too.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT api_key_id AS "id: ApiKeyId", name, scopes, allowed_methods, created_at,
                      expires_at, revoked_at
               FROM api_keys WHERE environment_id = $1 ORDER BY api_key_id"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ApiKey {
                    id: row.id,
                    name: row.name,
                    scopes: all_named("api_keys", "scopes", &row.scopes)?,
                    allowed_methods: patterns("api_keys", row.allowed_methods)?,
                    created_at: row.created_at,
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                })
            })
            .collect()
    }

    /// Ends an API key at `now`; tells whether it was alive.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_api_key(
        &self,
        id: ApiKeyId,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let revoked = sqlx::query_scalar!(
            "UPDATE api_keys SET revoked_at = $3
             WHERE environment_id = $1 AND api_key_id = $2 AND revoked_at IS NULL
             RETURNING digest",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        self.forget_keys(revoked.as_slice());
        Ok(revoked.is_some())
    }
}

impl TenantDb {
    /// Forgets keys whose rows were changed or deleted.
    pub(super) fn forget_keys(&self, digests: &[Vec<u8>]) {
        for digest in digests {
            if let Ok(bytes) = digest.as_slice().try_into() {
                self.warm.hear(&Change::Key(Digest(bytes)));
            }
        }
    }
}

/// The names of scopes, as their column has them.
pub(super) fn names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.name().to_owned()).collect()
}
