//! `unmanaged_change`: privileged roles are granted and removed through this gateway only.

use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::validation::{Pointed, not_empty_if_given};
use super::{Check, CheckContext, Reference, ReferenceKind};
use crate::domain::event::EventActor;
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Evidence, Finding, GrantEvidence, HeldRole, LostRole, Person};
use crate::domain::sync::SyncResource;

pub(super) const DESCRIPTION: &str = "Privileged roles are granted and removed through this gateway only. Changes that are older than the sync do not count.";
pub(super) const EXAMPLE: &str = "{}";

/// The kind of actor of changes by this gateway.
const GATEWAY: &str = "gateway";
/// Why no operation returns a role.
const NO_FIX: &str = "Whether the person gets a removed role back is your decision: assign it with \
    POST /role-assignments, or accept the removal with POST /drift/{id}/acknowledge.";

/// Parameters of `unmanaged_change`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The roles, as in `/roles`; absent: all privileged ones.
    #[schema(min_items = 1, max_items = 100)]
    role_ids: Option<Vec<String>>,
    /// Only changes since this time count; absent: all since the sync began.
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
}

impl Parameters {
    fn concerns(&self, role: &HeldRole) -> bool {
        match &self.role_ids {
            Some(ids) => ids.contains(&role.role_id),
            None => role.is_privileged,
        }
    }

    fn is_recent(&self, at: OffsetDateTime) -> bool {
        self.since.is_none_or(|since| at >= since)
    }

    /// Whether others granted a role.
    fn is_unmanaged(&self, role: &HeldRole) -> bool {
        let is_recent = role.grant.at().is_some_and(|at| self.is_recent(at));
        self.concerns(role)
            && is_recent
            && !is_gateway(role.grant.actor.as_ref())
            && !role.grant.is_older_than_sync
    }

    /// Whether others removed a role, besides one that they had granted.
    fn is_lost(&self, lost: &LostRole) -> bool {
        self.concerns(&lost.role)
            && self.is_recent(lost.removal.at())
            && !is_gateway(lost.removal.actor.as_ref())
            && !self.is_unmanaged(&lost.role)
    }
}

impl Check for Parameters {
    fn resources(&self) -> &'static [SyncResource] {
        &[SyncResource::RoleAssignments]
    }

    fn validate(&self) -> Vec<ValidationError> {
        not_empty_if_given("/role_ids", self.role_ids.as_deref())
    }

    fn references(&self) -> Vec<Reference> {
        let ids = self.role_ids.as_deref().unwrap_or_default();
        Pointed::new("/role_ids", ids).references(ReferenceKind::Role)
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        let granted: Vec<&HeldRole> =
            person.roles.iter().filter(|role| self.is_unmanaged(role)).collect();
        // Roles end with the access of a person who is deactivated.
        let lost = person.lost_roles.iter().filter(|_| person.can_sign_in());
        let lost: Vec<&LostRole> = lost.filter(|lost| self.is_lost(lost)).collect();
        if granted.is_empty() && lost.is_empty() {
            return None;
        }
        let evidence = Evidence::of(summary(person, &granted, &lost))
            .with_grants(granted.iter().map(|role| GrantEvidence::role(role)))
            .with_grants(lost.iter().map(|lost| GrantEvidence::lost_role(lost)));
        let finding = Finding::of_user(&person.id, evidence)
            .with_fix(granted.iter().map(|role| role.revocation(&person.id)));
        Some(if lost.is_empty() { finding } else { finding.without_fix(NO_FIX) })
    }
}

fn is_gateway(actor: Option<&EventActor>) -> bool {
    actor.is_some_and(|actor| actor.kind == GATEWAY)
}

/// Returns what was granted and removed, and by whom the first of it.
fn summary(person: &Person, granted: &[&HeldRole], lost: &[&LostRole]) -> String {
    let sentence = |what: String, actor: Option<&EventActor>| {
        let by = actor.and_then(|actor| actor.name.as_deref().or(actor.id.as_deref()));
        let (name, by) = (person.display_name(), by.unwrap_or("an unknown actor"));
        format!("{name} {what} outside of this gateway by {by}.")
    };
    let mut sentences = Vec::new();
    if let Some(first) = granted.first() {
        let names: Vec<&str> = granted.iter().map(|role| role.role_name.as_str()).collect();
        let what = format!("was granted {}", names.join(", "));
        sentences.push(sentence(what, first.grant.actor.as_ref()));
    }
    if let Some(first) = lost.first() {
        let names: Vec<&str> = lost.iter().map(|lost| lost.role.role_name.as_str()).collect();
        let what = format!("had {} removed", names.join(", "));
        sentences.push(sentence(what, first.removal.actor.as_ref()));
    }
    sentences.join(" ")
}
