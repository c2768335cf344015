//! `forbidden_workspaces`: people who match a condition are not members of certain workspaces.

use super::conditional_workspaces::{ConditionalWorkspaces, MembershipRule};
use crate::domain::policy::{
    DirectoryOperation, Evidence, Finding, GrantEvidence, Membership, Person,
};

pub(super) const DESCRIPTION: &str =
    "Everybody who matches the condition and can sign in is a member of none of the workspaces.";
pub(super) const EXAMPLE: &str = r#"{"when": {"field": "department", "op": "eq", "value": "Sales"}, "workspace_ids": ["T0EXAMPLE"]}"#;

/// Parameters of `forbidden_workspaces`.
pub(super) type Parameters = ConditionalWorkspaces<Forbidden>;

/// They must be members of none of them.
#[derive(Debug)]
pub(super) struct Forbidden;

impl MembershipRule for Forbidden {
    fn is_violated(person: &Person, workspace_ids: &[String]) -> bool {
        forbidden(person, workspace_ids).next().is_some()
    }

    fn finding(person: &Person, workspace_ids: &[String]) -> Finding {
        let forbidden: Vec<&Membership> = forbidden(person, workspace_ids).collect();
        let names: Vec<&str> = forbidden
            .iter()
            .map(|workspace| workspace.name.as_deref().unwrap_or(&workspace.id))
            .collect();
        let summary = format!("{} is a member of {}.", person.display_name(), names.join(", "));
        let grants = forbidden.iter().map(|one| GrantEvidence::membership("workspace_member", one));
        let evidence = Evidence::of(summary).with_grants(grants);
        let fix = forbidden.iter().map(|workspace| DirectoryOperation::RemoveWorkspaceMember {
            workspace_id: workspace.id.clone(),
            user_id: person.id.clone(),
        });
        Finding::of_user(&person.id, evidence).with_fix(fix)
    }
}

/// Returns the memberships of a person that are forbidden.
fn forbidden<'p>(
    person: &'p Person,
    workspace_ids: &[String],
) -> impl Iterator<Item = &'p Membership> {
    person.workspaces.iter().filter(|workspace| workspace_ids.contains(&workspace.id))
}
