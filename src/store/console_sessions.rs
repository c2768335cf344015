//! Sessions of the console, found by digest only, and the one-time links that start them. A session acts for an API key
//! and is valid only while the key is.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::audit::{self, AuditEntry};
use super::caller::Caller;
use super::columns::{digest_bytes, parse_names, parse_networks, parse_patterns};
use super::connections::Transaction;
use super::created_by::lock_creating_key;
use super::key_last_used::LastSeen;
use super::{Store, StoreError, TenantDb};
use crate::domain::access::Scope;
use crate::domain::ids::{ApiKeyId, ConsoleSessionId, EnvironmentId};
use crate::domain::sealed::Digest;

/// How exactly the time of the last use is stored.
const USE_PRECISION: Duration = Duration::minutes(1);

/// A session to insert.
#[derive(Debug)]
pub struct NewConsoleSession {
    /// Its id.
    pub id: ConsoleSessionId,
    /// The digest of its secret.
    pub digest: Digest,
    /// The key that it acts for.
    pub key_id: ApiKeyId,
    /// The current time.
    pub now: OffsetDateTime,
    /// When it expires; no later than the key.
    pub expires_at: OffsetDateTime,
}

/// A valid session.
#[derive(Debug, Clone)]
pub struct ConsoleSession {
    /// Its id.
    pub id: ConsoleSessionId,
    /// The name of its key.
    pub key_name: String,
    /// The key as a caller, with all of its scopes.
    pub caller: Arc<Caller>,
    /// When it expires.
    pub expires_at: OffsetDateTime,
    last_used_at: OffsetDateTime,
}

impl ConsoleSession {
    /// Returns the key as a caller with these scopes.
    #[must_use]
    pub fn caller_with(&self, scopes: &[Scope]) -> Arc<Caller> {
        let key = &*self.caller;
        Arc::new(Caller {
            environment_id: key.environment_id,
            key_id: key.key_id.clone(),
            scopes: scopes.into(),
            allowed_methods: key.allowed_methods.clone(),
            allowed_addresses: key.allowed_addresses.clone(),
            account_id: None,
            expires_at: key.expires_at.clone(),
            last_seen: LastSeen::default(),
        })
    }
}

/// A valid session as listed.
#[derive(Debug, Clone)]
pub struct ListedConsoleSession {
    /// Its id.
    pub id: ConsoleSessionId,
    /// The key that it acts for.
    pub key_id: ApiKeyId,
    /// The name of the key.
    pub key_name: String,
    /// When it was started.
    pub created_at: OffsetDateTime,
    /// When it was last used, to the minute.
    pub last_used_at: OffsetDateTime,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

impl Store {
    /// Returns the session with the secret of this digest if it and its key are valid at `now`, and records its use.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn console_session(
        &self,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<ConsoleSession>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT s.environment_id AS "environment_id: EnvironmentId",
                      s.console_session_id AS "id: ConsoleSessionId", s.last_used_at, s.expires_at,
                      k.api_key_id, k.name, k.scopes, k.allowed_methods, k.allowed_addresses,
                      k.expires_at AS key_expires_at
               FROM console_sessions s JOIN api_keys k USING (environment_id, api_key_id)
               WHERE s.digest = $1 AND s.expires_at > $2 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $2)"#,
            digest_bytes(digest),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let caller = Caller {
            environment_id: row.environment_id,
            key_id: row.api_key_id.into(),
            scopes: parse_names("api_keys", "scopes", &row.scopes)?.into_boxed_slice(),
            allowed_methods: parse_patterns("api_keys", row.allowed_methods)?.map(Box::new),
            allowed_addresses: parse_networks("api_keys", row.allowed_addresses)?.map(Box::new),
            account_id: None,
            expires_at: row.key_expires_at.map(Box::new),
            last_seen: LastSeen::default(),
        };
        let session = ConsoleSession {
            id: row.id,
            key_name: row.name,
            caller: Arc::new(caller),
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        };
        self.record_session_use(&session, now).await?;
        Ok(Some(session))
    }

    async fn record_session_use(
        &self,
        session: &ConsoleSession,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if session.last_used_at + USE_PRECISION > now {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE console_sessions SET last_used_at = $3
             WHERE environment_id = $1 AND console_session_id = $2",
            session.caller.environment_id as EnvironmentId,
            session.id as ConsoleSessionId,
            now,
        )
        .execute(&self.pool)
        .await?;
        self.record_key_use(&session.caller, now);
        Ok(())
    }

    /// Deletes the one-time link with the secret of this digest, and returns the environment and the key that it signs
    /// in with; `None` if it does not exist, is expired, or its key is not valid at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn consume_sign_in_link(
        &self,
        digest: &Digest,
        now: OffsetDateTime,
    ) -> Result<Option<(EnvironmentId, ApiKeyId)>, StoreError> {
        let row = sqlx::query!(
            r#"WITH used AS (DELETE FROM console_sign_in_links WHERE digest = $1
                             RETURNING environment_id, api_key_id, expires_at)
               SELECT k.environment_id AS "environment_id: EnvironmentId",
                      k.api_key_id AS "key_id: ApiKeyId"
               FROM used u JOIN api_keys k USING (environment_id, api_key_id)
               WHERE u.expires_at > $2 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $2)"#,
            digest_bytes(digest),
            now,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| (row.environment_id, row.key_id)))
    }
}

impl TenantDb {
    /// Inserts a session. Returns when it expires; `None`, and inserts nothing, if its key was revoked meanwhile.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_console_session(
        &self,
        new: &NewConsoleSession,
        audit: &AuditEntry<'_>,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let key_id = new.key_id.text();
        let Some(key) = lock_creating_key(&mut tx, self.environment_id, Some(&key_id)).await?
        else {
            return Ok(None);
        };
        let expires_at = key.expires_at.map_or(new.expires_at, |end| end.min(new.expires_at));
        sqlx::query!(
            "INSERT INTO console_sessions (environment_id, console_session_id, api_key_id, digest, created_at,
                 last_used_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $5, $6)",
            self.environment_id as EnvironmentId,
            new.id as ConsoleSessionId,
            new.key_id as ApiKeyId,
            digest_bytes(&new.digest),
            new.now,
            expires_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(Some(expires_at))
    }

    /// Returns the valid sessions of the environment, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn console_sessions(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<ListedConsoleSession>, StoreError> {
        Ok(sqlx::query_as!(
            ListedConsoleSession,
            r#"SELECT s.console_session_id AS "id: ConsoleSessionId", s.api_key_id AS "key_id: ApiKeyId",
                      k.name AS key_name, s.created_at, s.last_used_at, s.expires_at
               FROM console_sessions s JOIN api_keys k USING (environment_id, api_key_id)
               WHERE s.environment_id = $1 AND s.expires_at > $2 AND k.revoked_at IS NULL
                 AND (k.expires_at IS NULL OR k.expires_at > $2)
               ORDER BY s.console_session_id DESC LIMIT 200"#,
            self.environment_id as EnvironmentId,
            now,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Ends a session; returns whether it existed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_console_session(
        &self,
        id: ConsoleSessionId,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let ended = sqlx::query!(
            "DELETE FROM console_sessions WHERE environment_id = $1 AND console_session_id = $2",
            self.environment_id as EnvironmentId,
            id as ConsoleSessionId,
        )
        .execute(&mut *tx)
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Inserts a one-time link that signs in with a key of the environment. Returns `false`, and inserts nothing, if the
    /// key is revoked.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_sign_in_link(
        &self,
        key_id: ApiKeyId,
        digest: &Digest,
        expires_at: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let key = key_id.text();
        if lock_creating_key(&mut tx, self.environment_id, Some(&key)).await?.is_none() {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO console_sign_in_links (environment_id, api_key_id, digest, expires_at)
             VALUES ($1, $2, $3, $4)",
            self.environment_id as EnvironmentId,
            key_id as ApiKeyId,
            digest_bytes(digest),
            expires_at,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Deletes the sessions and links of a key whose secret was revoked.
pub(super) async fn end_sessions_of_key(
    connection: &mut super::connections::TimedConnection,
    environment_id: EnvironmentId,
    key_id: ApiKeyId,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH links AS (DELETE FROM console_sign_in_links WHERE environment_id = $1 AND api_key_id = $2)
         DELETE FROM console_sessions WHERE environment_id = $1 AND api_key_id = $2",
        environment_id as EnvironmentId,
        key_id as ApiKeyId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes up to `limit` expired sessions, and as many expired links; returns the larger number.
pub(super) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH sessions AS (
               DELETE FROM console_sessions WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM console_sessions WHERE expires_at < $1
                   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1),
           links AS (
               DELETE FROM console_sign_in_links WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM console_sign_in_links WHERE expires_at < $1
                   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT GREATEST((SELECT count(*) FROM sessions), (SELECT count(*) FROM links)) AS "count!""#,
        now,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
