//! Workspaces of the people who match a condition, for the kinds that require or forbid them.

use std::fmt::Debug;
use std::marker::PhantomData;

use serde::Deserialize;
use utoipa::ToSchema;

use super::validation::{Pointed, not_empty, resources_of};
use super::{Check, CheckContext, Reference, ReferenceKind};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Condition, Finding, Person};
use crate::domain::sync::SyncResource;

/// What is required of the memberships of people.
pub(super) trait MembershipRule: Debug + Send + Sync {
    /// Whether the memberships of a person violate it.
    fn is_violated(person: &Person, workspace_ids: &[String]) -> bool;

    /// Returns what the memberships of a person violate.
    fn finding(person: &Person, workspace_ids: &[String]) -> Finding;
}

/// A condition, and the workspaces of those who match it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, bound = "")]
#[schema(bound = "")]
pub(super) struct ConditionalWorkspaces<R> {
    /// Whom it applies to.
    when: Condition,
    /// The workspaces.
    #[schema(min_items = 1, max_items = 100)]
    workspace_ids: Vec<String>,
    #[serde(skip)]
    rule: PhantomData<R>,
}

impl<R: MembershipRule> ConditionalWorkspaces<R> {
    /// Whether it applies to a person; `None` when an expression failed that decides.
    fn applies_to(&self, person: &Person, context: &CheckContext<'_>) -> Option<bool> {
        if person.can_sign_in() { self.when.holds(person, context.results) } else { Some(false) }
    }
}

impl<R: MembershipRule> Check for ConditionalWorkspaces<R> {
    fn resources(&self) -> &'static [SyncResource] {
        resources_of(&self.when)
    }

    fn validate(&self) -> Vec<ValidationError> {
        not_empty("/workspace_ids", &self.workspace_ids)
    }

    fn references(&self) -> Vec<Reference> {
        Pointed::new("/workspace_ids", &self.workspace_ids).references(ReferenceKind::Workspace)
    }

    fn expressions(&self) -> Vec<&str> {
        let mut expressions = Vec::new();
        self.when.collect_expressions(&mut expressions);
        expressions
    }

    fn check(&self, person: &Person, context: &CheckContext<'_>) -> Option<Finding> {
        let is_violated = R::is_violated(person, &self.workspace_ids)
            && self.applies_to(person, context) == Some(true);
        is_violated.then(|| R::finding(person, &self.workspace_ids))
    }

    fn is_undecided(&self, person: &Person, context: &CheckContext<'_>) -> bool {
        R::is_violated(person, &self.workspace_ids) && self.applies_to(person, context).is_none()
    }
}
