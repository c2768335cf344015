//! Converts errors of connectors into problems.

use super::token::{needs_reauth, token_problem};
use super::{Problem, ProblemKind, ProviderFailure};
use crate::connectors::{ConnectorError, ErrorKind, ReadBack};

impl From<ConnectorError> for Problem {
    fn from(error: ConnectorError) -> Self {
        if let Some(token) = error.token_error() {
            let provider = (error.kind != ErrorKind::Internal).then(|| provider_failure(&error));
            return Self { provider, ..token_problem(token) }.with_source(&error);
        }
        if error.kind == ErrorKind::NeedsReauth {
            return Self {
                provider: Some(provider_failure(&error)),
                ..needs_reauth(error.code.as_deref())
            }
            .with_source(&error);
        }
        if error.kind == ErrorKind::ReservedArgument {
            return reserved(&error);
        }
        if let Some(problem) = not_sent(&error) {
            return problem;
        }
        let provider = error.provider.title();
        let code = error.code.as_deref().unwrap_or("no code");
        let Some((kind, detail)) = kind_and_detail(&error, provider, code) else {
            return Self::internal().with_source(&error);
        };
        let (kind, detail) = with_read_back(kind, detail, &error);
        let detail = match error.fix {
            Some(fix) => format!("{detail} {fix}"),
            None => detail,
        };
        let problem = Self { provider: Some(provider_failure(&error)), ..Self::new(kind, detail) };
        let problem = match error.field {
            Some(field) => {
                problem.with_error(field, format!("was rejected by {provider} ({code})"))
            }
            None => problem,
        };
        let problem = match error.retry_after {
            Some(pause) => problem.with_retry_after(pause),
            None => problem,
        };
        problem.with_source(&error)
    }
}

/// Returns the problem type and the detail of an error of a connector; `None` for an internal error.
fn kind_and_detail(
    error: &ConnectorError,
    provider: &str,
    code: &str,
) -> Option<(ProblemKind, String)> {
    Some(match error.kind {
        ErrorKind::NotFound => {
            (ProblemKind::ProviderNotFound, format!("{provider} returned not found ({code})."))
        }
        ErrorKind::InvalidArgument => (
            ProblemKind::ProviderInvalidArgument,
            format!("{provider} rejected the call ({code})."),
        ),
        ErrorKind::InvalidCursor => (
            ProblemKind::InvalidCursor,
            format!("{provider} no longer accepts the cursor. Start again without one."),
        ),
        ErrorKind::MissingScope => (ProblemKind::ProviderMissingScope, missing_scope(error)),
        ErrorKind::Forbidden => (
            ProblemKind::ProviderForbidden,
            format!("{provider} does not permit this to the user who installed the app ({code})."),
        ),
        ErrorKind::Conflict => (
            ProblemKind::ProviderConflict,
            format!("The current state at {provider} does not permit this ({code})."),
        ),
        ErrorKind::RateLimited => (
            ProblemKind::RateLimited,
            format!("Rate limit for {} reached; retry after `Retry-After` seconds.", error.method),
        ),
        ErrorKind::ProviderError => (
            ProblemKind::ProviderError,
            match &error.defect {
                Some(odd) => invalid_response(error, odd),
                None => {
                    format!("{provider} failed, or its response could not be parsed ({code}).")
                }
            },
        ),
        ErrorKind::CallerStalled => (
            ProblemKind::RequestTimeout,
            format!("The request body for {} stopped before its end.", error.method),
        ),
        ErrorKind::Timeout => (
            ProblemKind::ProviderTimeout,
            format!("{provider} did not respond to {} in time.", error.method),
        ),
        ErrorKind::Overloaded => (
            ProblemKind::Overloaded,
            format!(
                "No memory is available for the response to {}: too many or too large responses are \
                     in flight. Send fewer concurrent requests, or request smaller pages.",
                error.method
            ),
        ),
        ErrorKind::TooManyWaiting => (
            ProblemKind::EnvironmentOverloaded,
            "The environment has the maximum number of waiting calls (`quotas.waiting_share`)."
                .to_owned(),
        ),
        ErrorKind::NeedsReauth
        | ErrorKind::Internal
        | ErrorKind::ReservedArgument
        | ErrorKind::NotAssignable
        | ErrorKind::Unsupported
        | ErrorKind::Skipped => return None,
    })
}

/// Returns the detail for a response that can't be parsed. It advises a retry unless a change may have been applied.
fn invalid_response(error: &ConnectorError, odd: &str) -> String {
    let action = if error.read_back.is_none() { "Retry, and report" } else { "Report" };
    format!(
        "The response of {} to {} is invalid: {odd}. {action} this to the provider's support if it persists.",
        error.provider.title(),
        error.method
    )
}

/// Returns the type and the detail, amended by the result of reading the change back.
fn with_read_back(
    kind: ProblemKind,
    detail: String,
    error: &ConnectorError,
) -> (ProblemKind, String) {
    let provider = error.provider.title();
    match error.read_back {
        None => (kind, detail),
        Some(ReadBack::NotSent) => (kind, format!("{detail} The change was not sent.")),
        Some(ReadBack::NotApplied) => (
            kind,
            format!(
                "{detail} Read back afterwards, it was not applied; a slow provider may still apply it."
            ),
        ),
        Some(ReadBack::Unreadable) => (
            ProblemKind::ProviderOutcomeUnknown,
            format!(
                "{detail} It could not be read back either, so it may or may not have been applied."
            ),
        ),
        Some(ReadBack::Inconclusive) => (
            ProblemKind::ProviderOutcomeUnknown,
            format!("{detail} {provider} does not return enough to decide whether it was applied."),
        ),
    }
}

/// Returns the problem of a step that was not sent to the provider; `None` for other errors.
fn not_sent(error: &ConnectorError) -> Option<Problem> {
    let kind = match error.kind {
        ErrorKind::NotAssignable => ProblemKind::RoleNotAssignable,
        ErrorKind::Unsupported => ProblemKind::UnsupportedByProvider,
        ErrorKind::Skipped => ProblemKind::StepSkipped,
        ErrorKind::NotFound
        | ErrorKind::InvalidArgument
        | ErrorKind::ReservedArgument
        | ErrorKind::InvalidCursor
        | ErrorKind::MissingScope
        | ErrorKind::Forbidden
        | ErrorKind::Conflict
        | ErrorKind::RateLimited
        | ErrorKind::NeedsReauth
        | ErrorKind::ProviderError
        | ErrorKind::Timeout
        | ErrorKind::CallerStalled
        | ErrorKind::Overloaded
        | ErrorKind::TooManyWaiting
        | ErrorKind::Internal => return None,
    };
    let detail = error.fix.unwrap_or("The step was not attempted.");
    let problem = Problem::new(kind, detail);
    Some(match error.field {
        Some(field) => problem.with_error(field, detail),
        None => problem,
    })
}

fn reserved(error: &ConnectorError) -> Problem {
    let name = error.code.as_deref().unwrap_or_default();
    let detail = format!("`remote_query[{name}]` can't be forwarded to {}.", error.method);
    let message = "is set by a parameter of this API, or belongs to no call of this request";
    Problem::new(ProblemKind::InvalidQuery, detail)
        .with_error(format!("remote_query[{name}]"), message)
}

fn missing_scope(error: &ConnectorError) -> String {
    let needed = error.needed_scope.as_deref().unwrap_or("a scope that the provider did not name");
    format!(
        "{} requires {needed}. Add it to the provider app's scopes and let the customer link again.",
        error.method
    )
}

fn provider_failure(error: &ConnectorError) -> ProviderFailure {
    ProviderFailure {
        name: error.provider.name().to_owned(),
        method: error.method.to_string(),
        error: error.code.clone(),
        fix: error.fix.map(str::to_owned),
        request_id: error.request_id.clone(),
        needed_scope: error.needed_scope.clone(),
        provided_scope: error.provided_scope.clone(),
    }
}
