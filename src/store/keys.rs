//! Authentication: API keys of an environment and tokens of its accounts. Only digests are stored.

use std::sync::Arc;

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::caller::{CachedKey, Caller};
use super::columns::{digest_bytes, parse_names, parse_networks, parse_patterns};
use super::connections::TimedConnection;
use super::console_sessions;
use super::created_by::lock_creating_key;
use super::key_last_used::LastSeen;
use super::revocation_scope::RevocationScope;
use super::{Invalidation, Store, StoreError, TenantDb};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::ids::{ApiKeyId, EnvironmentId, IntegratedAccountId};
use crate::domain::networks::Networks;
use crate::domain::quota::QuotaKind;
use crate::domain::sealed::Digest;

/// An API key to insert.
#[derive(Debug)]
pub struct NewApiKey<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: &'a str,
    /// The digest of its secret.
    pub digest: Digest,
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// Provider methods it may call through the proxy; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
    /// Allowed client addresses; `None` for all.
    pub allowed_addresses: Option<&'a Networks>,
    /// The API key that creates it, if any; it expires no later.
    pub made_by: Option<&'a str>,
    /// The current time.
    pub created_at: OffsetDateTime,
    /// When it expires.
    pub expires_at: Option<OffsetDateTime>,
}

/// A new secret of an API key.
#[derive(Debug, Clone, Copy)]
pub struct SecretRotation {
    /// The objects created by the key that are revoked too.
    pub revokes: Option<RevocationScope>,
    /// Its digest.
    pub digest: Digest,
    /// When the current secret expires.
    pub old_expires_at: OffsetDateTime,
    /// The current time.
    pub now: OffsetDateTime,
}

impl Store {
    /// Returns the caller with the key of this digest if the key is valid at `now`.
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
        let read = async || match kind {
            KeyKind::ApiKey => self.api_key(digest).await,
            KeyKind::AccountToken => self.account_token(digest).await,
        };
        let key = self.caches.keys.get(digest, read).await?;
        Ok(key.and_then(|key| key.caller_at(now)))
    }

    /// Returns the caller with the key of this digest if it is cached and valid at `now`.
    #[must_use]
    pub fn cached_caller(&self, digest: &Digest, now: OffsetDateTime) -> Option<Arc<Caller>> {
        self.caches.keys.get_cached(digest).ok()??.caller_at(now)
    }

    /// Returns whether the key of this digest is cached; looking it up is cheap then.
    #[must_use]
    pub fn is_cached(&self, digest: &Digest) -> bool {
        self.caches.keys.contains(digest)
    }

    /// Returns the environment and the id of an expired or revoked key while its row exists.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn inactive_key(
        &self,
        kind: KeyKind,
        digest: &Digest,
    ) -> Result<Option<(EnvironmentId, String)>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id!: EnvironmentId", id AS "id!" FROM (
                   SELECT environment_id, api_key_id AS id FROM api_keys
                   WHERE $2 AND (digest = $1 OR previous_digest = $1)
                   UNION ALL SELECT environment_id, account_token_id FROM account_tokens
                   WHERE NOT $2 AND digest = $1) AS keys LIMIT 1"#,
            digest_bytes(digest),
            kind == KeyKind::ApiKey,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| (row.environment_id, row.id)))
    }

    async fn api_key(&self, digest: &Digest) -> Result<Option<CachedKey>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId", api_key_id, scopes, allowed_methods,
                      allowed_addresses,
                      CASE WHEN digest = $1 THEN expires_at ELSE LEAST(expires_at, previous_until) END
                          AS expires_at,
                      expires_at AS ends_at
               FROM api_keys WHERE (digest = $1 OR previous_digest = $1) AND revoked_at IS NULL"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let caller = Caller {
                environment_id: row.environment_id,
                key_id: row.api_key_id.into(),
                scopes: parse_names("api_keys", "scopes", &row.scopes)?.into_boxed_slice(),
                allowed_methods: parse_patterns("api_keys", row.allowed_methods)?.map(Box::new),
                allowed_addresses: parse_networks("api_keys", row.allowed_addresses)?.map(Box::new),
                account_id: None,
                expires_at: row.ends_at.map(Box::new),
                last_seen: LastSeen::default(),
            };
            Ok(CachedKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }

    async fn account_token(&self, digest: &Digest) -> Result<Option<CachedKey>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT environment_id AS "environment_id: EnvironmentId", account_token_id, scopes, allowed_methods,
                      allowed_addresses, integrated_account_id AS "account_id: IntegratedAccountId", expires_at
               FROM account_tokens WHERE digest = $1 AND revoked_at IS NULL"#,
            digest_bytes(digest),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| {
            let caller = Caller {
                environment_id: row.environment_id,
                key_id: row.account_token_id.into(),
                scopes: parse_names("account_tokens", "scopes", &row.scopes)?.into_boxed_slice(),
                allowed_methods: parse_patterns("account_tokens", row.allowed_methods)?
                    .map(Box::new),
                allowed_addresses: parse_networks("account_tokens", row.allowed_addresses)?
                    .map(Box::new),
                account_id: Some(row.account_id),
                expires_at: row.expires_at.map(Box::new),
                last_seen: LastSeen::default(),
            };
            Ok(CachedKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }
}

/// Inserts an API key and its audit entry.
pub(super) async fn insert_key(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    key: &NewApiKey<'_>,
    audit: &AuditEntry<'_>,
) -> Result<(), StoreError> {
    let allowed_addresses = key.allowed_addresses.map(Networks::to_strings);
    sqlx::query!(
        "INSERT INTO api_keys (environment_id, api_key_id, name, digest, scopes, created_at, expires_at,
             allowed_methods, allowed_addresses, made_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        environment_id as EnvironmentId,
        key.id as ApiKeyId,
        key.name,
        digest_bytes(&key.digest),
        &scope_names(key.scopes),
        key.created_at,
        key.expires_at,
        key.allowed_methods.map(AllowedMethods::patterns),
        allowed_addresses as Option<Vec<String>>,
        key.made_by,
    )
    .execute(&mut *connection)
    .await?;
    audit::append(&mut *connection, environment_id, audit).await
}

impl TenantDb {
    /// Inserts an API key. Returns `false`, and inserts nothing, if the creating key was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_api_key(
        &self,
        key: &NewApiKey<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let reservation = self.quotas.reserve(QuotaKind::ApiKeys, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        reservation.admit(&mut tx).await?;
        let Some(maker) = lock_creating_key(&mut tx, self.environment_id, key.made_by).await?
        else {
            return Ok(false);
        };
        let expires_at = [key.expires_at, maker.expires_at].into_iter().flatten().min();
        insert_key(&mut tx, self.environment_id, &NewApiKey { expires_at, ..*key }, audit).await?;
        tx.commit().await?;
        self.caches.invalidate(&Invalidation::Key(key.digest));
        Ok(true)
    }

    /// Returns every API key of the environment, oldest first, including expired and revoked ones.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT k.api_key_id AS "id: ApiKeyId", k.name, k.scopes, k.allowed_methods,
                      k.allowed_addresses, k.created_at, k.expires_at, k.revoked_at, k.previous_until,
                      k.made_by, u.last_used_at AS "last_used_at?"
               FROM api_keys k LEFT JOIN key_uses u
                   ON u.environment_id = k.environment_id AND u.key_id = k.api_key_id
               WHERE k.environment_id = $1 ORDER BY k.api_key_id"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(ApiKey {
                    id: row.id,
                    name: row.name,
                    scopes: parse_names("api_keys", "scopes", &row.scopes)?,
                    allowed_methods: parse_patterns("api_keys", row.allowed_methods)?,
                    allowed_addresses: parse_networks("api_keys", row.allowed_addresses)?,
                    created_at: row.created_at,
                    expires_at: row.expires_at,
                    revoked_at: row.revoked_at,
                    old_secret_ends_at: row.previous_until,
                    last_used_at: row.last_used_at,
                    made_by: row.made_by,
                })
            })
            .collect()
    }

    /// Rotates the secret of a valid API key; returns `false` if there is no such key. The current secret stays valid
    /// until `old_expires_at`; any older secret is revoked immediately.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        new: &SecretRotation,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let old = sqlx::query!(
            "SELECT digest, previous_digest FROM api_keys
             WHERE environment_id = $1 AND api_key_id = $2 AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $3)
             FOR UPDATE",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            new.now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(old) = old else { return Ok(false) };
        sqlx::query!(
            "UPDATE api_keys SET digest = $3, previous_digest = digest, previous_until = $4
             WHERE environment_id = $1 AND api_key_id = $2",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            digest_bytes(&new.digest),
            new.old_expires_at,
        )
        .execute(&mut *tx)
        .await?;
        let digests = match new.revokes {
            Some(scope) => {
                console_sessions::end_sessions_of_key(&mut tx, self.environment_id, id).await?;
                self.revoke_created(&mut tx, id, scope, new.now).await?
            }
            None => Vec::new(),
        };
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.caches.invalidate(&Invalidation::Key(new.digest));
        self.invalidate_keys(&digests);
        self.invalidate_keys(&[old.digest]);
        self.invalidate_keys(old.previous_digest.as_slice());
        Ok(true)
    }

    /// Revokes an API key at `now` together with what it created; returns whether the key was not revoked before. With
    /// `RevocationScope::All`, what it created is revoked even if the key was revoked before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_api_key(
        &self,
        id: ApiKeyId,
        scope: RevocationScope,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let revoked = sqlx::query!(
            "UPDATE api_keys SET revoked_at = $3
             WHERE environment_id = $1 AND api_key_id = $2 AND revoked_at IS NULL
             RETURNING digest, previous_digest",
            self.environment_id as EnvironmentId,
            id as ApiKeyId,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let digests = match (&revoked, scope) {
            (None, RevocationScope::Tokens) => return Ok(false),
            (Some(_), _) | (None, RevocationScope::All) => {
                self.revoke_created(&mut tx, id, scope, now).await?
            }
        };
        if revoked.is_some() || !digests.is_empty() {
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        tx.commit().await?;
        self.invalidate_keys(&digests);
        let is_revoked = revoked.is_some();
        if let Some(revoked) = revoked {
            self.invalidate_keys(&[revoked.digest]);
            self.invalidate_keys(revoked.previous_digest.as_slice());
        }
        Ok(is_revoked)
    }
}

impl TenantDb {
    /// Invalidates cached keys whose rows were changed or deleted.
    pub(super) fn invalidate_keys(&self, digests: &[Vec<u8>]) {
        for digest in digests {
            if let Ok(bytes) = digest.as_slice().try_into() {
                self.caches.invalidate(&Invalidation::Key(Digest(bytes)));
            }
        }
    }
}

/// Returns the names of scopes as stored in their column.
pub(super) fn scope_names(scopes: &[Scope]) -> Vec<String> {
    scopes.iter().map(|scope| scope.name().to_owned()).collect()
}
