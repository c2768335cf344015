//! What a failed call means for a run.

use crate::connectors::paging::EndlessList;
use crate::connectors::{ConnectorError, ErrorKind, IncompleteList};
use crate::domain::sync::SyncResource;
use crate::domain::sync_run::SyncProblem;

/// What follows from a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consequence {
    /// The resource is left out; the run ends as `partial`.
    SkipResource,
    /// The list is read from its start again.
    Restart,
    /// The run continues later at its checkpoint.
    Retry,
    /// The run has failed.
    Fail,
}

/// Returns what follows from a failed call.
pub(super) fn consequence(error: &ConnectorError) -> Consequence {
    if is_endless(error) {
        return Consequence::Fail;
    }
    match error.kind {
        ErrorKind::MissingScope | ErrorKind::Forbidden | ErrorKind::Unsupported => {
            Consequence::SkipResource
        }
        ErrorKind::InvalidCursor => Consequence::Restart,
        ErrorKind::NeedsReauth => Consequence::Fail,
        ErrorKind::NotFound
        | ErrorKind::InvalidArgument
        | ErrorKind::ReservedArgument
        | ErrorKind::NotAssignable
        | ErrorKind::Skipped
        | ErrorKind::Conflict
        | ErrorKind::RateLimited
        | ErrorKind::Overloaded
        | ErrorKind::TooManyWaiting
        | ErrorKind::ProviderError
        | ErrorKind::Timeout
        | ErrorKind::CallerStalled
        | ErrorKind::Internal => Consequence::Retry,
    }
}

/// Describes a failed call.
#[must_use]
pub fn describe(error: &ConnectorError, resource: Option<SyncResource>) -> SyncProblem {
    if is_endless(error) {
        return endless(resource, error.defect.as_deref().unwrap_or_default());
    }
    let code = match error.kind {
        ErrorKind::MissingScope => "missing_scope",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::NeedsReauth => "account_needs_reauth",
        ErrorKind::Unsupported => "unsupported_by_provider",
        ErrorKind::RateLimited => "rate_limited",
        ErrorKind::Timeout => "provider_timeout",
        ErrorKind::Internal => "internal",
        ErrorKind::Overloaded | ErrorKind::TooManyWaiting => "overloaded",
        ErrorKind::NotFound
        | ErrorKind::InvalidArgument
        | ErrorKind::ReservedArgument
        | ErrorKind::NotAssignable
        | ErrorKind::Skipped
        | ErrorKind::InvalidCursor
        | ErrorKind::Conflict
        | ErrorKind::ProviderError
        | ErrorKind::CallerStalled => "provider_error",
    };
    let reason = error.defect.as_deref().or(error.code.as_deref()).unwrap_or("no usable response");
    let fix = match (error.kind, &error.needed_scope) {
        (ErrorKind::MissingScope, Some(scope)) => {
            format!(" Link the account again with the scope `{scope}`.")
        }
        (ErrorKind::MissingScope, None) => " Link the account again with all scopes.".to_owned(),
        (ErrorKind::NeedsReauth, _) => " Link the account again.".to_owned(),
        _ => String::new(),
    };
    SyncProblem {
        code: code.to_owned(),
        detail: format!("{} failed: {reason}.{fix}", error.method),
        resource,
        method: Some(error.method.to_string()),
    }
}

/// Whether the provider's list has no end.
fn is_endless(error: &ConnectorError) -> bool {
    error.defect.as_deref().is_some_and(EndlessList::is_reason)
}

/// Describes a list that has no end.
pub(super) fn endless(resource: Option<SyncResource>, reason: &str) -> SyncProblem {
    SyncProblem {
        code: "endless_list".to_owned(),
        detail: format!("The provider's list can't be read to its end: {reason}."),
        resource,
        method: None,
    }
}

/// Describes a run that processes began again and again, without one that ended it.
pub(super) fn too_many_attempts() -> SyncProblem {
    SyncProblem {
        code: "too_many_attempts".to_owned(),
        detail:
            "The run was interrupted too often. See the logs of the processes that worked on it, \
                 then resume the run."
                .to_owned(),
        resource: None,
        method: None,
    }
}

/// Describes rows that could not be read.
pub(super) fn unreadable(resource: SyncResource, method: &str, count: usize) -> SyncProblem {
    SyncProblem {
        code: "unreadable_rows".to_owned(),
        detail: format!(
            "{count} rows of the provider could not be read; nothing of {resource} was removed."
        ),
        // A resource here would stop its reading.
        resource: None,
        method: Some(method.to_owned()),
    }
}

/// Describes a list that may have more rows than the provider returned.
pub(super) fn incomplete(resource: SyncResource, list: IncompleteList) -> SyncProblem {
    SyncProblem {
        code: "incomplete_list".to_owned(),
        detail: format!(
            "The provider counts more than the {} rows that it returned; nothing of {resource} was removed.",
            list.returned
        ),
        // A resource here would stop its reading.
        resource: None,
        method: Some(list.method.to_owned()),
    }
}
