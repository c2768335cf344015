//! Fixes violations: reads the people concerned, then runs the operations that end one, each after the guards have
//! allowed it. One process at a time changes an account.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::removal_guards::{GuardRefusal, Guards, RequiredHolders};
use super::services::PolicyServices;
use super::violation_recheck::RecheckedViolation;
use crate::domain::account::IntegratedAccount;
use crate::domain::event::EventActor;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ViolationId};
use crate::domain::own_change::OwnChange;
use crate::domain::patch::WriteOutcome;
use crate::domain::policy::{DirectoryOperation, FixOutcome, FixReport, FixedOperation, Violation};
use crate::domain::sync::{CopyKind, MaxRemoved, SyncSettings};
use crate::store::{AuditEntry, AuditOutcome, EvaluationLease, StoreError, TenantDb};
use crate::sync::WriteThrough;
use crate::unified::{Changes, UnifiedError};

/// The pause between two attempts to claim the account.
const CLAIM_PAUSE: Duration = Duration::from_millis(50);
/// The time in which removals of policies of mode `fix` are counted.
const REMOVAL_WINDOW: time::Duration = time::Duration::hours(24);

/// Who fixes a violation, and with what.
pub struct Fixer<'a> {
    /// The changes of the account's directory, with the audit trail.
    pub changes: Changes<'a>,
    /// Who makes them, for events.
    pub actor: EventActor,
}

impl std::fmt::Debug for Fixer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixer").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// Why an operation was skipped that a process did not come to.
const INTERRUPTED: &str = "The fix was interrupted before this operation: run it again.";
/// Why the operations of a violation were skipped that does not exist any more.
const ENDED: &str =
    "The people concerned were read at the provider, and no longer violate the policy.";

/// What became of the operations of a fix.
struct FixRun {
    operations: Vec<FixedOperation>,
    has_failed: bool,
    is_interrupted: bool,
}

impl FixRun {
    /// Returns the run of operations that are not needed any more.
    fn not_needed(violation: &Violation) -> Self {
        let skipped = |one| outcome(one, FixOutcome::Skipped, Some(ENDED.to_owned()));
        let operations = violation.fix.iter().map(skipped).collect();
        Self { operations, has_failed: false, is_interrupted: false }
    }

    /// Returns the run of operations about people who can't be read.
    fn unreadable(violation: &Violation, why: &str) -> Self {
        let detail = format!("The people concerned could not be read before the fix: {why}");
        let mut operations: Vec<FixedOperation> =
            violation.fix.iter().map(|one| outcome(one, FixOutcome::Skipped, None)).collect();
        if let Some(first) = operations.first_mut() {
            first.outcome = FixOutcome::Failed;
            first.detail = Some(detail);
        }
        Self { operations, has_failed: true, is_interrupted: false }
    }
}

/// What limits a fix.
#[derive(Debug)]
pub(super) struct FixLimits<'a> {
    /// Cancelled when the account is not claimed any more, or the process stops: no other operation begins.
    pub(super) interrupt: &'a CancellationToken,
    /// For policies of mode `fix`, the removals that are left.
    pub(super) budget: Option<&'a mut RemovalBudget>,
}

/// A limit of removals, and how many there were.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemovalBudget {
    removed: u64,
    present: u64,
    settings: MaxRemoved,
}

impl RemovalBudget {
    /// Returns the budget of the policies of mode `fix` in an account.
    pub(super) async fn of(
        db: &TenantDb,
        account: &IntegratedAccount,
        settings: &SyncSettings,
        now: time::OffsetDateTime,
    ) -> Result<Self, StoreError> {
        let removed = db.removals_since(account.id, now - REMOVAL_WINDOW).await?;
        let sizes = db.copy_sizes(account.id).await?;
        let present =
            sizes.into_iter().find(|(kind, _)| *kind == CopyKind::User).map_or(0, |(_, size)| size);
        Ok(Self { removed, present, settings: settings.max_removed })
    }

    fn allows_one_more(&self) -> bool {
        self.settings.allows(self.removed.saturating_add(1), self.present)
    }
}

/// What became of a request to fix a violation.
#[derive(Debug)]
pub enum RequestedFix {
    /// The fix was run: the violation with the report.
    Run(Box<Violation>),
    /// Another process has claimed the account before the first operation.
    InProgress,
    /// The violation is pending or resolved, or does not exist any more.
    NotOpen,
    /// The violation has no operations that would end it.
    NothingToFix,
}

impl PolicyServices {
    /// Claims an account for a fix, once no other fix or evaluation of it is in progress; `None` if that lasts longer than
    /// `max_wait`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_for_fix(
        &self,
        account: (EnvironmentId, IntegratedAccountId),
        (name, lease): (&str, Duration),
        max_wait: Duration,
    ) -> Result<Option<EvaluationLease>, StoreError> {
        let until = Instant::now() + max_wait;
        loop {
            let claimed = self.store.claim_evaluation_of(account, name, lease).await?;
            if claimed.is_some() || Instant::now() >= until {
                return Ok(claimed);
            }
            tokio::time::sleep(CLAIM_PAUSE).await;
        }
    }

    /// Fixes a violation of a claimed account, as it is now, and ends the lease.
    ///
    /// # Errors
    ///
    /// When the database fails. What the provider refuses is in the report.
    pub async fn fix(
        &self,
        fixer: &Fixer<'_>,
        violation_id: ViolationId,
        (claimed, lease): (EvaluationLease, Duration),
    ) -> Result<RequestedFix, StoreError> {
        let interrupt = CancellationToken::new();
        let work = Box::pin(self.fix_current(fixer, violation_id, &interrupt));
        let outcome = self.while_leased((&claimed, lease), &interrupt, work).await;
        self.store.release_evaluation(&claimed, Duration::ZERO).await?;
        self.due.notify_one();
        outcome
    }

    /// Fixes a violation of a claimed account, as it is now.
    async fn fix_current(
        &self,
        fixer: &Fixer<'_>,
        violation_id: ViolationId,
        interrupt: &CancellationToken,
    ) -> Result<RequestedFix, StoreError> {
        let violation = fixer.changes.audit_trail.db.violation(violation_id).await?;
        let Some(mut violation) = violation.filter(|one| one.status.is_fixable()) else {
            return Ok(RequestedFix::NotOpen);
        };
        if violation.fix.is_empty() {
            return Ok(RequestedFix::NothingToFix);
        }
        let limits = FixLimits { interrupt, budget: None };
        let Some(report) = self.fix_claimed(fixer, &violation, limits).await? else {
            return Ok(RequestedFix::InProgress);
        };
        violation.last_fix = Some(report);
        Ok(RequestedFix::Run(Box::new(violation)))
    }

    /// Runs work while its lease is extended. When another worker has claimed the account, the work is interrupted, which
    /// it ends in its own way.
    pub(crate) async fn while_leased<T>(
        &self,
        (lease, duration): (&EvaluationLease, Duration),
        interrupt: &CancellationToken,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        tokio::select! {
            done = &mut work => return done,
            () = self.keep_lease(lease, duration) => interrupt.cancel(),
        }
        work.await
    }

    /// Extends a lease while it is held; returns when another worker has claimed the account.
    async fn keep_lease(&self, lease: &EvaluationLease, duration: Duration) {
        loop {
            tokio::time::sleep(duration / 3).await;
            match self.store.extend_evaluation(lease, duration).await {
                Ok(true) => {}
                Ok(false) => return,
                // Writes check the lease: nothing goes wrong if it can't be extended for a while.
                Err(error) => {
                    tracing::warn!(account = %lease.account_id, %error, "a lease was not extended");
                }
            }
        }
    }

    /// Fixes a violation of a claimed account and stores the report; `None` if it was interrupted before the first
    /// operation.
    pub(super) async fn fix_claimed(
        &self,
        fixer: &Fixer<'_>,
        violation: &Violation,
        limits: FixLimits<'_>,
    ) -> Result<Option<FixReport>, StoreError> {
        let Fixer { changes, .. } = fixer;
        let (account, db) = (changes.directory.cx.account, changes.audit_trail.db);
        if limits.interrupt.is_cancelled() {
            return Ok(None);
        }
        let write = self.write_through(fixer);
        let rechecked = Box::pin(self.recheck(db, &write, violation)).await?;
        let run = match rechecked {
            RecheckedViolation::Exists => self.run_operations(fixer, violation, limits).await?,
            RecheckedViolation::Ended => Some(FixRun::not_needed(violation)),
            RecheckedViolation::Unreadable(why) => Some(FixRun::unreadable(violation, &why)),
        };
        let Some(FixRun { operations, has_failed, is_interrupted }) = run else { return Ok(None) };
        let report = FixReport {
            at: self.clock.now(),
            started_by: changes.audit_trail.actor.to_owned(),
            operations,
        };
        let subject = violation.id.text();
        let ended = if has_failed { AuditOutcome::Failed } else { AuditOutcome::Done };
        let entry = AuditEntry {
            account_id: Some(account.id),
            subject: Some(&subject),
            request_id: Some(changes.audit_trail.request_id),
            outcome: ended,
            ..AuditEntry::new(
                "drift.fixed",
                changes.audit_trail.actor,
                &*self.clock,
                &*self.entropy,
            )
        };
        db.record_fix(violation.id, (&report, is_interrupted), &entry).await?;
        Ok(Some(report))
    }

    /// Runs the operations of a fix; `None` if it was interrupted before the first one.
    async fn run_operations(
        &self,
        fixer: &Fixer<'_>,
        violation: &Violation,
        mut limits: FixLimits<'_>,
    ) -> Result<Option<FixRun>, StoreError> {
        let changes = &fixer.changes;
        let (account, db) = (changes.directory.cx.account, changes.audit_trail.db);
        let required = RequiredHolders::read(db, account.id, changes.directory.connector).await?;
        let mut operations = Vec::with_capacity(violation.fix.len());
        let (mut has_failed, mut is_interrupted) = (false, false);
        for operation in &violation.fix {
            let done = if has_failed {
                outcome(operation, FixOutcome::Skipped, None)
            } else if limits.interrupt.is_cancelled() {
                if operations.is_empty() {
                    return Ok(None);
                }
                is_interrupted = true;
                outcome(operation, FixOutcome::Skipped, Some(INTERRUPTED.to_owned()))
            } else {
                let budget = limits.budget.as_deref_mut();
                self.run_operation(fixer, (account, db, &required), operation, budget).await?
            };
            has_failed |= !matches!(done.outcome, FixOutcome::Applied | FixOutcome::Unchanged);
            operations.push(done);
        }
        Ok(Some(FixRun { operations, has_failed, is_interrupted }))
    }

    /// Returns what brings the copy up to date with the people of a fix.
    fn write_through<'f>(&'f self, fixer: &Fixer<'f>) -> WriteThrough<'f> {
        let cx = fixer.changes.directory.cx;
        WriteThrough { services: &self.sync, cx, actor: fixer.actor.clone() }
    }

    /// Runs one operation, if the guards allow it.
    async fn run_operation(
        &self,
        fixer: &Fixer<'_>,
        (account, db, required): (&IntegratedAccount, &TenantDb, &RequiredHolders),
        operation: &DirectoryOperation,
        budget: Option<&mut RemovalBudget>,
    ) -> Result<FixedOperation, StoreError> {
        let planned = BTreeMap::new();
        let guards = Guards { db, account, required, planned: &planned };
        let mut refusal = guards.check(operation).await?;
        if let Some(budget) = &budget
            && operation.is_removal()
            && !budget.allows_one_more()
        {
            refusal.get_or_insert(GuardRefusal::TooManyRemovals(budget.removed));
        }
        if let Some(refusal) = refusal {
            return Ok(outcome(operation, FixOutcome::Refused, Some(refusal.to_string())));
        }
        let write = self.write_through(fixer);
        let change = OwnChange::of_operation(operation);
        let send = Box::pin(fixer.changes.run_operation(operation));
        let made = write.make(&change.effects, send, |_| Some(change.clone()));
        let changed = Box::pin(made).await;
        if changed.is_err() {
            // The provider may have another state than the copy.
            Box::pin(write.refresh(&change)).await;
        }
        let may_be_made = match &changed {
            Ok(made) => *made == WriteOutcome::Applied,
            Err(UnifiedError::Connector(error)) => error.is_outcome_unknown(),
            Err(_) => false,
        };
        if let Some(budget) = budget.filter(|_| operation.is_removal() && may_be_made) {
            budget.removed = budget.removed.saturating_add(1);
            let now = self.clock.now();
            db.record_removal(account.id, (now, now - REMOVAL_WINDOW)).await?;
        }
        Ok(match changed {
            Ok(WriteOutcome::Applied) => outcome(operation, FixOutcome::Applied, None),
            Ok(WriteOutcome::Unchanged) => outcome(operation, FixOutcome::Unchanged, None),
            Err(error) => outcome(operation, FixOutcome::Failed, Some(error.to_string())),
        })
    }
}

fn outcome(
    operation: &DirectoryOperation,
    outcome: FixOutcome,
    detail: Option<String>,
) -> FixedOperation {
    FixedOperation { operation: operation.clone(), outcome, detail }
}
