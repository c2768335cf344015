//! `separation_of_duties`: no person holds two of certain roles.

use std::collections::BTreeSet;

use serde::Deserialize;
use utoipa::ToSchema;

use super::validation::Pointed;
use super::{Check, CheckContext, Reference, ReferenceKind};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Evidence, Finding, GrantEvidence, HeldRole, Person};
use crate::domain::sync::SyncResource;

pub(super) const DESCRIPTION: &str = "No person holds more than one of the roles.";
pub(super) const EXAMPLE: &str = r#"{"role_ids": ["Rl02", "Rl0C"]}"#;

/// Parameters of `separation_of_duties`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The roles, as in `/roles`, of which a person may hold one.
    #[schema(min_items = 2, max_items = 100)]
    role_ids: Vec<String>,
}

impl Check for Parameters {
    fn resources(&self) -> &'static [SyncResource] {
        &[SyncResource::RoleAssignments]
    }

    fn validate(&self) -> Vec<ValidationError> {
        let different: BTreeSet<&String> = self.role_ids.iter().collect();
        let is_valid = (2..=100).contains(&different.len());
        let error = || ValidationError::at("/role_ids", "must have 2 to 100 different roles");
        (!is_valid).then(error).into_iter().collect()
    }

    fn references(&self) -> Vec<Reference> {
        Pointed::new("/role_ids", &self.role_ids).references(ReferenceKind::Role)
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        let held: Vec<&HeldRole> =
            person.roles.iter().filter(|role| self.role_ids.contains(&role.role_id)).collect();
        let different: BTreeSet<&str> = held.iter().map(|role| role.role_id.as_str()).collect();
        if different.len() < 2 {
            return None;
        }
        let names: BTreeSet<&str> = held.iter().map(|role| role.role_name.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let summary = format!(
            "{} holds {}, of which a person may hold one.",
            person.display_name(),
            names.join(" and ")
        );
        // The role that was held first remains.
        let mut by_time = held.clone();
        by_time.sort_by_key(|role| (role.grant.at(), &role.assignment_id));
        let first = by_time.first().map(|role| role.role_id.as_str());
        let surplus = by_time.iter().filter(|role| Some(role.role_id.as_str()) != first);
        let grants = held.iter().map(|role| GrantEvidence::role(role));
        let finding = Finding::of_user(&person.id, Evidence::of(summary).with_grants(grants));
        Some(finding.with_fix(surplus.map(|role| role.revocation(&person.id))))
    }
}
