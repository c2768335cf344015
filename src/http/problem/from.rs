//! Which failure is which problem.

use super::database::{busy, unavailable};
use super::quota::over_quota;
use super::token::{needs_reauth, no_token};
use super::{Problem, ProblemKind, ProviderFailure};
use crate::admin::AdminError;
use crate::connectors::{ConnectorError, Kind, ReadBack};
use crate::domain::input::Flaw;
use crate::link::LinkError;
use crate::store::StoreError;
use crate::unified::UnifiedError;
use crate::unified::passthrough::PassthroughError;
use crate::vault::{CipherError, TokenError};

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => unavailable().because(&error),
            StoreError::Busy(_) => busy().because(&error),
            StoreError::Conflict(_) => {
                Self::new(ProblemKind::AlreadyExists, "Another object has the same name or key.")
                    .because(&error)
            }
            StoreError::QuotaExceeded { quota, most } => over_quota(*quota, *most).because(&error),
            StoreError::Inconsistent { .. } | StoreError::Refused(_) => {
                Self::internal().because(&error)
            }
        }
    }
}

impl From<CipherError> for Problem {
    fn from(error: CipherError) -> Self {
        Self::internal().because(&error)
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        no_token(&error).because(&error)
    }
}

impl Problem {
    /// A body that says what can't be.
    pub(in crate::http) fn flawed(flaws: Vec<Flaw>) -> Self {
        flaws.into_iter().fold(
            Self::new(ProblemKind::InvalidBody, "The body can't be used as it is."),
            |problem, Flaw { pointer, message }| problem.at(pointer, message),
        )
    }
}

impl From<UnifiedError> for Problem {
    fn from(error: UnifiedError) -> Self {
        match error {
            UnifiedError::Connector(error) => error.into(),
            UnifiedError::Unsupported { provider, resource } => Self::new(
                ProblemKind::UnsupportedByProvider,
                format!("{} has no {resource}.", provider.title()),
            ),
            UnifiedError::InvalidCursor => Self::new(
                ProblemKind::InvalidCursor,
                "The cursor was changed, is of another list or account, or is too old. Begin again without it.",
            )
            .at("next_cursor", "is not a cursor of this list"),
            UnifiedError::Store(error) => error.into(),
            UnifiedError::Flawed(flaws) => Self::flawed(flaws),
            UnifiedError::Exists { id, error } => {
                let problem = Self::from(error);
                let detail = format!(
                    "{} It is {id}: use `on_conflict=return` or `on_conflict=update`, or PATCH it.",
                    problem.detail
                );
                Self { detail, ..problem }
            }
            UnifiedError::NotFound { resource } => {
                Self::new(ProblemKind::NotFound, format!("There is no {resource} with that id."))
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound(thing) => Self::new(
                ProblemKind::NotFound,
                format!("There is no such {thing} in this environment."),
            ),
            AdminError::Revoked => {
                Self::new(ProblemKind::Unauthorized, "The key was revoked a moment ago.")
            }
            AdminError::NoOAuth => Self::new(
                ProblemKind::InvalidBody,
                "Accounts of this provider are linked by a form: it takes no OAuth client.",
            )
            .at("/provider", "must be a provider with OAuth, such as slack_enterprise"),
            AdminError::RefreshTooSoon { retry_after } => Self::new(
                ProblemKind::RefreshTooSoon,
                "The account's tokens were issued less than a minute ago. Use the account as it is.",
            )
            .retry_after(retry_after),
            AdminError::Connector(error) => error.into(),
            AdminError::Token(error) => error.into(),
            AdminError::Cipher(error) => error.into(),
            AdminError::Store(error) => error.into(),
        }
    }
}

impl From<PassthroughError> for Problem {
    fn from(error: PassthroughError) -> Self {
        match error {
            PassthroughError::UnknownPath(unknown) => Self::new(
                ProblemKind::UnknownProviderPath,
                format!("This path is not passed on: {unknown}."),
            ),
            PassthroughError::Forbidden(method) => Self::new(
                ProblemKind::MethodForbidden,
                format!("The key may not call `{method}`: it was made for other methods."),
            ),
            PassthroughError::NotAList(method) => Self::new(
                ProblemKind::InvalidQuery,
                format!(
                    "`{method}` is no list of the provider that can be followed over its pages."
                ),
            )
            .at("paginate", "is for lists only"),
            PassthroughError::Connector(error) => error.into(),
            PassthroughError::Store(error) => error.into(),
        }
    }
}

impl From<ConnectorError> for Problem {
    fn from(error: ConnectorError) -> Self {
        if let Some(token) = error.token_error() {
            let provider = (error.kind != Kind::Internal).then(|| failure(&error));
            return Self { provider, ..no_token(token) }.because(&error);
        }
        if error.kind == Kind::NeedsReauth {
            return Self { provider: Some(failure(&error)), ..needs_reauth(error.code.as_deref()) }
                .because(&error);
        }
        if error.kind == Kind::Reserved {
            return reserved(&error);
        }
        if let Some(problem) = refused_here(&error) {
            return problem;
        }
        let provider = error.provider.title();
        let code = error.code.as_deref().unwrap_or("no code");
        let (kind, detail) = match error.kind {
            Kind::NotFound => {
                (ProblemKind::ProviderNotFound, format!("{provider} does not know it ({code})."))
            }
            Kind::InvalidArgument => (
                ProblemKind::ProviderInvalidArgument,
                format!("{provider} refused the call ({code})."),
            ),
            Kind::InvalidCursor => (
                ProblemKind::InvalidCursor,
                format!("{provider} no longer knows the page. Begin again without a cursor."),
            ),
            Kind::MissingScope => (ProblemKind::ProviderMissingScope, missing_scope(&error)),
            Kind::Forbidden => (
                ProblemKind::ProviderForbidden,
                format!(
                    "{provider} does not permit this to the person who installed the app ({code})."
                ),
            ),
            Kind::Conflict => (
                ProblemKind::ProviderConflict,
                format!("{provider} can't do it in the present state ({code})."),
            ),
            Kind::RateLimited => (
                ProblemKind::RateLimited,
                format!("The turn for {} would come too late.", error.method),
            ),
            Kind::Trouble => (
                ProblemKind::ProviderError,
                match &error.odd {
                    Some(odd) => unusable(&error, odd),
                    None => format!("{provider} failed, or its answer could not be read ({code})."),
                },
            ),
            Kind::CallerStalled => (
                ProblemKind::RequestTimeout,
                format!("The body of the call of {} stopped coming before its end.", error.method),
            ),
            Kind::Timeout => (
                ProblemKind::ProviderTimeout,
                format!("{provider} did not answer {} in time.", error.method),
            ),
            Kind::Overloaded => (
                ProblemKind::Overloaded,
                format!(
                    "There is no memory left for the response to {}: the responses in flight are too \
                     many or too large. Send fewer requests at the same time, or ask for smaller pages.",
                    error.method
                ),
            ),
            Kind::TooManyWaiting => (
                ProblemKind::EnvironmentOverloaded,
                "The environment has as many calls waiting as `quotas.waiting_share` permits."
                    .to_owned(),
            ),
            Kind::NeedsReauth | Kind::Internal | Kind::Reserved | Kind::Refused | Kind::Skipped => {
                return Self::internal().because(&error);
            }
        };
        let (kind, detail) = with_read_back(kind, detail, &error);
        let detail = match error.fix {
            Some(fix) => format!("{detail} {fix}"),
            None => detail,
        };
        let problem = Self { provider: Some(failure(&error)), ..Self::new(kind, detail) };
        let problem = match error.field {
            Some(field) => problem.at(field, format!("is refused by {provider} ({code})")),
            None => problem,
        };
        let problem = match error.retry_after {
            Some(pause) => problem.retry_after(pause),
            None => problem,
        };
        problem.because(&error)
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match &error {
            LinkError::NoProviderApp(provider) => Self::new(
                ProblemKind::NoProviderApp,
                format!(
                    "Add an OAuth client of {} with POST /provider-apps first.",
                    provider.title()
                ),
            ),
            LinkError::AccountNotFound => Self::new(
                ProblemKind::AccountNotFound,
                "The account to connect again is not in this environment, is disconnected, or has another tenant.",
            ),
            LinkError::UnknownToken => {
                Self::new(ProblemKind::NotFound, "There is no such link token.")
            }
            LinkError::KeyRevoked => {
                Self::new(ProblemKind::Unauthorized, "The key was revoked a moment ago.")
            }
            LinkError::Store(StoreError::Unavailable(_)) => unavailable().because(&error),
            LinkError::Store(StoreError::Busy(_)) => busy().because(&error),
            LinkError::Store(StoreError::QuotaExceeded { quota, most }) => {
                over_quota(*quota, *most).because(&error)
            }
            LinkError::NotAllowed(origin) => Self::new(
                ProblemKind::InvalidBody,
                "A browser may be sent back to the origins of the environment's link page only.",
            )
            .at(
                "/redirect_uri",
                format!("has the origin {origin}: add it to link_page.origins with PATCH /environments/{{id}}"),
            ),
            LinkError::Expired
            | LinkError::OtherProvider
            | LinkError::BaseUrl(_)
            | LinkError::Trial(_)
            | LinkError::Used
            | LinkError::UnknownState
            | LinkError::OtherBrowser
            | LinkError::StillConnecting
            | LinkError::ConsentRefused(_)
            | LinkError::Exchange(_)
            | LinkError::Grant(_)
            | LinkError::OtherOrganization
            | LinkError::OtherUsers
            | LinkError::NoDirectory(_)
            | LinkError::TooManyAttempts(_)
            | LinkError::PublicUrl
            | LinkError::Store(_)
            | LinkError::Cipher(_) => Self::internal().because(&error),
        }
    }
}

/// What is said of a response that can't be used. A change that may have been done is not to be sent again blindly.
fn unusable(error: &ConnectorError, odd: &str) -> String {
    let again = if error.read_back.is_none() { "Send the request again, and show" } else { "Show" };
    format!(
        "The response of {} to {} can't be used: {odd}. {again} this to the provider's support if it stays.",
        error.provider.title(),
        error.method
    )
}

/// The problem of an account that was disconnected.
pub(in crate::http) fn account_disconnected() -> Problem {
    Problem::new(
        ProblemKind::AccountDisconnected,
        "The account was disconnected and its tokens are erased. Link the customer anew.",
    )
}

/// The kind and the detail, with what reading the change back showed.
fn with_read_back(
    kind: ProblemKind,
    detail: String,
    error: &ConnectorError,
) -> (ProblemKind, String) {
    let provider = error.provider.title();
    match error.read_back {
        None => (kind, detail),
        Some(ReadBack::NotSent) => (kind, format!("{detail} Nothing was sent to change it.")),
        Some(ReadBack::NotThere) => (
            kind,
            format!(
                "{detail} Read back afterwards, it was not done; a provider that is slow may still do it."
            ),
        ),
        Some(ReadBack::Unreadable) => (
            ProblemKind::ProviderOutcomeUnknown,
            format!(
                "{detail} It could not be read back either, so it may or may not have been done."
            ),
        ),
        Some(ReadBack::Undecided) => (
            ProblemKind::ProviderOutcomeUnknown,
            format!("{detail} {provider} does not show enough to decide whether it was done."),
        ),
    }
}

/// The problem of a step that was not sent: the provider said nothing.
fn refused_here(error: &ConnectorError) -> Option<Problem> {
    let kind = match error.kind {
        Kind::Refused => ProblemKind::RoleNotAssignable,
        Kind::Skipped => ProblemKind::StepSkipped,
        Kind::NotFound
        | Kind::InvalidArgument
        | Kind::Reserved
        | Kind::InvalidCursor
        | Kind::MissingScope
        | Kind::Forbidden
        | Kind::Conflict
        | Kind::RateLimited
        | Kind::NeedsReauth
        | Kind::Trouble
        | Kind::Timeout
        | Kind::CallerStalled
        | Kind::Overloaded
        | Kind::TooManyWaiting
        | Kind::Internal => return None,
    };
    let detail = error.fix.unwrap_or("The step was not tried.");
    let problem = Problem::new(kind, detail);
    Some(match error.field {
        Some(field) => problem.at(field, detail),
        None => problem,
    })
}

fn reserved(error: &ConnectorError) -> Problem {
    let name = error.code.as_deref().unwrap_or_default();
    let detail = format!("`remote_query[{name}]` can't be passed on to {}.", error.method);
    let message = "is set by a parameter of this API, or has no call to go to";
    Problem::new(ProblemKind::InvalidQuery, detail).at(format!("remote_query[{name}]"), message)
}

fn missing_scope(error: &ConnectorError) -> String {
    let needed = error.needed_scope.as_deref().unwrap_or("a scope that was not named");
    format!(
        "{} needs {needed}. Add it to the provider app's scopes and let the customer link again.",
        error.method
    )
}

fn failure(error: &ConnectorError) -> ProviderFailure {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Provider;

    /// The kinds of the table of Slack's codes, and the problem that each is.
    const KINDS: [(&str, Kind, u16, &str); 9] = [
        ("conflict", Kind::Conflict, 409, "/problems/provider_conflict"),
        ("forbidden", Kind::Forbidden, 403, "/problems/provider_forbidden"),
        ("invalid_argument", Kind::InvalidArgument, 422, "/problems/provider_invalid_argument"),
        ("invalid_cursor", Kind::InvalidCursor, 400, "/problems/invalid_cursor"),
        ("missing_scope", Kind::MissingScope, 403, "/problems/provider_missing_scope"),
        ("needs_reauth", Kind::NeedsReauth, 409, "/problems/account_needs_reauth"),
        ("not_found", Kind::NotFound, 404, "/problems/provider_not_found"),
        ("rate_limited", Kind::RateLimited, 429, "/problems/rate_limited"),
        ("trouble", Kind::Trouble, 502, "/problems/provider_error"),
    ];

    #[test]
    fn every_code_of_the_provider_is_a_problem_that_says_how_to_fix_it() {
        let table = include_str!("../../../config/slack_enterprise_errors.tsv");
        for row in table.lines().filter(|line| !line.starts_with('#')) {
            let [code, kind, fix] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let (_, kind, status, name) = KINDS.into_iter().find(|known| known.0 == kind).unwrap();
            let method = "admin.users.assign";
            let mut error = ConnectorError::new(Provider::SlackEnterprise, method, kind);
            error.code = Some(code.to_owned());
            error.fix = Some(fix);
            error.needed_scope = Some("admin.users:write".to_owned());
            let problem = Problem::from(error).to_json("req_1");
            assert_eq!(
                (&problem["type"], &problem["status"]),
                (&name.into(), &status.into()),
                "{row}"
            );
            let provider = &problem["provider"];
            assert_eq!(
                (&provider["error"], &provider["fix"]),
                (&code.into(), &fix.into()),
                "{row}"
            );
            assert_eq!(provider["method"], "admin.users.assign", "{row}");
            assert_eq!(provider["needed_scope"], "admin.users:write", "{row}");
        }
    }
}
