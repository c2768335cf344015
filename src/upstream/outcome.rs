//! Maps the result of an attempt to the circuit breaker, metrics and traces.

use super::circuit_breaker::Reachable;
use super::error::UpstreamError;
use super::response::{ProviderResponse, ResponseClass};
use crate::telemetry::{CallOutcome, Span};

/// Returns whether the host was reached: any response counts.
pub(super) fn reachable(result: &Result<Box<ProviderResponse>, UpstreamError>) -> Reachable {
    match result {
        Err(UpstreamError::Connect(_) | UpstreamError::Timeout) => Reachable::No,
        Ok(_)
        | Err(
            UpstreamError::CallerStalled
            | UpstreamError::Interrupted(_)
            | UpstreamError::NotAllowed
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge
            | UpstreamError::RateLimited { .. }
            | UpstreamError::TooManyWaiting
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::Token(_),
        ) => Reachable::Yes,
    }
}

/// Returns the outcome under which the call is counted.
pub(super) fn call_outcome(result: &Result<Box<ProviderResponse>, UpstreamError>) -> CallOutcome {
    match result {
        Ok(response) => match response.class {
            ResponseClass::Final => CallOutcome::Completed,
            ResponseClass::TokenInvalid => CallOutcome::TokenInvalid,
            ResponseClass::TokenRejected => CallOutcome::TokenRejected,
            ResponseClass::RateLimited => CallOutcome::RateLimited,
            ResponseClass::ServerError => CallOutcome::ServerError,
        },
        Err(UpstreamError::Connect(_)) => CallOutcome::Unreachable,
        Err(UpstreamError::Timeout) => CallOutcome::Timeout,
        Err(
            UpstreamError::CallerStalled
            | UpstreamError::Interrupted(_)
            | UpstreamError::NotAllowed
            | UpstreamError::TooManyWaiting
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge
            | UpstreamError::RateLimited { .. }
            | UpstreamError::Token(_),
        ) => CallOutcome::Interrupted,
    }
}

/// Records the result of an attempt in its span.
pub(super) fn end_span(span: &Span, result: &Result<Box<ProviderResponse>, UpstreamError>) {
    if let Ok(response) = result {
        span.set_attribute("http.response.status_code", || i64::from(response.status.as_u16()));
    }
    let outcome = call_outcome(result);
    if outcome != CallOutcome::Completed {
        span.set_error(outcome.name());
    }
}
