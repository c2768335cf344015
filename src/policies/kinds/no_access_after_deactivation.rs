//! `no_access_after_deactivation`: deactivated people hold no roles and are in no groups.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Check, CheckContext};
use crate::domain::policy::{
    DirectoryOperation, Evidence, Finding, GrantEvidence, HeldRole, Person,
};
use crate::domain::sync::SyncResource;

pub(super) const DESCRIPTION: &str =
    "Deactivated people hold no roles besides those of a plain member, and are in no groups.";
pub(super) const EXAMPLE: &str = "{}";

/// The beginnings of the ids of levels, which every member has.
const LEVELS: [&str; 2] = ["org:", "ws:"];

/// Parameters of `no_access_after_deactivation`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {}

impl Check for Parameters {
    fn resources(&self) -> &'static [SyncResource] {
        &[SyncResource::RoleAssignments, SyncResource::Groups]
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        if person.can_sign_in() {
            return None;
        }
        let is_level = |role: &HeldRole| LEVELS.iter().any(|level| role.role_id.starts_with(level));
        let roles: Vec<&HeldRole> =
            person.roles.iter().filter(|role| role.is_privileged || !is_level(role)).collect();
        if roles.is_empty() && person.groups.is_empty() {
            return None;
        }
        let summary = format!(
            "{} is deactivated and still has {} roles and {} groups.",
            person.display_name(),
            roles.len(),
            person.groups.len()
        );
        let grants = roles.iter().map(|role| GrantEvidence::role(role)).chain(
            person.groups.iter().map(|group| GrantEvidence::membership("group_member", group)),
        );
        let leave = person.groups.iter().map(|group| DirectoryOperation::RemoveGroupMember {
            group_id: group.id.clone(),
            user_id: person.id.clone(),
        });
        let finding = Finding::of_user(&person.id, Evidence::of(summary).with_grants(grants));
        Some(finding.with_fix(roles.iter().map(|role| role.revocation(&person.id))).with_fix(leave))
    }
}
