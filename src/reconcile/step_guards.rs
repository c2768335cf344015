//! The guards of steps that are carried out: as the account and its policies are now, and one removal at a time of what
//! other removals count, also of other processes and of the fixes of policies.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::plan_guards::PlanGuards;
use super::plan_stopped::problem;
use super::services::MAX_WAIT;
use crate::domain::account::IntegratedAccount;
use crate::domain::policy::{DirectoryOperation, Person};
use crate::domain::reconciliation::ReconciliationGuards;
use crate::jobs::JobInterrupted;
use crate::policies::{BackgroundChanges, takes_access};
use crate::store::{EvaluationLease, JobLease, StoreError};

/// How long the account is claimed for a removal, unless the claim is extended.
const CLAIM: Duration = Duration::from_secs(15);

/// People as they are after removals that the copy may not show yet.
pub(super) type TakenPeople = BTreeMap<String, Person>;

/// Checks steps before they are sent.
pub(super) struct StepGuards<'a> {
    background: BackgroundChanges<'a>,
    guards: &'a ReconciliationGuards,
    /// Held while a step is checked and sent that takes what guards count.
    pub(super) taken: Mutex<TakenPeople>,
}

impl<'a> StepGuards<'a> {
    pub(super) fn of(background: BackgroundChanges<'a>, guards: &'a ReconciliationGuards) -> Self {
        Self { background, guards, taken: Mutex::new(TakenPeople::new()) }
    }

    /// Whether an operation takes something that the guards of other people's steps count.
    pub(super) async fn takes_counted(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
    ) -> Result<bool, StoreError> {
        if !takes_access(person, operation) {
            return Ok(false);
        }
        let guards = self.read(self.background.account).await?;
        Ok(guards.takes_counted(person, operation))
    }

    /// Returns why an operation is refused. `taken` are people whom the guards count no longer.
    pub(super) async fn refusal(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
        taken: Option<&TakenPeople>,
    ) -> Result<Option<String>, JobInterrupted> {
        let BackgroundChanges { db, account, .. } = self.background;
        let now: Option<IntegratedAccount> = if takes_access(person, operation) {
            // It may have been linked again as another person.
            let now = db.account(account.id).await?;
            Some(now.ok_or(JobInterrupted::LeaseLost)?)
        } else {
            None
        };
        let guards = self.read(now.as_ref().unwrap_or(account)).await?;
        let guards = match taken {
            Some(taken) => guards.with_planned(taken.clone()),
            None => guards,
        };
        Ok(guards.refusal(person, operation).await?)
    }

    /// Reads the guards as they are now.
    async fn read<'g>(&self, account: &'g IntegratedAccount) -> Result<PlanGuards<'g>, StoreError>
    where
        'a: 'g,
    {
        let BackgroundChanges { services, db, .. } = self.background;
        let connector = services.sync.registry.connector(account.provider);
        PlanGuards::read(db, account, connector, self.guards).await
    }

    /// Claims the account, so that no policy is fixed at the same time; `None` for an account without policies.
    pub(super) async fn claim(
        &self,
        job: &JobLease,
    ) -> Result<Option<EvaluationLease>, JobInterrupted> {
        let BackgroundChanges { services, db, account, .. } = self.background;
        let key = (account.environment_id, account.id);
        let until = Instant::now() + MAX_WAIT;
        while Instant::now() < until {
            if db.account_evaluations(None, Some(account.id), 1).await?.is_empty() {
                return Ok(None);
            }
            let claimed = services.claim_for_fix(key, (&job.worker, CLAIM), CLAIM).await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
        }
        let detail = "The fixes of the account's policies took too long.".to_owned();
        Err(JobInterrupted::Retry(problem("internal", detail)))
    }

    /// Does work while the account is claimed, and ends the claim.
    pub(super) async fn while_claimed<T>(
        &self,
        lease: Option<EvaluationLease>,
        work: impl Future<Output = T>,
    ) -> T {
        let services = self.background.services;
        let Some(lease) = lease else { return work.await };
        // What was sent has an outcome, also when the claim is lost.
        let interrupt = CancellationToken::new();
        let done = services.while_leased((&lease, CLAIM), &interrupt, work).await;
        if let Err(error) = services.store.release_evaluation(&lease, Duration::ZERO).await {
            tracing::warn!(account = %lease.account_id, %error, "a claim ends with its time");
        }
        services.due.notify_one();
        done
    }
}
