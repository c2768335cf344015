//! The end of rows that nobody can use any more: link tokens, account tokens and API keys long after their end, with
//! when they were last used, answers whose idempotency keys expired, and events that are not listed any more. The audit
//! log is not among them.

use time::{Duration, OffsetDateTime};

use super::connections::{Deadlines, Transaction};
use super::events;
use super::{Store, StoreError};

/// So many rows of a kind go in one transaction.
const BATCH: i64 = 1_000;
/// The advisory lock of whoever purges: one gateway at a time is enough.
const LOCK: i64 = 0x7362_656e_6465_6420;

/// The kinds of rows that end, in the order they are deleted.
#[derive(Debug, Clone, Copy)]
enum Kind {
    LinkTokens,
    AccountTokens,
    ApiKeys,
    KeyUses,
    IdempotencyKeys,
    Events,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::LinkTokens,
        Self::AccountTokens,
        Self::ApiKeys,
        Self::KeyUses,
        Self::IdempotencyKeys,
        Self::Events,
    ];

    /// Deletes up to [`BATCH`] rows of all environments, and returns how many it deleted. Rows that others hold
    /// are left for the next time.
    async fn purge(
        self,
        tx: &mut Transaction,
        now: OffsetDateTime,
        retention: Duration,
    ) -> Result<i64, StoreError> {
        let before = now - retention;
        Ok(match self {
            Self::LinkTokens => link_tokens(tx, before).await?,
            Self::AccountTokens => account_tokens(tx, before).await?,
            Self::ApiKeys => api_keys(tx, before).await?,
            Self::KeyUses => key_uses(tx, before).await?,
            Self::IdempotencyKeys => idempotency_keys(tx, now).await?,
            Self::Events => old_events(tx, now - events::KEPT).await?,
        })
    }
}

impl Store {
    /// Deletes the rows of all environments that ended longer than `retention` ago, a batch at a time, and
    /// returns how many it deleted. Leaves it to another gateway that is at it already.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn purge_ended(
        &self,
        now: OffsetDateTime,
        retention: Duration,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for kind in Kind::ALL {
            loop {
                let mut tx = self.pool.begin_within(Deadlines::MAINTENANCE).await?;
                let is_alone = sqlx::query_scalar!(
                    r#"SELECT pg_try_advisory_xact_lock($1) AS "is_alone!""#,
                    LOCK
                )
                .fetch_one(&mut *tx)
                .await?;
                if !is_alone {
                    return Ok(deleted);
                }
                let count = kind.purge(&mut tx, now, retention).await?;
                tx.commit().await?;
                deleted += u64::try_from(count).unwrap_or(0);
                if count < BATCH {
                    break;
                }
            }
        }
        Ok(deleted)
    }
}

async fn link_tokens(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM link_tokens WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM link_tokens WHERE expires_at < $1
                   ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}

async fn account_tokens(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM account_tokens WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM account_tokens WHERE LEAST(expires_at, revoked_at) < $1
                   ORDER BY LEAST(expires_at, revoked_at) LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}

/// But for keys that made others: these are found by them when a key is ended with all that it made.
async fn api_keys(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM api_keys WHERE ctid = ANY (ARRAY(
                   SELECT k.ctid FROM api_keys k
                   WHERE LEAST(k.expires_at, k.revoked_at) < $1
                     AND NOT EXISTS (SELECT FROM api_keys m
                         WHERE m.environment_id = k.environment_id AND m.made_by = k.api_key_id)
                     AND NOT EXISTS (SELECT FROM environments e
                         WHERE e.made_in = k.environment_id AND e.made_by = k.api_key_id)
                   ORDER BY LEAST(k.expires_at, k.revoked_at) LIMIT $2 FOR UPDATE OF k SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Of keys that are gone, by this purge or with their account.
async fn key_uses(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM key_uses WHERE ctid = ANY (ARRAY(
                   SELECT u.ctid FROM key_uses u
                   WHERE u.last_used_at < $1
                     AND NOT EXISTS (SELECT FROM api_keys k
                         WHERE k.environment_id = u.environment_id AND k.api_key_id = u.key_id)
                     AND NOT EXISTS (SELECT FROM account_tokens t
                         WHERE t.environment_id = u.environment_id AND t.account_token_id = u.key_id)
                   LIMIT $2 FOR UPDATE OF u SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Of environments, too, in which no further key is claimed: each claim deletes some of its own.
async fn idempotency_keys(tx: &mut Transaction, now: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
                   SELECT old.ctid FROM environments e CROSS JOIN LATERAL (
                       SELECT k.ctid FROM idempotency_keys k
                       WHERE k.environment_id = e.environment_id AND k.expires_at <= $1
                       ORDER BY k.expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) old
                   LIMIT $2))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Of environments, too, in which nothing happens any more: each event deletes some before it.
async fn old_events(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM events WHERE ctid = ANY (ARRAY(
                   SELECT first.ctid FROM environments e CROSS JOIN LATERAL (
                       SELECT v.ctid, v.at FROM events v WHERE v.environment_id = e.environment_id
                       ORDER BY v.position LIMIT $2) first
                   WHERE first.at < $1 LIMIT $2))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        BATCH,
    )
    .fetch_one(&mut **tx)
    .await
}
