//! `guest_limits`: upper limits of the number of guests, and of the workspaces of one guest.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Check, CheckContext, GroupCheck, GroupMember};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{
    DirectoryOperation, Evidence, Finding, FindingSubject, GrantEvidence, Person, SubjectKind,
};
use crate::store::PeopleFilter;

pub(super) const DESCRIPTION: &str =
    "The directory has at most `max_guests` guests, each in at most `max_workspaces` workspaces.";
pub(super) const EXAMPLE: &str = r#"{"max_guests": 200, "max_workspaces": 2}"#;

/// The only group.
const GUESTS: &str = "guest";
/// Why no operation ends too many guests.
const NO_FIX: &str =
    "Which guests lose their access is your decision: deactivate them with DELETE /users/{id}.";

/// Parameters of `guest_limits`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The maximum number of guests who can sign in; absent: any number.
    max_guests: Option<u32>,
    /// The maximum number of workspaces of one guest; absent: any number.
    #[schema(minimum = 1)]
    max_workspaces: Option<u32>,
}

impl Check for Parameters {
    fn validate(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        if self.max_guests.is_none() && self.max_workspaces.is_none() {
            errors.push(ValidationError::at("", "must have max_guests, max_workspaces or both"));
        }
        if self.max_workspaces == Some(0) {
            let message = "must be at least 1: a guest is in a workspace";
            errors.push(ValidationError::at("/max_workspaces", message));
        }
        errors
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        let limit = usize::try_from(self.max_workspaces?).unwrap_or(usize::MAX);
        if !person.is_guest() || !person.can_sign_in() || person.workspaces.len() <= limit {
            return None;
        }
        let summary = format!(
            "The guest {} is in {} workspaces; at most {limit} are allowed.",
            person.display_name(),
            person.workspaces.len()
        );
        // The workspaces that the guest has been in longest remain.
        let mut by_time: Vec<_> = person.workspaces.iter().collect();
        by_time.sort_by_key(|workspace| (workspace.grant.at(), &workspace.id));
        let surplus = by_time.iter().skip(limit);
        let memberships = person.workspaces.iter();
        let grants = memberships.map(|one| GrantEvidence::membership("workspace_member", one));
        let evidence = Evidence::of(summary).with_grants(grants).with_value("limit", limit);
        let fix = surplus.map(|workspace| DirectoryOperation::RemoveWorkspaceMember {
            workspace_id: workspace.id.clone(),
            user_id: person.id.clone(),
        });
        Some(Finding::of_user(&person.id, evidence).with_fix(fix))
    }

    fn groups(&self) -> Option<&dyn GroupCheck> {
        self.max_guests.is_some().then_some(self as &dyn GroupCheck)
    }
}

impl GroupCheck for Parameters {
    fn all(&self) -> Option<Vec<String>> {
        Some(vec![GUESTS.to_owned()])
    }

    fn of(&self, person: &Person) -> Vec<String> {
        let is_member = person.is_guest() && person.can_sign_in();
        is_member.then(|| GUESTS.to_owned()).into_iter().collect()
    }

    fn member(&self, person: &Person) -> GroupMember {
        GroupMember::of(person, Vec::new())
    }

    fn members(&self, _groups: &[String]) -> PeopleFilter {
        PeopleFilter::Guests
    }

    fn check(&self, group: &str, people: &[GroupMember]) -> Option<Finding> {
        let limit = usize::try_from(self.max_guests?).unwrap_or(usize::MAX);
        if people.len() <= limit {
            return None;
        }
        let summary =
            format!("The directory has {} guests; at most {limit} are allowed.", people.len());
        let evidence = Evidence::of(summary)
            .with_users(people.iter().map(|person| person.id.clone()))
            .with_value("guests", people.len())
            .with_value("limit", limit);
        Some(Finding::of(self.subject(group), evidence).without_fix(NO_FIX))
    }

    fn subject(&self, group: &str) -> FindingSubject {
        FindingSubject { kind: SubjectKind::UserType, id: group.to_owned() }
    }
}
