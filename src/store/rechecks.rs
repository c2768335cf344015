//! Objects that a provider reported as changed, to be read again. Reports of one object are folded into one row, and an
//! object that changes again and again is read with growing pauses.

use std::collections::BTreeMap;

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::change_sources::{self, SourceLease};
use super::columns::parse_name;
use super::connections::{TimedConnection, Transaction};
use super::{Store, StoreError, TenantDb};
use crate::domain::event::EventOrigin;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::reported_change::{Cause, ReportedChange, Subject};
use crate::domain::sync::CopyKind;

/// How long an object must not be reported until it is read at once again.
const QUIET: Duration = Duration::minutes(1);
/// The maximum pause between two reads of an object, in seconds. The first is two seconds, and each is twice as long.
const MAX_PAUSE_S: f64 = 30.0;
/// The maximum number of causes of one object that are recorded at once. More than that belong to a burst.
const MERGED_CAUSES: usize = 200;
/// The number of waiting causes of one object at which no more are added.
const MAX_CAUSES: i32 = 200;
/// How long a read that fails is tried again; then a full run is requested.
const MAX_AGE: Duration = Duration::hours(24);
/// How long rows are kept after the read.
const RETENTION: Duration = Duration::minutes(10);

/// An object to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recheck {
    /// The object.
    pub subject: Subject,
    /// Whether the roles of a user are read too.
    pub with_roles: bool,
    /// How the gateway learned of the last change.
    pub origin: EventOrigin,
    /// What the provider's audit log says of the changes.
    pub causes: Vec<Cause>,
    /// The number of reports.
    version: i64,
    /// How often the read has failed.
    failures: i32,
}

/// Reports of one object, merged.
#[derive(Debug, Default)]
struct Merged<'a> {
    with_roles: bool,
    causes: Vec<&'a Cause>,
}

impl TenantDb {
    /// Records changes that a provider reported of an account, and whether a full run is needed for others.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report_changes(
        &self,
        account_id: IntegratedAccountId,
        origin: EventOrigin,
        changes: &[ReportedChange],
        needs_run: bool,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let account = (self.environment_id, account_id);
        let mut tx = self.pool.begin().await?;
        // A report that a crash of the database loses is made up for by the next one, or by a run.
        sqlx::query!("SET LOCAL synchronous_commit = off").execute(&mut *tx).await?;
        record(&mut tx, account, origin, changes, now).await?;
        if needs_run {
            change_sources::set_run_needed(&mut tx, account, true).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Returns up to `limit` objects of a claimed account that are due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn due_rechecks(
        &self,
        account_id: IntegratedAccountId,
        now: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<Recheck>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT kind, object_id, with_roles, origin, causes AS "causes: Json<Vec<Cause>>", version, failures
               FROM rechecks
               WHERE environment_id = $1 AND integrated_account_id = $2 AND is_pending AND due_at <= $3
               ORDER BY due_at LIMIT $4"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            now,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let mut due = Vec::with_capacity(rows.len());
        for row in rows {
            let kind: CopyKind = parse_name("rechecks", "kind", &row.kind)?;
            let Some(subject) = Subject::of(kind, row.object_id) else { continue };
            due.push(Recheck {
                subject,
                with_roles: row.with_roles,
                origin: parse_name("rechecks", "origin", &row.origin)?,
                causes: row.causes.0,
                version: row.version,
                failures: row.failures,
            });
        }
        Ok(due)
    }

    /// Postpones a read that failed to `due_at`. One that fails for a day is given up, and a full run is requested.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn postpone_recheck(
        &self,
        lease: &SourceLease,
        recheck: &Recheck,
        due_at: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let given_up = sqlx::query_scalar!(
            r#"UPDATE rechecks SET failures = failures + 1, due_at = $5, is_pending = reported_at > $6,
                 read_at = CASE WHEN reported_at > $6 THEN read_at ELSE $7 END,
                 causes = CASE WHEN reported_at > $6 THEN causes ELSE '[]' END
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4
               RETURNING NOT is_pending AS "given_up!""#,
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            recheck.subject.kind().name(),
            recheck.subject.id(),
            due_at,
            now - MAX_AGE,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if given_up == Some(true) {
            change_sources::set_run_needed(&mut tx, (self.environment_id, lease.account_id), true)
                .await?;
        }
        Ok(tx.commit().await?)
    }

    /// Deletes the rows of an account whose directory is not copied now. A full run is needed if some were not read.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn drop_rechecks(&self, account_id: IntegratedAccountId) -> Result<(), StoreError> {
        let account = (self.environment_id, account_id);
        let mut tx = self.pool.begin().await?;
        let is_missed = sqlx::query_scalar!(
            r#"WITH dropped AS (
                   DELETE FROM rechecks WHERE environment_id = $1 AND integrated_account_id = $2
                   RETURNING is_pending)
               SELECT COALESCE(bool_or(is_pending), false) AS "is_missed!" FROM dropped"#,
            account.0 as EnvironmentId,
            account.1 as IntegratedAccountId,
        )
        .fetch_one(&mut *tx)
        .await?;
        if is_missed {
            change_sources::set_run_needed(&mut tx, account, true).await?;
        }
        Ok(tx.commit().await?)
    }
}

impl Recheck {
    /// Returns how often the read has failed.
    #[must_use]
    pub fn failures(&self) -> i32 {
        self.failures
    }
}

impl Store {
    /// Returns the number of objects that wait to be read again.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pending_rechecks(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM rechecks WHERE is_pending"#)
            .fetch_one(&self.pool)
            .await?)
    }
}

/// Records changes, in the transaction that also stores where they were read.
pub(super) async fn record(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    origin: EventOrigin,
    changes: &[ReportedChange],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    // In the order of their keys, so that two transactions lock the rows in the same order.
    let mut merged: BTreeMap<&Subject, Merged<'_>> = BTreeMap::new();
    for change in changes {
        let reports = merged.entry(&change.subject).or_default();
        reports.with_roles |= change.with_roles;
        if reports.causes.len() < MERGED_CAUSES {
            reports.causes.extend(&change.cause);
        }
    }
    if merged.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> =
        merged.keys().map(|subject| subject.kind().name().to_owned()).collect();
    let ids: Vec<String> = merged.keys().map(|subject| subject.id().to_owned()).collect();
    let with_roles: Vec<bool> = merged.values().map(|reports| reports.with_roles).collect();
    let causes: Vec<String> = merged
        .values()
        .map(|reports| serde_json::to_string(&reports.causes).unwrap_or_else(|_| "[]".to_owned()))
        .collect();
    let last_event_at = (origin == EventOrigin::ProviderEvent).then_some(now);
    sqlx::query!(
        "WITH reported AS (
             INSERT INTO rechecks AS r (environment_id, integrated_account_id, kind, object_id, is_pending,
                 with_roles, origin, causes, version, due_at, reported_at)
             SELECT $1, $2, n.kind, n.object_id, true, n.with_roles, $3, n.causes::jsonb, 1, $4, $4
             FROM UNNEST($5::text[], $6::text[], $7::boolean[], $8::text[]) AS n (kind, object_id, with_roles, causes)
             ON CONFLICT (integrated_account_id, environment_id, kind, object_id) DO UPDATE SET
                 is_pending = true,
                 with_roles = (r.is_pending AND r.with_roles) OR EXCLUDED.with_roles,
                 origin = EXCLUDED.origin,
                 causes = CASE
                     WHEN NOT r.is_pending THEN EXCLUDED.causes
                     WHEN jsonb_array_length(r.causes) >= $9 THEN r.causes
                     ELSE r.causes || EXCLUDED.causes END,
                 version = r.version + 1,
                 reported_at = $4,
                 failures = CASE WHEN r.is_pending THEN r.failures ELSE 0 END,
                 reads = CASE WHEN NOT r.is_pending AND r.read_at < $10 THEN 0 ELSE r.reads END,
                 due_at = CASE
                     WHEN r.is_pending THEN r.due_at
                     WHEN r.read_at IS NULL OR r.read_at < $10 THEN $4
                     ELSE GREATEST($4, r.read_at
                         + make_interval(secs => LEAST(power(2, LEAST(r.reads, 16)), $11))) END
             RETURNING due_at)
         INSERT INTO change_sources AS source
             (environment_id, integrated_account_id, rechecks_due_at, last_event_at)
         SELECT $1, $2, min(due_at), $12::timestamptz FROM reported
         ON CONFLICT (integrated_account_id, environment_id) DO UPDATE SET
             rechecks_due_at = LEAST(source.rechecks_due_at, EXCLUDED.rechecks_due_at),
             last_event_at = COALESCE(EXCLUDED.last_event_at, source.last_event_at)",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        origin.name(),
        now,
        &kinds,
        &ids,
        &with_roles,
        &causes,
        MAX_CAUSES,
        now - QUIET,
        MAX_PAUSE_S,
        last_event_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a recheck, unless the object was reported again meanwhile: then it is read again after a pause.
pub(super) async fn end(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    recheck: &Recheck,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE rechecks SET is_pending = version <> $5, read_at = $6, reads = reads + 1, failures = 0,
             due_at = $6::timestamptz + make_interval(secs => LEAST(power(2, LEAST(reads + 1, 16)), $7)),
             causes = CASE WHEN version = $5 THEN '[]' ELSE causes END
         WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        recheck.subject.kind().name(),
        recheck.subject.id(),
        recheck.version,
        now,
        MAX_PAUSE_S,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a batch of rows that were read some time ago.
pub(super) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM rechecks WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM rechecks WHERE NOT is_pending AND read_at < $1
                   ORDER BY read_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now - RETENTION,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
