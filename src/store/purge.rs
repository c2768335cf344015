//! Purge of expired rows: link tokens, sessions of the console, account tokens and API keys long after they expired or were revoked, their
//! last-used times, stored responses of expired idempotency keys, events, versions of copied objects, copies of
//! disconnected accounts, ended jobs and runs, reports of changes and what is known of their actors, deliveries to
//! webhooks, resolved violations, ended reconciliations, rows of desired states. Not the audit log.

use time::{Duration, OffsetDateTime};

use super::connections::{DatabaseTimeouts, Transaction};
use super::directory::{attribution, erase};
use super::{
    Store, StoreError, change_logs, console_sessions, events, jobs, own_changes, policies,
    portal_links, rechecks, reconciliations, sync_runs, webhooks,
};
use crate::domain::policy::VIOLATION_RETENTION;
use crate::domain::webhook::DELIVERY_RETENTION;

/// Maximum number of rows of a kind deleted in one transaction.
const BATCH_ROWS: i64 = 1_000;
/// Advisory lock of a purge: one gateway at a time suffices.
const PURGE_LOCK_ID: i64 = 0x7362_656e_6465_6420;

/// The kinds of rows that expire, in the order of their deletion.
#[derive(Debug, Clone, Copy)]
enum ExpiringRows {
    LinkTokens,
    ConsoleSessions,
    PortalLinks,
    AccountTokens,
    ApiKeys,
    KeyUses,
    IdempotencyKeys,
    Events,
    Versions,
    DisconnectedCopies,
    SyncRuns,
    Rechecks,
    ChangeLogEntries,
    ChangeCauses,
    OwnChanges,
    Jobs,
    WebhookDeliveries,
    Violations,
    Reconciliations,
    ReconciliationRows,
}

impl ExpiringRows {
    const ALL: [Self; 20] = [
        Self::LinkTokens,
        Self::ConsoleSessions,
        Self::PortalLinks,
        Self::AccountTokens,
        Self::ApiKeys,
        Self::KeyUses,
        Self::IdempotencyKeys,
        Self::Events,
        Self::Versions,
        Self::DisconnectedCopies,
        Self::SyncRuns,
        Self::Rechecks,
        Self::ChangeLogEntries,
        Self::ChangeCauses,
        Self::OwnChanges,
        Self::Jobs,
        Self::WebhookDeliveries,
        Self::Violations,
        Self::Reconciliations,
        Self::ReconciliationRows,
    ];

    /// Deletes up to [`BATCH_ROWS`] rows of all environments and returns their number. Locked rows are left for the
    /// next purge.
    async fn purge(
        self,
        tx: &mut Transaction,
        now: OffsetDateTime,
        retention: Duration,
    ) -> Result<i64, StoreError> {
        let before = now - retention;
        Ok(match self {
            Self::LinkTokens => link_tokens(tx, before).await?,
            Self::ConsoleSessions => console_sessions::purge(tx, now, BATCH_ROWS).await?,
            Self::PortalLinks => portal_links::purge(tx, now, BATCH_ROWS).await?,
            Self::AccountTokens => account_tokens(tx, before).await?,
            Self::ApiKeys => api_keys(tx, before).await?,
            Self::KeyUses => last_used_times(tx, before).await?,
            Self::IdempotencyKeys => idempotency_keys(tx, now).await?,
            Self::Events => old_events(tx, now - events::RETENTION).await?,
            Self::Versions => erase::purge(tx, now, BATCH_ROWS).await?,
            Self::DisconnectedCopies => erase::purge_disconnected(tx).await?,
            Self::SyncRuns => sync_runs::purge(tx, before, BATCH_ROWS).await?,
            Self::Rechecks => rechecks::purge(tx, now, BATCH_ROWS).await?,
            Self::ChangeLogEntries => change_logs::purge_entries(tx, now, BATCH_ROWS).await?,
            Self::ChangeCauses => attribution::purge_causes(tx, now, BATCH_ROWS).await?,
            Self::OwnChanges => own_changes::purge(tx, now, BATCH_ROWS).await?,
            Self::Jobs => jobs::purge(tx, before, BATCH_ROWS).await?,
            Self::WebhookDeliveries => {
                webhooks::purge(tx, now - DELIVERY_RETENTION, BATCH_ROWS).await?
            }
            Self::Violations => policies::purge(tx, now - VIOLATION_RETENTION, BATCH_ROWS).await?,
            Self::Reconciliations => reconciliations::purge(tx, now, BATCH_ROWS).await?,
            Self::ReconciliationRows => reconciliations::purge_rows(tx, now, BATCH_ROWS).await?,
        })
    }

    /// Whether nothing is left after a batch of `count` rows.
    fn is_last_batch(self, count: i64) -> bool {
        // Each batch of an erasure has rows of one kind, of one account.
        if matches!(self, Self::DisconnectedCopies) { count == 0 } else { count < BATCH_ROWS }
    }
}

impl Store {
    /// Deletes the rows of all environments that expired longer than `retention` ago, in batches, and returns their
    /// number. Does nothing while another gateway purges.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn purge_expired(
        &self,
        now: OffsetDateTime,
        retention: Duration,
    ) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for kind in ExpiringRows::ALL {
            loop {
                let mut tx = self.pool.begin_within(DatabaseTimeouts::MAINTENANCE).await?;
                let is_alone = sqlx::query_scalar!(
                    r#"SELECT pg_try_advisory_xact_lock($1) AS "is_alone!""#,
                    PURGE_LOCK_ID
                )
                .fetch_one(&mut *tx)
                .await?;
                if !is_alone {
                    return Ok(deleted);
                }
                let count = kind.purge(&mut tx, now, retention).await?;
                tx.commit().await?;
                deleted += u64::try_from(count).unwrap_or(0);
                if kind.is_last_batch(count) {
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
        BATCH_ROWS,
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
        BATCH_ROWS,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Deletes API keys, except those that created others: revoking a key with all it created needs them.
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
        BATCH_ROWS,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Deletes last-used times of keys that no longer exist.
async fn last_used_times(tx: &mut Transaction, before: OffsetDateTime) -> Result<i64, sqlx::Error> {
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
        BATCH_ROWS,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Deletes expired idempotency keys, also of environments without further claims; each claim purges some of its own.
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
        BATCH_ROWS,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Deletes old events, also of environments without further events; each event purges some before it.
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
        BATCH_ROWS,
    )
    .fetch_one(&mut **tx)
    .await
}
