//! The work on a run: started, continued page by page, ended. Each page, the events of its changes and the checkpoint
//! after it are one transaction, which the lease of the run's job guards.

use std::collections::BTreeMap;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::change_events::{ChangeEvent, ChangeSource, FeedLock, append_changes, lock_feed};
use super::super::columns::parse_names;
use super::super::connections::TimedConnection;
use super::super::directory::attribution::write_version_actors;
use super::super::directory::compare::{apply, remove};
use super::super::directory::missing::{forget_run, mark_seen};
use super::super::directory::own::{OwnChanges, ReadObjects};
use super::super::directory::sizes;
use super::super::jobs::{self, JobLease};
use super::super::{StoreError, TenantDb};
use super::super::{change_sources, policies};
use crate::domain::copied_object::CopiedObject;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, SyncRunId};
use crate::domain::job::JobStatus;
use crate::domain::sync::{CopyKind, SyncResource, SyncStatus};
use crate::domain::sync_run::{ChangeCounts, Checkpoint, SyncProblem};

/// What a page of a run wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageWritten {
    /// The run goes on.
    Continue,
    /// The run was cancelled.
    Cancelled,
    /// Another worker has claimed the run.
    LeaseLost,
}

/// What one step of a run has read.
#[derive(Debug)]
pub struct RunPage {
    /// The objects of each kind, in the order of their events.
    pub objects: Vec<(CopyKind, Vec<CopiedObject>)>,
    /// The ids of the objects of each kind that the provider no longer has.
    pub removals: Vec<(CopyKind, Vec<String>)>,
    /// The profiles of users, as the provider sent them.
    pub profiles: Vec<(String, String)>,
    /// When the provider was asked.
    pub read_at: OffsetDateTime,
    /// Whether events are appended.
    pub emits: bool,
    /// Whether it is the account's first run.
    pub initial: bool,
    /// The number of provider calls.
    pub provider_calls: u64,
}

/// How a run ends.
#[derive(Debug)]
pub struct RunEnd<'a> {
    /// The status.
    pub status: SyncStatus,
    /// Why it is not `succeeded`.
    pub problem: Option<&'a SyncProblem>,
    /// The kinds that the copy is complete of, and since when.
    pub complete: Vec<(CopyKind, OffsetDateTime)>,
}

/// A run, for the worker that continues it.
#[derive(Debug)]
pub struct ClaimedRun {
    /// The run.
    pub id: SyncRunId,
    /// The resources to read.
    pub resources: Vec<SyncResource>,
    /// Where it continues.
    pub checkpoint: Checkpoint,
    /// Whether its removals were accepted.
    pub is_accepted: bool,
    /// Whether it was cancelled.
    pub cancel_requested: bool,
    /// The kinds of which the account has a complete copy.
    pub complete_kinds: Vec<CopyKind>,
    /// Whether the users of the copy have their profiles.
    pub copy_has_profiles: bool,
}

/// Events that a run found.
const SYNC: ChangeSource<'static> =
    ChangeSource { origin: EventOrigin::Sync, actor: None, initial: false, read_at: None };

impl TenantDb {
    /// Marks the run of a claimed job as running and returns it; `None` when there is nothing left to do.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_run(
        &self,
        lease: &JobLease,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<Option<ClaimedRun>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, lease.account_id), now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(None);
        }
        let row = sqlx::query!(
            r#"UPDATE sync_runs r SET status = 'running', started_at = COALESCE(started_at, $3)
               FROM (SELECT environment_id, sync_run_id, status FROM sync_runs
                     WHERE environment_id = $1 AND job_id = $2 FOR UPDATE) before
               WHERE r.environment_id = before.environment_id AND r.sync_run_id = before.sync_run_id
                 AND before.status IN ('queued', 'running')
               RETURNING r.sync_run_id AS "id: SyncRunId", before.status AS "before!", r.resources,
                   r.checkpoint AS "checkpoint: Json<Option<Checkpoint>>", r.is_accepted, r.cancel_requested,
                   ARRAY(SELECT c.kind FROM directory_copies c WHERE c.environment_id = r.environment_id
                       AND c.integrated_account_id = r.integrated_account_id) AS "complete_kinds!",
                   EXISTS (SELECT FROM directory_copies c WHERE c.environment_id = r.environment_id
                       AND c.integrated_account_id = r.integrated_account_id AND c.kind = 'user'
                       AND c.has_profiles) AS "copy_has_profiles!""#,
            self.environment_id as EnvironmentId,
            lease.job_id as JobId,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else {
            let job = (self.environment_id, lease.job_id);
            jobs::end(&mut tx, job, JobStatus::Cancelled, None, now).await?;
            tx.commit().await?;
            return Ok(None);
        };
        if row.before == SyncStatus::Queued.name() {
            supersede(&mut tx, &feed, row.id, now).await?;
            let started = run_event(EventKind::SyncStarted, row.id, None, &BTreeMap::new());
            append_changes(&mut tx, &feed, SYNC, &[started], entropy).await?;
        }
        tx.commit().await?;
        Ok(Some(ClaimedRun {
            id: row.id,
            resources: parse_names("sync_runs", "resources", &row.resources)?,
            checkpoint: row.checkpoint.0.unwrap_or_default(),
            is_accepted: row.is_accepted,
            cancel_requested: row.cancel_requested,
            complete_kinds: parse_names("directory_copies", "kind", &row.complete_kinds)?,
            copy_has_profiles: row.copy_has_profiles,
        }))
    }

    /// Writes what a step of a run has read, the events of the changes, and the checkpoint after it, whose counts are
    /// updated.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing is written.
    pub async fn write_run_page(
        &self,
        lease: &JobLease,
        run_id: SyncRunId,
        page: &RunPage,
        checkpoint: &mut Checkpoint,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<PageWritten, StoreError> {
        let mut counts = checkpoint.counts.clone();
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, lease.account_id), now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(PageWritten::LeaseLost);
        }
        let source = ChangeSource { initial: page.initial, read_at: Some(page.read_at), ..SYNC };
        let mut own = OwnChanges::load(&mut tx, &feed).await?;
        let feed = if page.emits {
            let read = ReadObjects { objects: &page.objects, read_at: page.read_at, source };
            own.write_foreign(&mut tx, feed, read, entropy).await?
        } else {
            feed
        };
        let mut events = Vec::new();
        for (kind, objects) in &page.objects {
            let applied = apply(&mut tx, &feed, *kind, objects, page.read_at).await?;
            mark_seen(&mut tx, lease.account_id, run_id, *kind, objects).await?;
            counts.entry(*kind).or_default().add(applied.counts);
            events.extend(applied.events);
        }
        for (kind, ids) in &page.removals {
            let applied = remove(&mut tx, &feed, *kind, ids, page.read_at).await?;
            counts.entry(*kind).or_default().add(applied.counts);
            events.extend(applied.events);
        }
        insert_profiles(&mut tx, lease.account_id, run_id, &page.profiles).await?;
        let written = Checkpoint { counts, ..checkpoint.clone() };
        let cancelled = sqlx::query_scalar!(
            "UPDATE sync_runs SET checkpoint = $3, provider_calls = provider_calls + $4
             WHERE environment_id = $1 AND sync_run_id = $2 RETURNING cancel_requested",
            self.environment_id as EnvironmentId,
            run_id as SyncRunId,
            Json(&written) as Json<&Checkpoint>,
            i64::try_from(page.provider_calls).unwrap_or(i64::MAX),
        )
        .fetch_one(&mut *tx)
        .await?;
        if page.emits {
            own.attribute(&mut events);
            own.record_uses(&mut tx, &feed, page.read_at).await?;
            write_version_actors(&mut tx, &feed, &events).await?;
            append_changes(&mut tx, &feed, source, &events, entropy).await?;
        }
        tx.commit().await?;
        *checkpoint = written;
        Ok(if cancelled { PageWritten::Cancelled } else { PageWritten::Continue })
    }

    /// Ends a run and its job. Returns `false` when another worker has claimed it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_run(
        &self,
        lease: &JobLease,
        run_id: SyncRunId,
        end: &RunEnd<'_>,
        checkpoint: &Checkpoint,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, (self.environment_id, lease.account_id), now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        sqlx::query!(
            "UPDATE sync_runs SET status = $3, problem = $4, ended_at = $5, checkpoint = $6
             WHERE environment_id = $1 AND sync_run_id = $2",
            self.environment_id as EnvironmentId,
            run_id as SyncRunId,
            end.status.name(),
            end.problem.map(Json) as Option<Json<&SyncProblem>>,
            now,
            Json(checkpoint) as Json<&Checkpoint>,
        )
        .execute(&mut *tx)
        .await?;
        for (kind, since) in &end.complete {
            sqlx::query!(
                "INSERT INTO directory_copies AS copy
                     (environment_id, integrated_account_id, kind, synced_at, first_synced_at, has_profiles)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (integrated_account_id, environment_id, kind)
                     DO UPDATE SET synced_at = GREATEST(copy.synced_at, $4), has_profiles = $6",
                self.environment_id as EnvironmentId,
                lease.account_id as IntegratedAccountId,
                kind.name(),
                since,
                feed.at,
                checkpoint.has_profiles,
            )
            .execute(&mut *tx)
            .await?;
            sizes::count(&mut tx, &feed, *kind).await?;
        }
        // A held or failed run continues with what it has read; another run forgets it.
        if matches!(end.status, SyncStatus::Succeeded | SyncStatus::Partial) {
            forget_run(&mut tx, lease.account_id, run_id).await?;
            change_sources::start(&mut tx, feed.account, now).await?;
        }
        // What a partial or held run has read is in the copy, too.
        if matches!(end.status, SyncStatus::Succeeded | SyncStatus::Partial | SyncStatus::Held) {
            policies::request_full(&mut tx, feed.account).await?;
        }
        let (event, job) = match end.status {
            SyncStatus::Succeeded => (Some(EventKind::SyncSucceeded), JobStatus::Succeeded),
            SyncStatus::Partial => (Some(EventKind::SyncPartial), JobStatus::Succeeded),
            SyncStatus::Held => (Some(EventKind::SyncHeld), JobStatus::Succeeded),
            SyncStatus::Failed => (Some(EventKind::SyncFailed), JobStatus::Failed),
            SyncStatus::Cancelled | SyncStatus::Queued | SyncStatus::Running => {
                (None, JobStatus::Cancelled)
            }
        };
        let problem = end.problem.and_then(|problem| serde_json::to_value(problem).ok());
        let ended = (self.environment_id, lease.job_id);
        jobs::end(&mut tx, ended, job, problem.as_ref(), now).await?;
        if let Some(event) = event {
            let event = run_event(event, run_id, end.problem, &checkpoint.counts);
            append_changes(&mut tx, &feed, SYNC, &[event], entropy).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

/// Cancels held runs of the account, and forgets what earlier runs have read: they can only begin again.
async fn supersede(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    by: SyncRunId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let earlier = sqlx::query_scalar!(
        r#"UPDATE sync_runs SET checkpoint = CASE WHEN status IN ('failed', 'cancelled', 'held')
                   THEN 'null' ELSE checkpoint END,
               ended_at = CASE status WHEN 'held' THEN $4 ELSE ended_at END,
               status = CASE status WHEN 'held' THEN 'cancelled' ELSE status END
           WHERE environment_id = $1 AND integrated_account_id = $2 AND sync_run_id <> $3
             AND status IN ('failed', 'cancelled', 'held') AND checkpoint <> 'null'
           RETURNING sync_run_id AS "id: SyncRunId""#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        by as SyncRunId,
        now,
    )
    .fetch_all(&mut *connection)
    .await?;
    for run_id in earlier {
        forget_run(connection, feed.account.1, run_id).await?;
    }
    Ok(())
}

async fn insert_profiles(
    connection: &mut TimedConnection,
    account_id: IntegratedAccountId,
    run_id: SyncRunId,
    profiles: &[(String, String)],
) -> Result<(), StoreError> {
    if profiles.is_empty() {
        return Ok(());
    }
    let (ids, profiles): (Vec<String>, Vec<String>) = profiles.iter().cloned().unzip();
    sqlx::query!(
        "INSERT INTO sync_profiles (integrated_account_id, sync_run_id, user_id, profile)
         SELECT DISTINCT ON (n.user_id) $1, $2, n.user_id, n.profile::json
         FROM UNNEST($3::text[], $4::text[]) AS n (user_id, profile)
         ON CONFLICT (integrated_account_id, sync_run_id, user_id) DO UPDATE SET profile = EXCLUDED.profile",
        account_id as IntegratedAccountId,
        run_id as SyncRunId,
        &ids,
        &profiles,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the event of a run's state.
fn run_event(
    kind: EventKind,
    id: SyncRunId,
    problem: Option<&SyncProblem>,
    counts: &BTreeMap<CopyKind, ChangeCounts>,
) -> ChangeEvent {
    let data = serde_json::json!({"sync_run_id": id, "counts": counts, "problem": problem});
    ChangeEvent {
        kind,
        object: None,
        previous: None,
        data: Some(data.to_string()),
        subject: None,
        subject_id: None,
        attribution: None,
    }
}
