//! `expression`: a JSONata expression is true for everybody.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Check, CheckContext};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Evidence, Finding, Person};
use crate::domain::sync::SyncResource;
use crate::expressions::MAX_EXPRESSION_BYTES;

pub(super) const DESCRIPTION: &str = "The JSONata expression over the unified user, with roles, workspaces and groups, is true for everybody.";
pub(super) const EXAMPLE: &str =
    r#"{"expression": "status != 'active' or $count(workspaces) > 0"}"#;

/// Why no operation ends a violation.
const NO_FIX: &str = "An expression does not say what must be changed: that is your decision.";

/// Parameters of `expression`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    /// The expression. A person for whom it is false violates the policy; where it fails or is not a boolean, the policy
    /// is reported as not evaluated.
    #[schema(min_length = 1, max_length = 4096)]
    expression: String,
}

impl Check for Parameters {
    fn resources(&self) -> &'static [SyncResource] {
        &[SyncResource::RoleAssignments, SyncResource::Groups]
    }

    fn validate(&self) -> Vec<ValidationError> {
        let is_valid = (1..=MAX_EXPRESSION_BYTES).contains(&self.expression.len());
        let message = format!("must have 1 to {MAX_EXPRESSION_BYTES} bytes");
        (!is_valid).then(|| ValidationError::at("/expression", message)).into_iter().collect()
    }

    fn expressions(&self) -> Vec<&str> {
        vec![&self.expression]
    }

    fn check(&self, person: &Person, context: &CheckContext<'_>) -> Option<Finding> {
        if context.results.get(&self.expression) != Some(false) {
            return None;
        }
        let summary = format!("The expression is false for {}.", person.display_name());
        let evidence = Evidence::of(summary).with_value("expression", self.expression.clone());
        Some(Finding::of_user(&person.id, evidence).without_fix(NO_FIX))
    }

    fn is_undecided(&self, _person: &Person, context: &CheckContext<'_>) -> bool {
        context.results.get(&self.expression).is_none()
    }
}
