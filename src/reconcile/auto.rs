//! Applies automatic rule sets to people whom events create or change. One process at a time looks at an account.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::plan_stopped::problem;
use super::rules::{RuleEvaluator, RuleMatch};
use super::services::ReconcileServices;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::policy::Person;
use crate::domain::reconciliation::RuleSet;
use crate::domain::sync::CopyKind;
use crate::store::{PeopleFilter, PeoplePage, RuleSetLease, StoreError, TenantDb};

/// The pause of an account after a failure, or while nothing can be applied.
const PAUSE: time::Duration = time::Duration::seconds(30);
/// For more people than this no preview is made: the plan shows who changes.
const MAX_PREVIEWED: usize = 50;
/// The maximum number of problems that are stored.
const MAX_PROBLEMS: usize = 10;

/// Applies automatic rule sets.
#[derive(Debug, Clone)]
pub struct RuleSetWorker {
    services: ReconcileServices,
    /// The name that its leases have.
    name: String,
    lease: Duration,
}

impl RuleSetWorker {
    /// Returns a worker whose leases last `lease`.
    #[must_use]
    pub fn new(services: ReconcileServices, name: String, lease: Duration) -> Self {
        Self { services, name, lease }
    }

    /// Applies rule sets until `stop`; searches for new events every `poll_every`.
    pub async fn run(&self, poll_every: Duration, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.work_once(stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "rule sets could not be applied"),
            }
            tokio::select! {
                () = tokio::time::sleep(poll_every) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Looks at the next events of one account. Returns `false` if there are none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn work_once(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let services = &self.services.policies;
        let now = services.clock.now();
        let claimed = services.store.claim_rule_sets(&self.name, self.lease, now).await?;
        let Some(lease) = claimed else { return Ok(false) };
        let applied = tokio::select! {
            // Boxed: it is large, and seldom created.
            applied = Box::pin(self.services.apply_rule_sets(&lease)) => applied,
            // Another process continues.
            () = tokio::time::sleep(self.lease) => return Ok(true),
            () = stop.cancelled() => {
                services.store.release_rule_sets(&lease, now).await?;
                return Ok(true);
            }
        };
        if let Err(error) = applied {
            services.store.release_rule_sets(&lease, now + PAUSE).await?;
            return Err(error);
        }
        Ok(true)
    }
}

impl ReconcileServices {
    async fn apply_rule_sets(&self, lease: &RuleSetLease) -> Result<(), StoreError> {
        let services = &self.policies;
        let db = services.store.tenant(lease.environment_id);
        let changed = db.changed_people(lease).await?;
        let mut problems = Vec::new();
        if !changed.user_ids.is_empty() {
            let Some(account) = self.usable_account(&db, lease).await? else {
                let due_at = services.clock.now() + PAUSE;
                return services.store.release_rule_sets(lease, due_at).await;
            };
            for rule_set in db.automatic_rule_sets(account.id).await? {
                let page = PeoplePage { as_of: None, after: None, limit: i64::MAX };
                let filter = PeopleFilter::Ids(changed.user_ids.clone());
                let people = db.people(account.id, &filter, page).await?;
                let concerned = self.concerned(&db, &account, &rule_set, people, &mut problems);
                let concerned = concerned.await?;
                if !concerned.is_empty() {
                    self.apply_to_people(&db, &rule_set, concerned).await?;
                }
            }
        }
        problems.truncate(MAX_PROBLEMS);
        let problem = (!problems.is_empty()).then(|| problem("not_applied", problems.join("; ")));
        db.end_rule_sets(lease, changed.sequence, problem.as_ref()).await?;
        Ok(())
    }

    /// Returns the account, if it can be changed and has a copy.
    async fn usable_account(
        &self,
        db: &TenantDb,
        lease: &RuleSetLease,
    ) -> Result<Option<IntegratedAccount>, StoreError> {
        let account = db.account(lease.account_id).await?;
        let is_copied = db.copy_freshness(lease.account_id, &[CopyKind::User]).await?.is_some();
        Ok(account.filter(|account| is_copied && account.status == AccountStatus::Active))
    }

    /// Returns the ids of the people whom a rule set would change.
    async fn concerned(
        &self,
        db: &TenantDb,
        account: &IntegratedAccount,
        rule_set: &RuleSet,
        people: Vec<Person>,
        problems: &mut Vec<String>,
    ) -> Result<Vec<String>, StoreError> {
        let evaluator =
            RuleEvaluator::new(&self.policies.expressions, db.environment_id(), rule_set);
        let matches = evaluator.evaluate(&people).await;
        let is_many = people.len() > MAX_PREVIEWED;
        let mut concerned = Vec::new();
        for (person, found) in people.into_iter().zip(matches) {
            let report = |error: String| format!("{}: {}: {error}", rule_set.name, person.id);
            let RuleMatch { desired, matched } = match found {
                Ok(found) => found,
                Err(error) => {
                    problems.push(report(error));
                    continue;
                }
            };
            if !is_many {
                let preview = (&person, desired, matched.as_slice());
                match self.preview(db, account, rule_set, preview).await? {
                    Ok(steps) if steps.iter().all(|step| step.skipped.is_some()) => continue,
                    Ok(_) => {}
                    Err(error) => {
                        problems.push(report(error));
                        continue;
                    }
                }
            }
            concerned.push(person.id);
        }
        Ok(concerned)
    }
}
