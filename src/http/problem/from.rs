//! Converts errors of the lower layers into problems.

use super::database::{busy, unavailable};
use super::quota::quota_exceeded;
use super::token::token_problem;
use super::{Problem, ProblemKind};
use crate::admin::AdminError;
use crate::domain::patch::ValidationError;
use crate::link::LinkError;
use crate::store::StoreError;
use crate::unified::UnifiedError;
use crate::unified::passthrough::PassthroughError;
use crate::vault::{CipherError, TokenError};
use crate::webhooks::WebhookError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => unavailable().with_source(&error),
            StoreError::Busy(_) => busy().with_source(&error),
            StoreError::Conflict(_) => {
                Self::new(ProblemKind::AlreadyExists, "Another resource has the same name or key.")
                    .with_source(&error)
            }
            StoreError::QuotaExceeded { quota, limit: most } => {
                quota_exceeded(*quota, *most).with_source(&error)
            }
            StoreError::Inconsistent { .. } | StoreError::Rejected(_) => {
                Self::internal().with_source(&error)
            }
        }
    }
}

impl From<CipherError> for Problem {
    fn from(error: CipherError) -> Self {
        Self::internal().with_source(&error)
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        token_problem(&error).with_source(&error)
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Store(error) => error.into(),
            error @ (WebhookError::Secrets(_)
            | WebhookError::Signature(_)
            | WebhookError::Event(_)
            | WebhookError::Task(_)) => Self::internal().with_source(&error),
        }
    }
}

impl Problem {
    /// Returns `invalid_body` with one error for each validation error.
    pub(in crate::http) fn invalid(errors: Vec<ValidationError>) -> Self {
        errors.into_iter().fold(
            Self::new(ProblemKind::InvalidBody, "The request body is invalid; see `errors`."),
            |problem, ValidationError { pointer, message }| problem.with_error(pointer, message),
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
                "The cursor is malformed, expired, or belongs to another list or account. Start again without it.",
            )
            .with_error("next_cursor", "is not a cursor of this list"),
            UnifiedError::Store(error) => error.into(),
            UnifiedError::Invalid(errors) => Self::invalid(errors),
            UnifiedError::Exists { id, error } => {
                let problem = Self::from(error);
                let detail = format!(
                    "{} Its id is {id}: use `on_conflict=return` or `on_conflict=update`, or PATCH it.",
                    problem.detail
                );
                Self { detail, ..problem }
            }
            UnifiedError::NotFound { resource } => {
                Self::new(ProblemKind::NotFound, format!("No {resource} has this id."))
            }
        }
    }
}

impl From<AdminError> for Problem {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound(resource) => Self::new(
                ProblemKind::NotFound,
                format!("No such {resource} exists in this environment."),
            ),
            AdminError::Revoked => {
                Self::new(ProblemKind::Unauthorized, "The key was revoked during the request.")
            }
            AdminError::NoOAuth => Self::new(
                ProblemKind::InvalidBody,
                "Accounts of this provider are linked with a form and need no OAuth client.",
            )
            .with_error("/provider", "must be a provider with OAuth, such as slack_enterprise"),
            AdminError::RefreshTooSoon { retry_after } => Self::new(
                ProblemKind::RefreshTooSoon,
                "The account's tokens were issued less than one minute ago. Use the account as it is.",
            )
            .with_retry_after(retry_after),
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
                format!("The proxy does not forward this path: {unknown}."),
            ),
            PassthroughError::Forbidden(method) => Self::new(
                ProblemKind::MethodForbidden,
                format!("The key's `allowed_methods` do not include `{method}`."),
            ),
            PassthroughError::NotAList(method) => Self::new(
                ProblemKind::InvalidQuery,
                format!("`{method}` is not a list with pages that the gateway can follow."),
            )
            .with_error("paginate", "is supported for lists only"),
            PassthroughError::Connector(error) => error.into(),
            PassthroughError::Store(error) => error.into(),
        }
    }
}

impl From<LinkError> for Problem {
    fn from(error: LinkError) -> Self {
        match &error {
            LinkError::NoProviderApp(provider) => Self::new(
                ProblemKind::NoProviderApp,
                format!(
                    "The environment has no OAuth client for {}: add one with POST /provider-apps.",
                    provider.title()
                ),
            ),
            LinkError::AccountNotFound => Self::new(
                ProblemKind::AccountNotFound,
                "The account to reconnect is not in this environment, is disconnected, or has another tenant.",
            ),
            LinkError::UnknownToken => {
                Self::new(ProblemKind::NotFound, "No such link token exists.")
            }
            LinkError::KeyRevoked => {
                Self::new(ProblemKind::Unauthorized, "The key was revoked during the request.")
            }
            LinkError::Store(StoreError::Unavailable(_)) => unavailable().with_source(&error),
            LinkError::Store(StoreError::Busy(_)) => busy().with_source(&error),
            LinkError::Store(StoreError::QuotaExceeded { quota, limit: most }) => {
                quota_exceeded(*quota, *most).with_source(&error)
            }
            LinkError::OriginNotAllowed(origin) => Self::new(
                ProblemKind::InvalidBody,
                "The redirect URI is not on an origin of the environment's link page.",
            )
            .with_error(
                "/redirect_uri",
                format!("has the origin {origin}: add it to link_page.origins with PATCH /environments/{{id}}"),
            ),
            LinkError::Expired
            | LinkError::OtherProvider
            | LinkError::InvalidBaseUrl(_)
            | LinkError::InvalidTokenUrl(_)
            | LinkError::InvalidCredentials(_)
            | LinkError::TokenEndpointNotFound(_)
            | LinkError::TokenCheck(_)
            | LinkError::Used
            | LinkError::UnknownState
            | LinkError::OtherBrowser
            | LinkError::StillConnecting
            | LinkError::ConsentDenied(_)
            | LinkError::Exchange(_)
            | LinkError::InvalidGrant(_)
            | LinkError::OtherOrganization
            | LinkError::OtherUsers
            | LinkError::DirectoryNotFound(_)
            | LinkError::TooManyAttempts(_)
            | LinkError::PublicUrl
            | LinkError::Store(_)
            | LinkError::Cipher(_) => Self::internal().with_source(&error),
        }
    }
}

/// Returns `account_disconnected`.
pub(in crate::http) fn account_disconnected() -> Problem {
    Problem::new(
        ProblemKind::AccountDisconnected,
        "The account was disconnected and its tokens are deleted. Let the customer connect again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::{ConnectorError, ErrorKind};
    use crate::domain::provider::Provider;

    /// The error kinds in the table of Slack's codes, and their problem types.
    const KINDS: [(&str, ErrorKind, u16, &str); 9] = [
        ("conflict", ErrorKind::Conflict, 409, "/problems/provider_conflict"),
        ("forbidden", ErrorKind::Forbidden, 403, "/problems/provider_forbidden"),
        (
            "invalid_argument",
            ErrorKind::InvalidArgument,
            422,
            "/problems/provider_invalid_argument",
        ),
        ("invalid_cursor", ErrorKind::InvalidCursor, 400, "/problems/invalid_cursor"),
        ("missing_scope", ErrorKind::MissingScope, 403, "/problems/provider_missing_scope"),
        ("needs_reauth", ErrorKind::NeedsReauth, 409, "/problems/account_needs_reauth"),
        ("not_found", ErrorKind::NotFound, 404, "/problems/provider_not_found"),
        ("rate_limited", ErrorKind::RateLimited, 429, "/problems/rate_limited"),
        ("trouble", ErrorKind::ProviderError, 502, "/problems/provider_error"),
    ];

    #[test]
    fn maps_every_provider_code_to_a_problem_with_a_fix() {
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
