//! One run: reads a directory in full and brings its copy up to date. After each page the position is stored, so that
//! another process can continue.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::page_reader::{PageReader, ReadPage};
use super::problem::{self, Consequence};
use super::resources::has_resource;
use super::run_end::{End, StepError};
use super::services::SyncServices;
use crate::connectors::{Connector, ConnectorError, UnreadableRows};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::job::JobKind;
use crate::domain::sync::{CopyKind, SyncResource, SyncSettings, SyncStatus};
use crate::domain::sync_run::{SyncPass, SyncProblem};
use crate::jobs::{JobInterrupted, JobRunner};
use crate::store::{ClaimedRun, JobLease, PageWritten, RunEnd, RunPage, StoreError, TenantDb};

/// Pause between two attempts to write a page while the database is unavailable.
const WRITE_RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Number of attempts to write a page: two minutes.
const MAX_WRITE_ATTEMPTS: u32 = 240;
/// Number of attempts of a run, after failures and after processes that ended.
const MAX_ATTEMPTS: i32 = 10;
/// Number of new objects of a run after which the planner's statistics are updated.
const MIN_ANALYZED: u64 = 1_000;

/// A run that a worker continues.
pub(super) struct Run<'a> {
    pub(super) services: &'a SyncServices,
    pub(super) db: TenantDb,
    pub(super) account: &'a IntegratedAccount,
    pub(super) connector: &'a dyn Connector,
    pub(super) settings: SyncSettings,
    pub(super) lease: &'a JobLease,
    pub(super) claimed: ClaimedRun,
    /// Calls since the last checkpoint.
    pub(super) calls: AtomicU64,
    pub(super) unreadable_rows: UnreadableRows,
    /// The next page, if it was read while the last one was written.
    pub(super) next_page: Option<ReadPage>,
}

#[async_trait]
impl JobRunner for SyncServices {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::Sync]
    }

    async fn run(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        // Boxed: it is large, and seldom created.
        Box::pin(self.continue_run(lease)).await
    }
}

impl SyncServices {
    /// Continues the run of a claimed job to its end.
    ///
    /// # Errors
    ///
    /// Why it stopped before its end: another attempt continues at its checkpoint.
    async fn continue_run(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        let db = self.store.tenant(lease.environment_id);
        let now = self.clock.now();
        let Some(claimed) = db.start_run(lease, now, &*self.entropy).await? else { return Ok(()) };
        let account = self.account(&db, lease.account_id).await?;
        let settings = db.sync_settings(lease.account_id).await?;
        let (Some(account), Some(settings)) = (account, settings) else { return Ok(()) };
        let connector = self.registry.connector(account.provider);
        let mut run = Run {
            services: self,
            db,
            account: &account,
            connector,
            settings,
            lease,
            claimed,
            calls: AtomicU64::default(),
            unreadable_rows: UnreadableRows::default(),
            next_page: None,
        };
        if lease.attempt > MAX_ATTEMPTS {
            let end =
                End { status: SyncStatus::Failed, problem: Some(problem::too_many_attempts()) };
            return run.finish(end).await;
        }
        let end = match run.work().await {
            Ok(end) | Err(StepError::End(end)) => end,
            Err(StepError::Interrupted(interrupted)) => return Err(interrupted),
            Err(StepError::Connector(error)) => run.after_failure(&error, None)?,
        };
        run.finish(end).await
    }
}

impl Run<'_> {
    /// Reads all that is left.
    async fn work(&mut self) -> Result<End, StepError> {
        if self.claimed.cancel_requested {
            return Ok(End { status: SyncStatus::Cancelled, problem: None });
        }
        self.check_account()?;
        if self.claimed.checkpoint.expected.is_empty() {
            let sizes = self.db.copy_sizes(self.account.id).await?;
            self.claimed.checkpoint.expected = sizes.into_iter().collect();
        }
        loop {
            let pass = self.claimed.checkpoint.pass;
            if pass == SyncPass::Removals {
                self.remove_missing().await?;
                return Ok(self.success());
            }
            if self.is_wanted(pass) {
                self.step(pass).await?;
            } else {
                self.next_pass();
            }
        }
    }

    fn check_account(&self) -> Result<(), StepError> {
        let (code, detail) = match self.account.status {
            AccountStatus::Active => return Ok(()),
            AccountStatus::NeedsReauth => {
                ("account_needs_reauth", "The grant is invalid. Link the account again.")
            }
            AccountStatus::Disconnected => {
                ("account_disconnected", "The account was disconnected.")
            }
        };
        let (code, detail) = (code.to_owned(), detail.to_owned());
        let problem = SyncProblem { code, detail, resource: None, method: None };
        Err(StepError::End(End { status: SyncStatus::Failed, problem: Some(problem) }))
    }

    /// Whether a pass is read in this run.
    fn is_wanted(&self, pass: SyncPass) -> bool {
        let resource = pass.resource();
        resource.is_some_and(|resource| {
            self.claimed.resources.contains(&resource)
                && !self.claimed.checkpoint.is_skipped(resource)
        }) && (pass != SyncPass::Profiles || self.connector.profiles().is_some())
    }

    pub(super) fn next_pass(&mut self) {
        let checkpoint = &mut self.claimed.checkpoint;
        checkpoint.pass = checkpoint.pass.next().unwrap_or(SyncPass::Removals);
        checkpoint.token = None;
        checkpoint.history.clear();
    }

    /// Decides whether a run has failed or is tried again.
    pub(super) fn after_failure(
        &self,
        error: &ConnectorError,
        resource: Option<SyncResource>,
    ) -> Result<End, JobInterrupted> {
        let problem = problem::describe(error, resource);
        let has_failed = problem::consequence(error) == Consequence::Fail;
        if has_failed || self.lease.attempt >= MAX_ATTEMPTS {
            return Ok(End { status: SyncStatus::Failed, problem: Some(problem) });
        }
        Err(JobInterrupted::Retry(problem))
    }

    /// Returns since when the copy of a kind is complete, if this run read all of it.
    pub(super) fn complete(&self, kind: CopyKind) -> Option<OffsetDateTime> {
        let (resource, checkpoint) = (kind.resource(), &self.claimed.checkpoint);
        let is_complete = self.claimed.resources.contains(&resource)
            && !checkpoint.is_skipped(resource)
            && !checkpoint.incomplete.contains(&resource)
            && has_resource(self.connector, resource);
        checkpoint.started.get(&resource).filter(|_| is_complete).map(|started| started.0)
    }

    fn success(&self) -> End {
        let problems = &self.claimed.checkpoint.problems;
        let status = if problems.is_empty() { SyncStatus::Succeeded } else { SyncStatus::Partial };
        End { status, problem: problems.first().cloned() }
    }

    pub(super) fn is_initial(&self, pass: SyncPass) -> bool {
        let kinds = pass.resource().map(SyncResource::kinds).unwrap_or_default();
        kinds.iter().any(|kind| !self.claimed.complete_kinds.contains(kind))
    }

    pub(super) fn emits(&self, pass: SyncPass) -> bool {
        self.settings.emit_initial || !self.is_initial(pass)
    }

    /// Returns what reads the run's pages, and the run to write them to.
    pub(super) fn parts(&mut self) -> (PageReader<'_>, &mut ClaimedRun) {
        let Self {
            services, db, account, connector, lease, claimed, calls, unreadable_rows, ..
        } = self;
        let reader = PageReader {
            services,
            db,
            account,
            connector: *connector,
            lease,
            run_id: claimed.id,
            has_profiles: claimed.checkpoint.has_profiles,
            calls,
            unreadable_rows,
        };
        (reader, claimed)
    }

    /// Writes a page; tries again while the database is unavailable.
    pub(super) async fn write(&mut self, page: &RunPage) -> Result<(), StepError> {
        let (reader, claimed) = self.parts();
        write_page(reader, claimed, page).await
    }

    async fn finish(self, end: End) -> Result<(), JobInterrupted> {
        let is_done = matches!(end.status, SyncStatus::Succeeded | SyncStatus::Partial);
        let kinds = CopyKind::ALL.iter().filter(|_| is_done);
        let complete = kinds.filter_map(|kind| Some((*kind, self.complete(*kind)?))).collect();
        let run_end = RunEnd { status: end.status, problem: end.problem.as_ref(), complete };
        let (now, entropy) = (self.services.clock.now(), Arc::clone(&self.services.entropy));
        let ClaimedRun { id, checkpoint, .. } = &self.claimed;
        if checkpoint.counts.values().map(|counts| counts.created).sum::<u64>() >= MIN_ANALYZED
            && let Err(error) = self.db.analyze_copies().await
        {
            tracing::warn!(account = %self.account.id, %error, "the statistics of the copy are updated later");
        }
        let ended = self.db.end_run(self.lease, *id, &run_end, checkpoint, now, &*entropy).await?;
        if !ended {
            return Err(JobInterrupted::LeaseLost);
        }
        self.services.copy_changed.notify_one();
        tracing::info!(
            account = %self.account.id, run = %id, status = %end.status,
            problem = end.problem.as_ref().map(|problem| problem.code.as_str()),
            "directory sync ended"
        );
        Ok(())
    }
}

/// Writes a page of a run; tries again while the database is unavailable.
pub(super) async fn write_page(
    reader: PageReader<'_>,
    claimed: &mut ClaimedRun,
    page: &RunPage,
) -> Result<(), StepError> {
    let mut attempts = 0;
    loop {
        let SyncServices { clock, entropy, .. } = reader.services;
        let ClaimedRun { id, checkpoint, .. } = &mut *claimed;
        let written = reader
            .db
            .write_run_page(reader.lease, *id, page, checkpoint, clock.now(), &**entropy)
            .await;
        match written {
            Ok(PageWritten::Continue) => return Ok(()),
            Ok(PageWritten::Cancelled) => {
                let end = End { status: SyncStatus::Cancelled, problem: None };
                return Err(StepError::End(end));
            }
            Ok(PageWritten::LeaseLost) => {
                return Err(StepError::Interrupted(JobInterrupted::LeaseLost));
            }
            Err(StoreError::Unavailable(_) | StoreError::Busy(_))
                if attempts < MAX_WRITE_ATTEMPTS =>
            {
                attempts += 1;
                tokio::time::sleep(WRITE_RETRY_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
