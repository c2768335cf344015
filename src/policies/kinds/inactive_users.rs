//! `inactive_users`: people who can sign in were active within some days.

use serde::Deserialize;
use time::Duration;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::validation::{not_empty_if_given, within};
use super::{Check, CheckContext};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{DirectoryOperation, Evidence, Finding, Person};
use crate::domain::user::UserType;

pub(super) const DESCRIPTION: &str =
    "Everybody who can sign in was active within the last `days` days.";
pub(super) const EXAMPLE: &str = r#"{"days": 90}"#;

/// Parameters of `inactive_users`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The number of days.
    #[schema(minimum = 1, maximum = 3_650)]
    days: u32,
    /// The kinds of members that it applies to; absent: all but bots.
    #[schema(min_items = 1)]
    user_types: Option<Vec<UserType>>,
    /// Whether people without a known activity violate it, once their accounts are that old. By default they do not,
    /// because not every provider has the times of activity.
    #[serde(default)]
    include_unknown: bool,
}

impl Check for Parameters {
    fn validate(&self) -> Vec<ValidationError> {
        let mut errors = within("/days", self.days, 1, 3_650);
        errors.extend(not_empty_if_given("/user_types", self.user_types.as_deref()));
        errors
    }

    fn check(&self, person: &Person, context: &CheckContext<'_>) -> Option<Finding> {
        let applies = match &self.user_types {
            Some(types) => types.contains(&person.profile.user_type),
            None => !person.is_bot(),
        };
        if !applies || !person.can_sign_in() {
            return None;
        }
        let since = context.now - Duration::days(self.days.into());
        let (name, days) = (person.display_name(), self.days);
        let summary = match person.last_activity_at {
            Some(last) if last < since => format!("{name} was not active for {days} days."),
            None if self.include_unknown => {
                let created = person.profile.created_at.unwrap_or(person.found_at);
                if created >= since {
                    return None;
                }
                format!("{name} has no known activity, and the account is older than {days} days.")
            }
            Some(_) | None => return None,
        };
        let last = person.last_activity_at.and_then(|last| last.format(&Rfc3339).ok());
        let evidence = Evidence::of(summary).with_value("last_activity_at", last);
        let fix = DirectoryOperation::DeactivateUser { user_id: person.id.clone() };
        Some(Finding::of_user(&person.id, evidence).with_fix([fix]))
    }
}
