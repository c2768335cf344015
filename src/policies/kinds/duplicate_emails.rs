//! `duplicate_emails`: no two people who can sign in have the same primary e-mail address.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Check, GroupCheck, GroupMember};
use crate::domain::policy::{Evidence, Finding, FindingSubject, Person, SubjectKind};
use crate::store::PeopleFilter;

pub(super) const DESCRIPTION: &str =
    "No two people who can sign in have the same primary e-mail address.";
pub(super) const EXAMPLE: &str = "{}";

/// Why no operation ends a violation.
const NO_FIX: &str = "Which account is the right one is your decision: change the address of the \
    others with PATCH /users/{id}, or deactivate them.";

/// Parameters of `duplicate_emails`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {}

impl Check for Parameters {
    fn groups(&self) -> Option<&dyn GroupCheck> {
        Some(self)
    }
}

impl GroupCheck for Parameters {
    fn of(&self, person: &Person) -> Vec<String> {
        let email = person.email().filter(|email| !email.is_empty() && person.can_sign_in());
        email.map(str::to_lowercase).into_iter().collect()
    }

    fn member(&self, person: &Person) -> GroupMember {
        GroupMember::of(person, Vec::new())
    }

    fn members(&self, groups: &[String]) -> PeopleFilter {
        PeopleFilter::Emails(groups.to_vec())
    }

    fn check(&self, group: &str, people: &[GroupMember]) -> Option<Finding> {
        let [_, _, ..] = people else { return None };
        let names: Vec<&str> = people.iter().take(5).map(|person| person.name.as_str()).collect();
        let more = if people.len() > names.len() { ", …" } else { "" };
        let summary = format!(
            "{} people have the e-mail address {group}: {}{more}.",
            people.len(),
            names.join(", ")
        );
        let evidence = Evidence::of(summary)
            .with_users(people.iter().map(|person| person.id.clone()))
            .with_value("people", people.len());
        Some(Finding::of(self.subject(group), evidence).without_fix(NO_FIX))
    }

    fn subject(&self, group: &str) -> FindingSubject {
        FindingSubject { kind: SubjectKind::Email, id: group.to_owned() }
    }
}
