//! Checks JSONata expressions before they are stored.

use std::time::Duration;

use crate::domain::ids::EnvironmentId;
use crate::domain::patch::ValidationError;
use crate::expressions::ExpressionError;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;

/// Time after which clients retry if no expression worker is free.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Adds an error for an expression that can't be parsed.
pub(super) async fn check_expression(
    state: &AppState,
    environment_id: EnvironmentId,
    (pointer, expression): (&str, &str),
    errors: &mut Vec<ValidationError>,
) -> Result<(), Problem> {
    match state.expressions.check(environment_id, expression).await {
        Ok(()) => Ok(()),
        Err(ExpressionError::Busy) => {
            let detail = "Too many expressions of this environment wait to be evaluated. \
                Retry after `Retry-After` seconds.";
            Err(Problem::new(ProblemKind::Overloaded, detail).with_retry_after(RETRY_AFTER))
        }
        Err(
            error @ (ExpressionError::Syntax(_)
            | ExpressionError::Evaluation(_)
            | ExpressionError::Limit(_)),
        ) => {
            errors.push(ValidationError::at(pointer, error.to_string()));
            Ok(())
        }
    }
}
