//! The guards of plans: who is never changed, and what no plan may take.

use std::collections::BTreeMap;

use crate::domain::account::IntegratedAccount;
use crate::domain::policy::{DirectoryOperation, Person, Policy};
use crate::domain::reconciliation::{
    PlanOperation, ProposedStep, ReconciliationGuards, RemovalLimit,
};
use crate::domain::sync::MaxRemoved;
use crate::policies::{Guards, after, takes_access};
use crate::store::{StoreError, TenantDb};

/// Why a protected person is not changed.
const PROTECTED: &str = "The person is protected by `guards.protected`.";

/// Checks the steps about people. Steps before have an effect: a person who gets a role by the plan holds it.
pub(super) struct PlanGuards<'a> {
    db: &'a TenantDb,
    account: &'a IntegratedAccount,
    policies: Vec<Policy>,
    guards: ReconciliationGuards,
    /// The people whose roles or status the plan changes, as they are afterwards.
    planned: BTreeMap<String, Person>,
}

impl<'a> PlanGuards<'a> {
    pub(super) async fn read(
        db: &'a TenantDb,
        account: &'a IntegratedAccount,
        guards: ReconciliationGuards,
    ) -> Result<Self, StoreError> {
        let policies = db.active_policies(account.id).await?;
        Ok(Self { db, account, policies, guards, planned: BTreeMap::new() })
    }

    /// Returns the step with the reason why it is skipped, if a guard refuses it.
    pub(super) async fn check(
        &mut self,
        person: &Person,
        mut step: ProposedStep,
    ) -> Result<ProposedStep, StoreError> {
        let PlanOperation::Change(operation) = &step.operation else { return Ok(step) };
        if step.skipped.is_some() {
            return Ok(step);
        }
        let refusal = self.refusal(person, operation).await?;
        if refusal.is_none() && changes_access(person, operation) {
            let present = self.planned.get(&person.id).unwrap_or(person);
            let then = after(present, operation);
            self.planned.insert(person.id.clone(), then);
        }
        step.skipped = refusal;
        Ok(step)
    }

    /// Returns why an operation is refused.
    pub(super) async fn refusal(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
    ) -> Result<Option<String>, StoreError> {
        if self.guards.protects(&person.id, person.email()) {
            return Ok(Some(PROTECTED.to_owned()));
        }
        let guards = Guards {
            db: self.db,
            account: self.account,
            policies: &self.policies,
            planned: &self.planned,
        };
        let refusal = guards.check_of(person, operation).await?;
        Ok(refusal.map(|refusal| refusal.to_string()))
    }
}

/// Whether an operation changes the roles that a guard counts: those that are privileged, of people who can sign in.
fn changes_access(person: &Person, operation: &DirectoryOperation) -> bool {
    let grants = matches!(
        operation,
        DirectoryOperation::GrantRole { .. } | DirectoryOperation::UpdateUser { .. }
    );
    let has_privileges = person.roles.iter().any(|role| role.is_privileged);
    grants || has_privileges && takes_access(person, operation)
}

/// Returns the limit of a plan's removals in a directory of this size: less than one for each person, unless all of them
/// are allowed.
pub(super) fn removal_limit(max: MaxRemoved, removals: u64, people: u64) -> RemovalLimit {
    let share = people.saturating_mul(max.percent.into()) / 100;
    let least = if max.percent >= 100 { u64::MAX } else { people.saturating_sub(1) };
    let allowed = share.max(max.count.into()).min(least);
    let is_within = removals <= allowed;
    RemovalLimit { removals, allowed, override_removals: (!is_within).then_some(removals) }
}
