//! Evaluates the accounts that are due: after a run of the sync over everybody, after events over the people whom they
//! concern. One process at a time evaluates an account.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::background_changes::BackgroundChanges;
use super::evaluation::{EvaluatedPolicy, Evaluation};
use super::evaluation_error::EvaluationError;
use super::fix::{FixLimits, Fixer, RemovalBudget};
use super::services::PolicyServices;
use crate::connectors::UnreadableRows;
use crate::domain::account::AccountStatus;
use crate::domain::ids::{IntegratedAccountId, RequestId};
use crate::domain::policy::{EvaluationProblem, EvaluationProblemCode, Policy, current_problems};
use crate::store::{
    EvaluatedSubjects, EvaluationLease, EvaluationScope, PolicyFindings, StoreError, TenantDb,
};

/// The pause of an account whose evaluation failed.
const FAILED_PAUSE: Duration = Duration::from_secs(30);
/// Maximum time that one operation of a fix waits for permits and retries.
const MAX_FIX_WAIT: Duration = Duration::from_mins(2);
/// The maximum number of fixes between two evaluations of an account.
const MAX_FIXES: i64 = 20;
/// The pause of the fixes of an account that must be linked again.
const INACTIVE_PAUSE: time::Duration = time::Duration::minutes(10);

/// Evaluates accounts.
#[derive(Debug, Clone)]
pub struct PolicyWorker {
    services: PolicyServices,
    /// The name that its leases have.
    name: String,
    lease: Duration,
}

impl PolicyWorker {
    /// Returns a worker whose leases last `lease`.
    #[must_use]
    pub fn new(services: PolicyServices, name: String, lease: Duration) -> Self {
        Self { services, name, lease }
    }

    /// Evaluates accounts until `stop`: searches for due ones every `poll_every`, and when this process knows of one.
    pub async fn run(&self, poll_every: Duration, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let due = self.services.due.notified();
            match self.work_once(stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "policies could not be evaluated"),
            }
            tokio::select! {
                () = tokio::time::sleep(poll_every) => {}
                () = due => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Evaluates one account, if one is due. Returns `false` if none is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn work_once(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let PolicyServices { store, clock, .. } = &self.services;
        let claimed = store.claim_evaluation(&self.name, self.lease, clock.now()).await?;
        let Some(lease) = claimed else { return Ok(false) };
        let interrupt = stop.child_token();
        // Boxed: it is large, and seldom created.
        let work = Box::pin(self.services.evaluate_account(&lease, &interrupt));
        match self.services.while_leased((&lease, self.lease), &interrupt, work).await {
            Ok(Evaluated::Completely) => {}
            Ok(Evaluated::Interrupted) => {
                store.release_evaluation(&lease, Duration::ZERO).await?;
            }
            Err(error) => {
                store.release_evaluation(&lease, FAILED_PAUSE).await?;
                return Err(error);
            }
        }
        Ok(true)
    }
}

/// How far an account was evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evaluated {
    /// What was due was done, and the lease has ended.
    Completely,
    /// The process stops, or another one has claimed the account.
    Interrupted,
}

impl PolicyServices {
    /// Evaluates a claimed account and stores what was found, until it is interrupted: no change of the directory is made
    /// by halves.
    async fn evaluate_account(
        &self,
        lease: &EvaluationLease,
        interrupt: &CancellationToken,
    ) -> Result<Evaluated, StoreError> {
        let (db, began) = (self.store.tenant(lease.environment_id), Instant::now());
        let started = self.clock.now();
        let (scope, sequence) = db.evaluation_scope(lease).await?;
        let policies = db.active_policies(lease.account_id).await?;
        if policies.is_empty() {
            self.resolve_ended(&db, lease).await?;
            db.stop_evaluations(lease).await?;
            self.store.release_evaluation(lease, Duration::ZERO).await?;
            return Ok(Evaluated::Completely);
        }
        let evaluation = Evaluation {
            services: self,
            db: &db,
            environment_id: lease.environment_id,
            account_id: lease.account_id,
            as_of: None,
            now: self.clock.now(),
        };
        let evaluated = tokio::select! {
            evaluated = evaluation.run(&policies, &scope) => evaluated,
            () = interrupt.cancelled() => return Ok(Evaluated::Interrupted),
        };
        let evaluated = match evaluated {
            Ok(evaluated) => evaluated,
            // The run that completes the copy of users requests an evaluation.
            Err(error @ EvaluationError::NotSynced) => {
                let code = EvaluationProblemCode::NotSynced;
                let problem = EvaluationProblem { policy_id: None, code, detail: sentence(&error) };
                let times = (started, self.clock.now());
                db.end_evaluation(lease, sequence, &[problem], times).await?;
                return Ok(Evaluated::Completely);
            }
            Err(EvaluationError::Store(error)) => return Err(error),
        };
        let mut problems = Vec::new();
        for EvaluatedPolicy { findings, policy, problem } in evaluated {
            problems.extend(problem.map(|problem| EvaluationProblem {
                policy_id: Some(policy.id),
                code: problem.code(),
                detail: sentence(&problem),
            }));
            let Some(findings) = findings else { continue };
            if !db.store_findings(lease, &findings, &*self.clock, &*self.entropy).await? {
                return Ok(Evaluated::Interrupted);
            }
        }
        self.resolve_ended(&db, lease).await?;
        if self.run_due_fixes(&db, lease, interrupt).await? == Evaluated::Interrupted {
            return Ok(Evaluated::Interrupted);
        }
        let is_everyone = scope == EvaluationScope::Everyone;
        if !is_everyone {
            let before = db.account_evaluations(None, Some(lease.account_id), 1).await?;
            let before = before.into_iter().flat_map(|one| one.problems).collect();
            let is_evaluated = |id| policies.iter().any(|policy| policy.id == id);
            problems = current_problems(problems, before, is_evaluated);
        }
        let times = (started, self.clock.now());
        db.end_evaluation(lease, sequence, &problems, times).await?;
        self.metrics.record_policy_evaluation(is_everyone, began.elapsed());
        Ok(Evaluated::Completely)
    }

    /// Resolves the violations of policies that are inactive, or apply to the account no longer.
    async fn resolve_ended(
        &self,
        db: &TenantDb,
        lease: &EvaluationLease,
    ) -> Result<(), StoreError> {
        for id in db.ended_policies(lease.account_id).await? {
            let Some(policy) = db.policy(id).await? else { continue };
            let (findings, omitted) = Default::default();
            let subjects = EvaluatedSubjects::All;
            let ended: PolicyFindings<'_> =
                PolicyFindings { policy: &policy, subjects, findings, omitted };
            db.store_findings(lease, &ended, &*self.clock, &*self.entropy).await?;
        }
        Ok(())
    }

    /// Runs the fixes of policies of mode `fix` that are due.
    async fn run_due_fixes(
        &self,
        db: &TenantDb,
        lease: &EvaluationLease,
        interrupt: &CancellationToken,
    ) -> Result<Evaluated, StoreError> {
        let now = self.clock.now();
        let due = db.due_fixes(lease.account_id, now, MAX_FIXES).await?;
        if due.is_empty() {
            return Ok(Evaluated::Completely);
        }
        let account = db.account(lease.account_id).await?;
        let settings = db.sync_settings(lease.account_id).await?;
        let (Some(account), Some(settings)) = (account, settings) else {
            return Ok(Evaluated::Completely);
        };
        if account.status != AccountStatus::Active {
            db.postpone_fixes(lease.account_id, now + INACTIVE_PAUSE).await?;
            return Ok(Evaluated::Completely);
        }
        let mut budget = RemovalBudget::of(db, &account, &settings, now).await?;
        let request_id = RequestId::generate(&*self.clock, &*self.entropy).text();
        let unreadable_rows = UnreadableRows::default();
        for violation in due {
            // Meanwhile it may have been acknowledged or resolved, or its policy changed.
            let Some(violation) = db.due_fix(violation.id, now).await? else { continue };
            let policy_id = violation.policy_id.text();
            let background = BackgroundChanges {
                services: self,
                db,
                account: &account,
                actor: &policy_id,
                request_id: &request_id,
                unreadable_rows: &unreadable_rows,
                max_wait: MAX_FIX_WAIT,
            };
            let (changes, actor) = (background.changes(), background.event_actor());
            let limits = FixLimits { interrupt, budget: Some(&mut budget) };
            self.fix_claimed(&Fixer { changes, actor }, &violation, limits).await?;
            if interrupt.is_cancelled() {
                return Ok(Evaluated::Interrupted);
            }
        }
        Ok(Evaluated::Completely)
    }

    /// Evaluates policies over everybody without storing anything.
    ///
    /// # Errors
    ///
    /// See [`EvaluationError`].
    pub async fn evaluate<'p>(
        &self,
        db: &TenantDb,
        account_id: IntegratedAccountId,
        policies: &'p [Policy],
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<EvaluatedPolicy<'p>>, EvaluationError> {
        let evaluation = Evaluation {
            services: self,
            db,
            environment_id: db.environment_id(),
            account_id,
            as_of,
            now: as_of.unwrap_or_else(|| self.clock.now()),
        };
        evaluation.run(policies, &EvaluationScope::Everyone).await
    }
}

/// Returns a problem as a sentence.
fn sentence(problem: &impl std::fmt::Display) -> String {
    let text = problem.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
