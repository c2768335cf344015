//! The kinds of policies, one file each. A kind has parameters, which are validated and described as JSON Schema, and a
//! check of each person or of groups of people.

mod allowed_email_domains;
mod conditional_workspaces;
mod duplicate_emails;
mod expression;
mod forbidden_workspaces;
mod guest_limits;
mod guests_must_expire;
mod holders;
mod inactive_users;
mod max_holders;
mod min_holders;
mod no_access_after_deactivation;
mod required_workspaces;
mod role_holders;
mod schema;
mod separation_of_duties;
mod sign_in;
mod sso_required;
mod two_factor_required;
mod unmanaged_change;
pub(super) mod validation;

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::patch::{ValidationError, json_pointer};
use crate::domain::policy::{ExpressionResults, Finding, FindingSubject, GrantEvidence, Person};
use crate::domain::sync::SyncResource;
use crate::store::PeopleFilter;

/// How the parser names the numbers of parameters, and how messages do.
const RUST_NUMBER: &str = "expected u32";
const NUMBER: &str = "expected a whole number from 0 to 4294967295";

/// What a check may look at besides the person.
#[derive(Debug)]
pub(super) struct CheckContext<'a> {
    /// The time of the evaluation.
    pub(super) now: OffsetDateTime,
    /// The results of the kind's expressions for the person.
    pub(super) results: &'a ExpressionResults<'a>,
}

/// The parameters of a policy of one kind, and its rule.
pub(super) trait Check: Debug + Send + Sync {
    /// Returns the resources that the rule looks at, besides users.
    fn resources(&self) -> &'static [SyncResource] {
        &[]
    }

    /// Returns the errors that deserialization does not find; pointers are relative to the parameters.
    fn validate(&self) -> Vec<ValidationError> {
        Vec::new()
    }

    /// Returns the ids of roles and workspaces that the parameters name, with their pointers.
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Returns the expressions whose results the rule needs.
    fn expressions(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns what a person violates.
    fn check(&self, _person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        None
    }

    /// Whether a rule without a finding can't be decided for a person, because an expression failed that decides.
    fn is_undecided(&self, _person: &Person, _context: &CheckContext<'_>) -> bool {
        false
    }

    /// Returns the rule over several people, if this is one.
    fn groups(&self) -> Option<&dyn GroupCheck> {
        None
    }
}

/// A rule over groups of people, such as those who hold a role.
pub(super) trait GroupCheck: Debug + Send + Sync {
    /// Returns the groups where they are known in advance: they are checked even if they are empty.
    fn all(&self) -> Option<Vec<String>> {
        None
    }

    /// Returns the groups that a person is in.
    fn of(&self, person: &Person) -> Vec<String>;

    /// Returns a person as a member of a group.
    fn member(&self, person: &Person) -> GroupMember;

    /// Returns who may be in these groups.
    fn members(&self, groups: &[String]) -> PeopleFilter;

    /// Returns what a group violates. Its people are in the order of their ids.
    fn check(&self, group: &str, people: &[GroupMember]) -> Option<Finding>;

    /// Returns the subject of what a group violates.
    fn subject(&self, group: &str) -> FindingSubject;
}

/// A person of a group, as far as a rule over several people looks at it.
#[derive(Debug, Clone)]
pub(super) struct GroupMember {
    /// The user's id.
    pub(super) id: String,
    /// The name for messages.
    pub(super) name: String,
    /// What was granted, if the rule is about that.
    pub(super) grants: Vec<GrantEvidence>,
}

impl GroupMember {
    fn of(person: &Person, grants: Vec<GrantEvidence>) -> Self {
        Self { id: person.id.clone(), name: person.display_name().to_owned(), grants }
    }
}

/// What an id in the parameters refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceKind {
    /// A role.
    Role,
    /// A workspace.
    Workspace,
}

/// An id in the parameters of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it refers to.
    pub kind: ReferenceKind,
    /// The id.
    pub id: String,
    /// Its place, relative to the parameters.
    pub pointer: String,
}

/// A kind of policy.
#[derive(Clone, Copy)]
pub struct PolicyKind {
    /// The name.
    pub name: &'static str,
    /// What a policy of this kind requires, in a sentence.
    pub description: &'static str,
    /// Example parameters, as JSON.
    pub example: &'static str,
    schema: fn() -> Value,
    parse: fn(&Value) -> Result<Box<dyn Check>, ValidationError>,
}

impl Debug for PolicyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicyKind").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Names the kinds; each is a file with `Parameters`, `DESCRIPTION` and `EXAMPLE`.
macro_rules! kinds {
    ($($kind:ident,)*) => {
        /// Every kind, by name.
        pub static KINDS: &[PolicyKind] = &[$(PolicyKind {
            name: stringify!($kind),
            description: $kind::DESCRIPTION,
            example: $kind::EXAMPLE,
            schema: schema::of::<$kind::Parameters>,
            parse: parse::<$kind::Parameters>,
        }),*];
    };
}

kinds! {
    allowed_email_domains,
    duplicate_emails,
    expression,
    forbidden_workspaces,
    guest_limits,
    guests_must_expire,
    inactive_users,
    max_holders,
    min_holders,
    no_access_after_deactivation,
    required_workspaces,
    role_holders,
    separation_of_duties,
    sso_required,
    two_factor_required,
    unmanaged_change,
}

impl PolicyKind {
    /// Returns the kind with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Returns the JSON Schema of the parameters.
    #[must_use]
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// Parses and validates parameters; pointers are relative to them.
    pub(super) fn check(&self, parameters: &Value) -> Result<Box<dyn Check>, Vec<ValidationError>> {
        let check = (self.parse)(parameters).map_err(|error| vec![error])?;
        let errors = check.validate();
        if errors.is_empty() { Ok(check) } else { Err(errors) }
    }
}

fn parse<P: DeserializeOwned + Check + ToSchema + 'static>(
    parameters: &Value,
) -> Result<Box<dyn Check>, ValidationError> {
    let parsed: Result<P, _> = serde_path_to_error::deserialize(parameters);
    match parsed {
        Ok(parsed) => Ok(Box::new(parsed)),
        Err(error) => {
            let message = error.inner().to_string().replace(RUST_NUMBER, NUMBER);
            Err(ValidationError::at(json_pointer(error.path()), message))
        }
    }
}
