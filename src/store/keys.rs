//! Who may call: the API keys of an environment and the tokens of its accounts. Only digests are kept.

use std::sync::Arc;

use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::columns::{all_named, digest_bytes, networks, patterns};
use super::connections::Connection;
use super::key_uses::LastSeen;
use super::made_ends::EndMade;
use super::makers::lock_maker;
use super::{Change, Store, StoreError, TenantDb};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::ids::{ApiKeyId, EnvironmentId, IntegratedAccountId};
use crate::domain::networks::Networks;
use crate::domain::quota::Quota;
use crate::domain::sealed::Digest;

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
    /// Which addresses its callers may have; `None` for all.
    pub allowed_addresses: Option<&'a Networks>,
    /// The API key that makes it, if one does: it ends no later.
    pub made_by: Option<&'a str>,
    /// The present.
    pub created_at: OffsetDateTime,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
}

/// Another secret for an API key.
#[derive(Debug, Clone, Copy)]
pub struct RotatedSecret {
    /// What of the things that were made with the key ends too.
    pub ends: Option<EndMade>,
    /// Its digest.
    pub digest: Digest,
    /// When the one ends that the key has.
    pub old_ends_at: OffsetDateTime,
    /// The present.
    pub now: OffsetDateTime,
}

/// Who is behind a key that a request came with. Many are kept: what most keys don't have takes a word.
#[derive(Debug)]
pub struct Caller {
    /// Whose rows it may see.
    pub environment_id: EnvironmentId,
    /// The key's id, for the audit log.
    pub key_id: Box<str>,
    /// What it may do.
    pub scopes: Box<[Scope]>,
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<Box<AllowedMethods>>,
    /// Which addresses it may come from; `None` for all.
    pub allowed_addresses: Option<Box<Networks>>,
    /// The one account it is bound to; `None` for an API key.
    pub account_id: Option<IntegratedAccountId>,
    /// When the key ends by itself; what it makes ends no later.
    pub ends_at: Option<Box<OffsetDateTime>>,
    pub(super) last_seen: LastSeen,
}

/// A key that was not revoked, as it is kept in memory.
#[derive(Debug, Clone)]
pub(super) struct KnownKey {
    caller: Arc<Caller>,
    expires_at: Option<OffsetDateTime>,
}

impl KnownKey {
    /// Who is behind it, while it is alive: time passes without a notice.
    fn caller_at(self, now: OffsetDateTime) -> Option<Arc<Caller>> {
        self.expires_at.is_none_or(|end| end > now).then_some(self.caller)
    }
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
        let read = async || match kind {
            KeyKind::ApiKey => self.api_key(digest).await,
            KeyKind::AccountToken => self.account_token(digest).await,
        };
        let known = self.warm.keys.get(digest, read).await?;
        Ok(known.and_then(|key| key.caller_at(now)))
    }

    /// Who is behind the key of that digest, when that is in memory.
    #[must_use]
    pub fn known_caller(&self, digest: &Digest, now: OffsetDateTime) -> Option<Arc<Caller>> {
        self.warm.keys.at_hand(digest).ok()??.caller_at(now)
    }

    /// Whether the key of that digest was good not long ago: to look it up costs nothing.
    #[must_use]
    pub fn is_known(&self, digest: &Digest) -> bool {
        self.warm.keys.has(digest)
    }

    /// The environment and the id of a key that is not good any more, while its row is there.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ended_key(
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

    async fn api_key(&self, digest: &Digest) -> Result<Option<KnownKey>, StoreError> {
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
                scopes: all_named("api_keys", "scopes", &row.scopes)?.into_boxed_slice(),
                allowed_methods: patterns("api_keys", row.allowed_methods)?.map(Box::new),
                allowed_addresses: networks("api_keys", row.allowed_addresses)?.map(Box::new),
                account_id: None,
                ends_at: row.ends_at.map(Box::new),
                last_seen: LastSeen::default(),
            };
            Ok(KnownKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }

    async fn account_token(&self, digest: &Digest) -> Result<Option<KnownKey>, StoreError> {
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
                scopes: all_named("account_tokens", "scopes", &row.scopes)?.into_boxed_slice(),
                allowed_methods: patterns("account_tokens", row.allowed_methods)?.map(Box::new),
                allowed_addresses: networks("account_tokens", row.allowed_addresses)?.map(Box::new),
                account_id: Some(row.account_id),
                ends_at: row.expires_at.map(Box::new),
                last_seen: LastSeen::default(),
            };
            Ok(KnownKey { caller: Arc::new(caller), expires_at: row.expires_at })
        })
        .transpose()
    }
}

/// Adds an API key and its row of the audit log.
pub(super) async fn add_key(
    connection: &mut Connection,
    environment_id: EnvironmentId,
    key: &NewApiKey<'_>,
    audit: &AuditEntry<'_>,
) -> Result<(), StoreError> {
    let allowed_addresses = key.allowed_addresses.map(Networks::texts);
    sqlx::query!(
        "INSERT INTO api_keys (environment_id, api_key_id, name, digest, scopes, created_at, expires_at,
             allowed_methods, allowed_addresses, made_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        environment_id as EnvironmentId,
        key.id as ApiKeyId,
        key.name,
        digest_bytes(&key.digest),
        &names(key.scopes),
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
    /// Adds an API key. `false` when the key that makes it was revoked meanwhile: nothing is added.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_api_key(
        &self,
        key: &NewApiKey<'_>,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let place = self.quotas.reserve(Quota::ApiKeys, self.environment_id).await;
        let mut tx = self.pool.begin().await?;
        place.admit(&mut tx).await?;
        let Some(maker) = lock_maker(&mut tx, self.environment_id, key.made_by).await? else {
            return Ok(false);
        };
        let expires_at = [key.expires_at, maker.expires_at].into_iter().flatten().min();
        add_key(&mut tx, self.environment_id, &NewApiKey { expires_at, ..*key }, audit).await?;
        tx.commit().await?;
        self.warm.hear(&Change::Key(key.digest));
        Ok(true)
    }

    /// Every API key of the environment, the oldest first, ended ones too.
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
                    scopes: all_named("api_keys", "scopes", &row.scopes)?,
                    allowed_methods: patterns("api_keys", row.allowed_methods)?,
                    allowed_addresses: networks("api_keys", row.allowed_addresses)?,
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

    /// Gives a living API key another secret; `false` when there is none. The secret that it had before the one
    /// that it has ends at once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        new: &RotatedSecret,
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
            new.old_ends_at,
        )
        .execute(&mut *tx)
        .await?;
        let made = match new.ends {
            Some(what) => self.end_made(&mut tx, id, what, new.now).await?,
            None => Vec::new(),
        };
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.warm.hear(&Change::Key(new.digest));
        self.forget_keys(&made);
        self.forget_keys(&[old.digest]);
        self.forget_keys(old.previous_digest.as_slice());
        Ok(true)
    }

    /// Ends an API key at `now`, and what it made; tells whether it was alive. What it made ends even when the key was
    /// ended before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_api_key(
        &self,
        id: ApiKeyId,
        what: EndMade,
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
        let made = match (&revoked, what) {
            (None, EndMade::Tokens) => return Ok(false),
            (Some(_), _) | (None, EndMade::All) => self.end_made(&mut tx, id, what, now).await?,
        };
        if revoked.is_some() || !made.is_empty() {
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        tx.commit().await?;
        self.forget_keys(&made);
        let is_revoked = revoked.is_some();
        if let Some(revoked) = revoked {
            self.forget_keys(&[revoked.digest]);
            self.forget_keys(revoked.previous_digest.as_slice());
        }
        Ok(is_revoked)
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
