//! `allowed_email_domains`: people have e-mail addresses of certain domains.

use serde::Deserialize;
use utoipa::ToSchema;

use super::validation::{not_empty, not_empty_if_given};
use super::{Check, CheckContext};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{DirectoryOperation, Evidence, Finding, Person};
use crate::domain::user::UserType;

pub(super) const DESCRIPTION: &str =
    "People who can sign in have a primary e-mail address of one of the domains.";
pub(super) const EXAMPLE: &str = r#"{"domains": ["example.com"], "user_types": ["member"]}"#;

/// Parameters of `allowed_email_domains`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The domains, without `@`. Subdomains are domains of their own.
    #[schema(min_items = 1, max_items = 100)]
    domains: Vec<String>,
    /// The kinds of members that it applies to; absent: all but bots.
    #[schema(min_items = 1)]
    user_types: Option<Vec<UserType>>,
}

impl Check for Parameters {
    fn validate(&self) -> Vec<ValidationError> {
        let mut errors = not_empty("/domains", &self.domains);
        errors.extend(not_empty_if_given("/user_types", self.user_types.as_deref()));
        for (index, domain) in self.domains.iter().enumerate() {
            if domain.is_empty() || domain.contains('@') || domain.contains(char::is_whitespace) {
                let message = "must be a domain such as example.com, without @";
                errors.push(ValidationError::at(format!("/domains/{index}"), message));
            }
        }
        errors
    }

    fn check(&self, person: &Person, _context: &CheckContext<'_>) -> Option<Finding> {
        let applies = match &self.user_types {
            Some(types) => types.contains(&person.profile.user_type),
            None => !person.is_bot(),
        };
        let email = person.email().filter(|_| applies && person.can_sign_in())?;
        let domain = email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())?;
        if self.domains.iter().any(|allowed| allowed.to_lowercase() == domain) {
            return None;
        }
        let summary = format!(
            "{} has the e-mail address {email}, whose domain is not allowed.",
            person.display_name()
        );
        let evidence =
            Evidence::of(summary).with_value("email", email).with_value("domain", domain);
        let fix = DirectoryOperation::DeactivateUser { user_id: person.id.clone() };
        Some(Finding::of_user(&person.id, evidence).with_fix([fix]))
    }
}
