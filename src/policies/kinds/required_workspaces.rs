//! `required_workspaces`: people who match a condition are members of certain workspaces.

use super::conditional_workspaces::{ConditionalWorkspaces, MembershipRule};
use crate::domain::policy::{DirectoryOperation, Evidence, Finding, Person};
use crate::domain::user::UserType;

pub(super) const DESCRIPTION: &str =
    "Everybody who matches the condition and can sign in is a member of each of the workspaces.";
pub(super) const EXAMPLE: &str = r#"{"when": {"field": "department", "op": "eq", "value": "Sales"}, "workspace_ids": ["T0EXAMPLE"]}"#;

/// Parameters of `required_workspaces`.
pub(super) type Parameters = ConditionalWorkspaces<Required>;

/// They must be members of all of them.
#[derive(Debug)]
pub(super) struct Required;

impl MembershipRule for Required {
    fn is_violated(person: &Person, workspace_ids: &[String]) -> bool {
        missing(person, workspace_ids).next().is_some()
    }

    fn finding(person: &Person, workspace_ids: &[String]) -> Finding {
        let missing: Vec<&str> = missing(person, workspace_ids).collect();
        let summary =
            format!("{} is not a member of {}.", person.display_name(), missing.join(", "));
        let fix = missing.iter().map(|id| DirectoryOperation::AddWorkspaceMember {
            workspace_id: (*id).to_owned(),
            user_id: person.id.clone(),
            user_type: UserType::Member,
            channel_ids: Vec::new(),
        });
        let fix: Vec<DirectoryOperation> = fix.collect();
        let evidence = Evidence::of(summary).with_value("workspace_ids", missing);
        Finding::of_user(&person.id, evidence).with_fix(fix)
    }
}

/// Returns the workspaces that a person is not a member of.
fn missing<'w>(person: &Person, workspace_ids: &'w [String]) -> impl Iterator<Item = &'w str> {
    let is_member = |id: &str| person.workspaces.iter().any(|workspace| workspace.id == id);
    workspace_ids.iter().map(String::as_str).filter(move |id| !is_member(id))
}
