//! `guests_must_expire`: the access of guests ends within some days.

use serde::Deserialize;
use time::Duration;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use super::validation::within;
use super::{Check, CheckContext};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{DirectoryOperation, Evidence, Finding, Person};

pub(super) const DESCRIPTION: &str = "The access of each guest ends within `within_days` days.";
pub(super) const EXAMPLE: &str = r#"{"within_days": 90}"#;

/// Parameters of `guests_must_expire`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The maximum number of days from now until the access of a guest ends.
    #[schema(minimum = 1, maximum = 3_650)]
    within_days: u32,
}

impl Check for Parameters {
    fn validate(&self) -> Vec<ValidationError> {
        within("/within_days", self.within_days, 1, 3_650)
    }

    fn check(&self, person: &Person, context: &CheckContext<'_>) -> Option<Finding> {
        if !person.is_guest() || !person.can_sign_in() {
            return None;
        }
        let latest = context.now + Duration::days(self.within_days.into());
        let name = person.display_name();
        let summary = match person.profile.expires_at {
            None => format!("The access of the guest {name} does not end."),
            Some(end) if end > latest => format!(
                "The access of the guest {name} ends in more than {} days.",
                self.within_days
            ),
            Some(_) => return None,
        };
        let end = person.profile.expires_at.and_then(|end| end.format(&Rfc3339).ok());
        let evidence = Evidence::of(summary).with_value("expires_at", end);
        let (user_id, in_days) = (person.id.clone(), self.within_days);
        let fix = DirectoryOperation::ExpireUser { user_id, in_days };
        Some(Finding::of_user(&person.id, evidence).with_fix([fix]))
    }
}
