//! A limit of the number of people who hold certain roles, for the kinds that have one.

use std::fmt::Debug;

use serde::Deserialize;
use utoipa::ToSchema;

use super::validation::{Pointed, not_empty, not_empty_if_given, within};
use super::{Check, GroupCheck, GroupMember, Reference, ReferenceKind};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{
    Evidence, Finding, FindingSubject, GrantEvidence, HeldRole, Person, SubjectKind,
};
use crate::domain::sync::SyncResource;
use crate::store::PeopleFilter;

/// The only group: those who hold one of the roles.
const GROUP: &str = "holders";
/// The maximum of a limit.
const MAX_COUNT: u32 = 1_000_000;

/// A number of holders, and what it limits.
pub(super) trait HolderCount: Debug + Send + Sync {
    /// The minimum number.
    const LEAST: u32;
    /// Why no operation ends a violation.
    const NO_FIX: &'static str;

    /// Returns the number.
    fn count(&self) -> u32;
    /// Returns what must be so, as the end of a sentence, if a number of holders violates the limit.
    fn violated_by(&self, holders: usize) -> Option<String>;
}

/// A limit of the number of people who hold certain roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HolderLimit<C> {
    /// The roles, as in `/roles`.
    #[schema(min_items = 1, max_items = 100)]
    role_ids: Vec<String>,
    /// Count only assignments in these workspaces; absent: everywhere.
    #[schema(min_items = 1, max_items = 100)]
    workspace_ids: Option<Vec<String>>,
    /// The number of people who hold one of the roles.
    #[schema(schema_with = C::schema)]
    count: C,
}

impl<C> HolderLimit<C> {
    fn held<'p>(&self, person: &'p Person) -> impl Iterator<Item = &'p HeldRole> {
        person.roles.iter().filter(|role| {
            let is_place = |ids: &Vec<String>| {
                role.workspace_id.as_ref().is_some_and(|workspace| ids.contains(workspace))
            };
            self.role_ids.contains(&role.role_id)
                && self.workspace_ids.as_ref().is_none_or(is_place)
        })
    }
}

impl<C: HolderCount> Check for HolderLimit<C> {
    fn resources(&self) -> &'static [SyncResource] {
        &[SyncResource::RoleAssignments]
    }

    fn validate(&self) -> Vec<ValidationError> {
        let mut errors = not_empty("/role_ids", &self.role_ids);
        errors.extend(not_empty_if_given("/workspace_ids", self.workspace_ids.as_deref()));
        errors.extend(within("/count", self.count.count(), C::LEAST, MAX_COUNT));
        errors
    }

    fn references(&self) -> Vec<Reference> {
        let mut references =
            Pointed::new("/role_ids", &self.role_ids).references(ReferenceKind::Role);
        let workspaces =
            Pointed::new("/workspace_ids", self.workspace_ids.as_deref().unwrap_or_default());
        references.extend(workspaces.references(ReferenceKind::Workspace));
        references
    }

    fn groups(&self) -> Option<&dyn GroupCheck> {
        Some(self)
    }
}

impl<C: HolderCount> GroupCheck for HolderLimit<C> {
    fn all(&self) -> Option<Vec<String>> {
        Some(vec![GROUP.to_owned()])
    }

    fn of(&self, person: &Person) -> Vec<String> {
        let is_holder = person.can_sign_in() && self.held(person).next().is_some();
        is_holder.then(|| GROUP.to_owned()).into_iter().collect()
    }

    fn member(&self, person: &Person) -> GroupMember {
        GroupMember::of(person, self.held(person).map(GrantEvidence::role).collect())
    }

    fn members(&self, _groups: &[String]) -> PeopleFilter {
        PeopleFilter::Holders(self.role_ids.clone())
    }

    fn check(&self, group: &str, people: &[GroupMember]) -> Option<Finding> {
        let violated = self.count.violated_by(people.len())?;
        let roles = self.role_ids.join(", ");
        let evidence = Evidence::of(format!("{} people hold {roles}; {violated}.", people.len()))
            .with_users(people.iter().map(|person| person.id.clone()))
            .with_grants(people.iter().flat_map(|person| person.grants.clone()))
            .with_value("holders", people.len())
            .with_value("limit", self.count.count());
        Some(Finding::of(self.subject(group), evidence).without_fix(C::NO_FIX))
    }

    fn subject(&self, _group: &str) -> FindingSubject {
        let mut ids = self.role_ids.clone();
        ids.sort_unstable();
        ids.dedup();
        FindingSubject { kind: SubjectKind::Roles, id: ids.join(",") }
    }
}
