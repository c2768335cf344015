//! How an attempt ended, for the host's circuit, for metrics and for traces.

use super::answer::{Answer, Verdict};
use super::breaker::Reached;
use super::error::UpstreamError;
use crate::telemetry::{Called, Span};

/// What an attempt tells about the host: an answer of any kind is one.
pub(super) fn reached(result: &Result<Box<Answer>, UpstreamError>) -> Reached {
    match result {
        Err(UpstreamError::Connect(_) | UpstreamError::Timeout) => Reached::No,
        Ok(_)
        | Err(
            UpstreamError::CallerStalled
            | UpstreamError::Broken(_)
            | UpstreamError::NotAllowed
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge
            | UpstreamError::Limited { .. }
            | UpstreamError::TooManyWaiting
            | UpstreamError::Resting { .. }
            | UpstreamError::Token(_),
        ) => Reached::Yes,
    }
}

/// How a call is counted.
pub(super) fn called(result: &Result<Box<Answer>, UpstreamError>) -> Called {
    match result {
        Ok(answer) => match answer.verdict {
            Verdict::Final => Called::Answered,
            Verdict::DeadToken => Called::DeadToken,
            Verdict::RefusedToken => Called::RefusedToken,
            Verdict::TooFast => Called::TooFast,
            Verdict::Trouble => Called::Trouble,
        },
        Err(UpstreamError::Connect(_)) => Called::Unreachable,
        Err(UpstreamError::Timeout) => Called::Timeout,
        Err(
            UpstreamError::CallerStalled
            | UpstreamError::Broken(_)
            | UpstreamError::NotAllowed
            | UpstreamError::TooManyWaiting
            | UpstreamError::Resting { .. }
            | UpstreamError::OverBudget(_)
            | UpstreamError::TooLarge
            | UpstreamError::Limited { .. }
            | UpstreamError::Token(_),
        ) => Called::Broken,
    }
}

/// Notes how an attempt ended.
pub(super) fn end(span: &Span, result: &Result<Box<Answer>, UpstreamError>) {
    if let Ok(answer) = result {
        span.note("http.response.status_code", || i64::from(answer.status.as_u16()));
    }
    let outcome = called(result);
    if outcome != Called::Answered {
        span.fail(outcome.name());
    }
}
