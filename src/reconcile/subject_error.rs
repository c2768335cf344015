//! Provider errors in the reports of steps.

use crate::connectors::ConnectorError;

/// Describes a provider's error for the report of a step.
pub(super) fn describe(error: &ConnectorError) -> String {
    let code = error.code.as_deref().or(error.defect.as_deref());
    let what =
        code.map_or_else(|| error.to_string(), |code| format!("{} returned {code}.", error.method));
    error.fix.as_ref().map_or(what.clone(), |fix| format!("{what} {fix}"))
}
