//! `role_holders`: only some people may hold certain roles.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validation::{Pointed, not_empty};
use super::{Check, CheckContext, Reference, ReferenceKind};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Evidence, Finding, GrantEvidence, HeldRole, Person};
use crate::domain::sync::SyncResource;

pub(super) const DESCRIPTION: &str = "Only the allowed people hold the roles.";
pub(super) const EXAMPLE: &str =
    r#"{"role_ids": ["org:owner"], "allowed": {"emails": ["ada@example.com"]}}"#;

/// Parameters of `role_holders`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The roles, as in `/roles`.
    #[schema(min_items = 1, max_items = 100)]
    role_ids: Vec<String>,
    /// Who may hold them: everybody who matches at least one of these.
    allowed: Allowed,
}

/// The people who may hold the roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Allowed {
    /// Ids of users.
    #[serde(default)]
    user_ids: Vec<String>,
    /// Primary e-mail addresses.
    #[serde(default)]
    emails: Vec<String>,
    /// Ids of groups.
    #[serde(default)]
    group_ids: Vec<String>,
    /// Departments.
    #[serde(default)]
    departments: Vec<String>,
    /// A JSONata expression over the unified user that is true for those who may.
    #[schema(max_length = 4096)]
    expression: Option<String>,
}

impl Allowed {
    fn includes(&self, person: &Person, context: &CheckContext<'_>) -> Option<bool> {
        let is_one_of = |list: &[String], value: Option<&str>| {
            value.is_some_and(|value| {
                let value = value.to_lowercase();
                list.iter().any(|one| one.to_lowercase() == value)
            })
        };
        let is_named = self.user_ids.contains(&person.id)
            || is_one_of(&self.emails, person.email())
            || is_one_of(&self.departments, person.profile.department.as_deref())
            || person.groups.iter().any(|group| self.group_ids.contains(&group.id));
        match &self.expression {
            Some(expression) if !is_named => context.results.get(expression),
            Some(_) | None => Some(is_named),
        }
    }
}

impl Parameters {
    fn held<'p>(&self, person: &'p Person) -> Vec<&'p HeldRole> {
        person.roles.iter().filter(|role| self.role_ids.contains(&role.role_id)).collect()
    }
}

impl Check for Parameters {
    fn resources(&self) -> &'static [SyncResource] {
        if self.allowed.group_ids.is_empty() && self.allowed.expression.is_none() {
            &[SyncResource::RoleAssignments]
        } else {
            &[SyncResource::RoleAssignments, SyncResource::Groups]
        }
    }

    fn validate(&self) -> Vec<ValidationError> {
        let lists = [
            &self.allowed.user_ids,
            &self.allowed.emails,
            &self.allowed.group_ids,
            &self.allowed.departments,
        ];
        let mut errors = not_empty("/role_ids", &self.role_ids);
        if lists.iter().all(|list| list.is_empty()) && self.allowed.expression.is_none() {
            let message = "must name people: user_ids, emails, group_ids, departments or expression. \
                 For a role without holders, use max_holders with a count of 0";
            errors.push(ValidationError::at("/allowed", message));
        }
        errors
    }

    fn references(&self) -> Vec<Reference> {
        Pointed::new("/role_ids", &self.role_ids).references(ReferenceKind::Role)
    }

    fn expressions(&self) -> Vec<&str> {
        self.allowed.expression.as_deref().into_iter().collect()
    }

    fn check(&self, person: &Person, context: &CheckContext<'_>) -> Option<Finding> {
        let held = self.held(person);
        if held.is_empty() || self.allowed.includes(person, context) != Some(false) {
            return None;
        }
        let names: Vec<&str> = held.iter().map(|role| role.role_name.as_str()).collect();
        let summary = format!(
            "{} holds {} and is not among the allowed holders.",
            person.display_name(),
            names.join(", ")
        );
        let grants = held.iter().map(|role| GrantEvidence::role(role));
        let finding = Finding::of_user(&person.id, Evidence::of(summary).with_grants(grants));
        Some(finding.with_fix(held.iter().map(|role| role.revocation(&person.id))))
    }

    fn is_undecided(&self, person: &Person, context: &CheckContext<'_>) -> bool {
        !self.held(person).is_empty() && self.allowed.includes(person, context).is_none()
    }
}
