//! The guards of plans: who is never changed, and what no plan may take.

use std::collections::{BTreeMap, HashSet};

use crate::connectors::Connector;
use crate::domain::account::IntegratedAccount;
use crate::domain::policy::{DirectoryOperation, Person};
use crate::domain::reconciliation::{
    PlanOperation, ProposedStep, ReconciliationGuards, RemovalLimit,
};
use crate::domain::sync::MaxRemoved;
use crate::policies::{Guards, RequiredHolders, after, takes_access};
use crate::store::{StoreError, TenantDb};

/// Why a protected person is not changed.
const PROTECTED: &str = "The person is protected by `guards.protected`.";

/// The people whom no step changes: their ids and all their e-mail addresses, in lower case.
#[derive(Debug)]
pub(super) struct ProtectedPeople(HashSet<String>);

impl ProtectedPeople {
    pub(super) fn of(guards: &ReconciliationGuards) -> Self {
        Self(guards.protected.iter().map(|one| one.trim().to_lowercase()).collect())
    }

    /// Returns why no operation on a person is carried out, if the person is protected.
    pub(super) fn refusal(&self, person: &Person) -> Option<String> {
        let mut names = person.profile.emails.iter().map(|one| one.email.trim());
        let is_named = |name: &str| self.0.contains(&name.to_lowercase());
        let is_protected = !self.0.is_empty() && (is_named(&person.id) || names.any(is_named));
        is_protected.then(|| PROTECTED.to_owned())
    }
}

/// Checks the steps about people. Steps before have an effect: a person who gets a role by the plan holds it.
pub(super) struct PlanGuards<'a> {
    db: &'a TenantDb,
    account: &'a IntegratedAccount,
    required: RequiredHolders,
    protected: ProtectedPeople,
    /// The people whom the guards count differently after the plan, as they are then.
    planned: BTreeMap<String, Person>,
}

impl<'a> PlanGuards<'a> {
    pub(super) async fn read(
        db: &'a TenantDb,
        account: &'a IntegratedAccount,
        connector: &dyn Connector,
        guards: &ReconciliationGuards,
    ) -> Result<Self, StoreError> {
        let required = RequiredHolders::read(db, account.id, connector).await?;
        let protected = ProtectedPeople::of(guards);
        Ok(Self { db, account, required, protected, planned: BTreeMap::new() })
    }

    /// Takes people as they are after operations that the copy may not show yet.
    pub(super) fn with_planned(self, planned: BTreeMap<String, Person>) -> Self {
        Self { planned, ..self }
    }

    /// Whether an operation takes something that the guards of other people's steps count.
    pub(super) fn takes_counted(&self, person: &Person, operation: &DirectoryOperation) -> bool {
        takes_access(person, operation)
            && self.required.count_differently(person, &after(person, operation))
    }

    /// Returns the step with the reason why it is skipped, if a guard refuses it, and with whether it takes access.
    pub(super) async fn check(
        &mut self,
        person: &Person,
        mut step: ProposedStep,
    ) -> Result<ProposedStep, StoreError> {
        let PlanOperation::Change(operation) = &step.operation else { return Ok(step) };
        step.is_removal = takes_access(person, operation);
        if step.skipped.is_some() {
            return Ok(step);
        }
        let refusal = self.refusal(person, operation).await?;
        if refusal.is_none() {
            let present = self.planned.get(&person.id).unwrap_or(person);
            let then = after(present, operation);
            if self.required.count_differently(present, &then) {
                self.planned.insert(person.id.clone(), then);
            }
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
        if let Some(refusal) = self.protected.refusal(person) {
            return Ok(Some(refusal));
        }
        let guards = Guards {
            db: self.db,
            account: self.account,
            required: &self.required,
            planned: &self.planned,
        };
        let refusal = guards.check_of(person, operation).await?;
        Ok(refusal.map(|refusal| refusal.to_string()))
    }
}

/// Returns the limit of a plan's removals in a directory of this size: less than one for each person, unless all of them
/// are allowed. `before` is what was taken already and counts too.
pub(super) fn removal_limit(
    max: MaxRemoved,
    (removals, before): (u64, u64),
    people: u64,
) -> RemovalLimit {
    let share = people.saturating_mul(max.percent.into()) / 100;
    let least = if max.percent >= 100 { u64::MAX } else { people.saturating_sub(1) };
    let allowed = share.max(max.count.into()).min(least).saturating_sub(before);
    let is_within = removals <= allowed;
    RemovalLimit { removals, allowed, override_removals: (!is_within).then_some(removals) }
}
