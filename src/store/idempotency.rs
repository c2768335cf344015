//! Idempotency keys: which request holds a key, and the response to it.
//!
//! Whether a request still runs is judged by the database's clock alone, because the clocks of processes differ. A
//! claim is fenced by its start time: a request that lost its claim to a later one changes nothing any more.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::columns::{digest_bytes, parse_names};
use super::keys::scope_names;
use super::{StoreError, TenantDb};
use crate::domain::access::Scope;
use crate::domain::ids::EnvironmentId;
use crate::domain::sealed::{Ciphertext, Digest, WrappedKey};

/// Maximum number of rows that one purge deletes.
const PURGE_BATCH_ROWS: i64 = 100;

/// A caller's idempotency key in its scope: callers with another `scope` may use the same one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// The callers that may replay the response: an API key, or the account of a token, with the scopes.
    pub scope: String,
    /// The value of the request header.
    pub key: String,
}

/// A request that claims a key.
#[derive(Debug)]
pub struct NewClaim<'a> {
    /// The key.
    pub key: &'a IdempotencyKey,
    /// The digest of everything that identifies the request.
    pub fingerprint: Digest,
    /// Scopes of its caller.
    pub caller_scopes: &'a [Scope],
    /// Its request id.
    pub request_id: &'a str,
    /// The current time.
    pub now: OffsetDateTime,
    /// When the key becomes free if the request never completes.
    pub expires_at: OffsetDateTime,
}

/// A stored response with an encrypted body.
#[derive(Debug, Clone)]
pub struct SealedResponse {
    /// The HTTP status.
    pub status: i16,
    /// Headers to replay, by name.
    pub headers: Vec<(String, String)>,
    /// The data key of the body.
    pub data_key: WrappedKey,
    /// The encrypted body.
    pub body: Ciphertext,
}

/// The request that holds a key.
#[derive(Debug, Clone)]
pub struct ClaimHolder {
    /// The digest of everything that identifies the request.
    pub fingerprint: Digest,
    /// Scopes that its caller had.
    pub caller_scopes: Vec<Scope>,
    /// Its request id.
    pub request_id: String,
    /// When it started.
    pub started_at: OffsetDateTime,
    /// Its last heartbeat, by the database's clock.
    pub last_heartbeat_at: OffsetDateTime,
    /// Time since that heartbeat, by the same clock.
    pub heartbeat_age: Duration,
    /// When the key becomes free.
    pub expires_at: OffsetDateTime,
    /// The response; `None` while the request runs.
    pub response: Option<SealedResponse>,
}

impl TenantDb {
    /// Claims a key that is free or whose claim has expired; returns whether it did.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` when the key is free and the environment stores as many responses as allowed.
    pub async fn claim_idempotency_key(&self, claim: &NewClaim<'_>) -> Result<bool, StoreError> {
        if let Err(exceeded) = self.admit_stored_response(claim.now).await {
            let holder = self.idempotency_key(claim.key).await?;
            let is_held = holder.is_some_and(|holder| holder.expires_at > claim.now);
            return if is_held { Ok(false) } else { Err(exceeded) };
        }
        let done = sqlx::query!(
            "INSERT INTO idempotency_keys AS held (environment_id, scope, idempotency_key, fingerprint,
                 caller_scopes, request_id, started_at, alive_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, clock_timestamp(), $8)
             ON CONFLICT (environment_id, scope, idempotency_key) DO UPDATE
             SET fingerprint = excluded.fingerprint, caller_scopes = excluded.caller_scopes,
                 request_id = excluded.request_id, started_at = excluded.started_at,
                 alive_at = excluded.alive_at, expires_at = excluded.expires_at, finished_at = NULL,
                 status = NULL, headers = NULL, master_key_id = NULL, data_key = NULL, body = NULL
             WHERE held.expires_at <= $7",
            self.environment_id as EnvironmentId,
            claim.key.scope,
            claim.key.key,
            digest_bytes(&claim.fingerprint),
            &scope_names(claim.caller_scopes),
            claim.request_id,
            claim.now,
            claim.expires_at,
        )
        .execute(&self.pool)
        .await?;
        let is_taken = done.rows_affected() == 1;
        if is_taken {
            self.record_stored_response(1, 0);
        }
        Ok(is_taken)
    }

    /// Takes a key over from a request whose process ended; returns whether its heartbeat was still the same.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn take_over_idempotency_key(
        &self,
        claim: &NewClaim<'_>,
        stale: &ClaimHolder,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE idempotency_keys
             SET caller_scopes = $6, request_id = $7, started_at = $8, alive_at = clock_timestamp(),
                 expires_at = $9
             WHERE environment_id = $1 AND scope = $2 AND idempotency_key = $3 AND started_at = $4
               AND alive_at = $5 AND finished_at IS NULL",
            self.environment_id as EnvironmentId,
            claim.key.scope,
            claim.key.key,
            stale.started_at,
            stale.last_heartbeat_at,
            &scope_names(claim.caller_scopes),
            claim.request_id,
            claim.now,
            claim.expires_at,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns the request that holds a key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn idempotency_key(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<ClaimHolder>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT fingerprint, caller_scopes, request_id, started_at, alive_at, expires_at,
                      EXTRACT(EPOCH FROM clock_timestamp() - alive_at)::float8 AS "silent_s!", status,
                      headers AS "headers: Json<Vec<(String, String)>>", master_key_id, data_key, body
               FROM idempotency_keys
               WHERE environment_id = $1 AND scope = $2 AND idempotency_key = $3"#,
            self.environment_id as EnvironmentId,
            key.scope,
            key.key,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }

    /// Sends a heartbeat for the request that claimed the key at `started_at`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn heartbeat_idempotency_key(
        &self,
        key: &IdempotencyKey,
        started_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE idempotency_keys SET alive_at = clock_timestamp()
             WHERE environment_id = $1 AND scope = $2 AND idempotency_key = $3 AND started_at = $4
               AND finished_at IS NULL",
            self.environment_id as EnvironmentId,
            key.scope,
            key.key,
            started_at,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Stores the response to the request that claimed the key at `started_at`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn complete_idempotency_key(
        &self,
        key: &IdempotencyKey,
        started_at: OffsetDateTime,
        stored: &SealedResponse,
        (now, expires_at): (OffsetDateTime, OffsetDateTime),
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE idempotency_keys
             SET finished_at = $5, expires_at = $6, status = $7, headers = $8, master_key_id = $9,
                 data_key = $10, body = $11
             WHERE environment_id = $1 AND scope = $2 AND idempotency_key = $3 AND started_at = $4",
            self.environment_id as EnvironmentId,
            key.scope,
            key.key,
            started_at,
            now,
            expires_at,
            stored.status,
            Json(&stored.headers) as _,
            stored.data_key.master_key_id,
            stored.data_key.bytes,
            stored.body.0,
        )
        .execute(&self.pool)
        .await?;
        self.record_stored_response(0, stored.body.0.len());
        Ok(())
    }

    /// Releases the key that a request claimed at `started_at`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn release_idempotency_key(
        &self,
        key: &IdempotencyKey,
        started_at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM idempotency_keys
             WHERE environment_id = $1 AND scope = $2 AND idempotency_key = $3 AND started_at = $4",
            self.environment_id as EnvironmentId,
            key.scope,
            key.key,
            started_at,
        )
        .execute(&self.pool)
        .await?;
        self.record_stored_response(-1, 0);
        Ok(())
    }

    /// Deletes some expired rows.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn purge_idempotency_keys(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM idempotency_keys
             WHERE environment_id = $1 AND expires_at <= $2 AND (scope, idempotency_key) IN (
                 SELECT scope, idempotency_key FROM idempotency_keys
                 WHERE environment_id = $1 AND expires_at <= $2
                 ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED)",
            self.environment_id as EnvironmentId,
            now,
            PURGE_BATCH_ROWS,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

struct Row {
    fingerprint: Vec<u8>,
    caller_scopes: Vec<String>,
    request_id: String,
    started_at: OffsetDateTime,
    alive_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    silent_s: f64,
    status: Option<i16>,
    headers: Option<Json<Vec<(String, String)>>>,
    master_key_id: Option<String>,
    data_key: Option<Vec<u8>>,
    body: Option<Vec<u8>>,
}

impl Row {
    fn read(self) -> Result<ClaimHolder, StoreError> {
        const TABLE: &str = "idempotency_keys";
        let fingerprint = self.fingerprint.try_into();
        let fingerprint: [u8; 32] = fingerprint
            .map_err(|_| StoreError::Inconsistent { table: TABLE, column: "fingerprint" })?;
        let stored = match (self.status, self.headers, self.master_key_id, self.data_key, self.body)
        {
            (Some(status), Some(Json(headers)), Some(master_key_id), Some(bytes), Some(body)) => {
                let data_key = WrappedKey { master_key_id, bytes };
                Some(SealedResponse { status, headers, data_key, body: Ciphertext(body) })
            }
            _ => None,
        };
        Ok(ClaimHolder {
            fingerprint: Digest(fingerprint),
            caller_scopes: parse_names(TABLE, "caller_scopes", &self.caller_scopes)?,
            request_id: self.request_id,
            started_at: self.started_at,
            last_heartbeat_at: self.alive_at,
            heartbeat_age: Duration::try_from_secs_f64(self.silent_s).unwrap_or_default(),
            expires_at: self.expires_at,
            response: stored,
        })
    }
}
