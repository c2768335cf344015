//! Writes the gateway's own errors of raw calls in the provider's error format, so that its SDKs can parse them. A
//! `Link` header refers to the problem.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::domain::provider::Provider;
use crate::http::problem::{Problem, ProblemKind};

/// The path prefix of the proxy.
pub(super) const PATH_PREFIX: &str = "/proxy/";

/// Maximum length of a provider's error code that is repeated.
const MAX_CODE_CHARS: usize = 80;

/// A provider's error format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum ErrorFormat {
    /// Slack's Web API: `{"ok": false, "error": CODE}`.
    WebApi,
    /// Slack's audit logs API: the same with its own codes.
    AuditLogs,
    /// SCIM 1.1: `{"Errors": […]}`.
    Scim1,
    /// SCIM 2.0, RFC 7644 §3.12.
    Scim2,
}

impl ErrorFormat {
    /// Returns the error format of a path; `None` for paths of our own API.
    pub(in crate::http) fn of(path: &str, provider: Option<Provider>) -> Option<Self> {
        let path = path.strip_prefix(PATH_PREFIX).filter(|path| !path.is_empty())?;
        if provider == Some(Provider::Scim) {
            return Some(Self::Scim2);
        }
        match path.split('/').next() {
            Some("api") => Some(Self::WebApi),
            Some("audit") => Some(Self::AuditLogs),
            Some("scim") if path.starts_with("scim/v1") => Some(Self::Scim1),
            Some("scim") => Some(Self::Scim2),
            _ => None,
        }
    }

    /// Replaces the body of a response with the problem in this format.
    pub(in crate::http) fn write(self, problem: &Problem, response: &mut Response) {
        let (body, media_type) = match self {
            Self::WebApi => (web_api(problem), "application/json; charset=utf-8"),
            Self::AuditLogs => (audit_logs(problem), "application/json; charset=utf-8"),
            Self::Scim1 => (scim1(problem), "application/json; charset=utf-8"),
            Self::Scim2 => (scim2(problem), "application/scim+json; charset=utf-8"),
        };
        *response.body_mut() = Body::from(body.to_string());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        let link = format!("</problems/{}>; rel=\"help\"", problem.kind().name());
        if let Ok(link) = HeaderValue::try_from(link) {
            headers.insert(header::LINK, link);
        }
    }
}

fn web_api(problem: &Problem) -> Value {
    let code = provider_code(problem).unwrap_or_else(|| web_api_code(problem));
    let mut body = json!({"ok": false, "error": code});
    insert_scopes(problem, &mut body);
    // Slack's SDKs log these messages.
    let messages = problem.messages().map(|sentence| format!("[ERROR] {sentence}"));
    insert(&mut body, "response_metadata", json!({"messages": messages.collect::<Vec<_>>()}));
    body
}

fn audit_logs(problem: &Problem) -> Value {
    let code = provider_code(problem).unwrap_or_else(|| match web_api_code(problem) {
        "not_authed" => "missing_authentication",
        "invalid_auth" => "invalid_authentication",
        "ratelimited" => "rate_limited",
        "unknown_method" => "bad_endpoint",
        other => other,
    });
    let mut body = json!({"ok": false, "error": code});
    insert_scopes(problem, &mut body);
    insert(&mut body, "detail", problem.messages().collect::<Vec<_>>().join(" ").into());
    body
}

fn scim1(problem: &Problem) -> Value {
    let description = problem.messages().collect::<Vec<_>>().join(" ");
    json!({"Errors": [{"description": description, "code": problem.kind().status().as_u16()}]})
}

fn scim2(problem: &Problem) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "detail": problem.messages().collect::<Vec<_>>().join(" "),
        "status": problem.kind().status().as_u16().to_string(),
    });
    // RFC 7644 defines `scimType` for status 400 only.
    let is_value = matches!(
        problem.kind(),
        ProblemKind::InvalidQuery | ProblemKind::AccountRequired | ProblemKind::AmbiguousAccount
    );
    if is_value {
        insert(&mut body, "scimType", "invalidValue".into());
    }
    body
}

fn insert(body: &mut Value, name: &str, value: Value) {
    if let Some(fields) = body.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Adds the needed and provided scopes, if one is missing.
fn insert_scopes(problem: &Problem, body: &mut Value) {
    let failure = problem.provider();
    let needed = failure.and_then(|failure| failure.needed_scope.as_deref());
    let needed =
        needed.or_else(|| (problem.kind() == ProblemKind::InsufficientScope).then_some("proxy"));
    if let Some(needed) = needed {
        let held = failure.and_then(|failure| failure.provided_scope.as_deref());
        insert(body, "needed", needed.into());
        insert(body, "provided", held.unwrap_or_default().into());
    }
}

/// Returns the provider's own error code, if the problem reports one.
fn provider_code(problem: &Problem) -> Option<&str> {
    let repeats_it = matches!(
        problem.kind(),
        ProblemKind::InvalidCursor
            | ProblemKind::ProviderConflict
            | ProblemKind::ProviderForbidden
            | ProblemKind::ProviderInvalidArgument
            | ProblemKind::ProviderMissingScope
            | ProblemKind::ProviderNotFound
    );
    let code = problem.provider().filter(|_| repeats_it)?.error.as_deref()?;
    let is_plain = (1..=MAX_CODE_CHARS).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_plain.then_some(code)
}

/// Returns the Slack error code that corresponds to a problem. Codes that make SDKs discard a token are used for that
/// case only.
fn web_api_code(problem: &Problem) -> &'static str {
    use ProblemKind as Kind;
    match problem.kind() {
        Kind::Unauthorized if problem.has_no_credentials() => "not_authed",
        Kind::Unauthorized => "invalid_auth",
        Kind::TooManyWrongKeys | Kind::RateLimited | Kind::RefreshTooSoon => "ratelimited",
        Kind::InsufficientScope | Kind::ProviderMissingScope => "missing_scope",
        Kind::MethodForbidden | Kind::ProviderForbidden => "no_permission",
        Kind::AddressNotAllowed | Kind::CrossSiteRequest => "access_denied",
        Kind::RouteNotFound
        | Kind::MethodNotAllowed
        | Kind::UnknownProviderPath
        | Kind::UnsupportedByProvider => "unknown_method",
        Kind::UnsupportedMediaType => "invalid_post_type",
        Kind::InvalidBody => "invalid_form_data",
        Kind::RequestTimeout | Kind::ProviderTimeout => "request_timeout",
        Kind::Overloaded | Kind::EnvironmentOverloaded | Kind::Unavailable => "service_unavailable",
        Kind::AccountNeedsReauth => "token_revoked",
        Kind::AccountDisconnected => "account_inactive",
        Kind::ProviderAppRefused => "token_expired",
        Kind::InvalidCursor => "invalid_cursor",
        Kind::NotFound | Kind::ProviderNotFound => "not_found",
        Kind::ProviderError | Kind::ProviderOutcomeUnknown | Kind::Internal => "internal_error",
        Kind::InvalidQuery
        | Kind::BodyTooLarge
        | Kind::AccountRequired
        | Kind::AccountNotFound
        | Kind::AmbiguousAccount
        | Kind::NotRefreshable
        | Kind::NoProviderApp
        | Kind::ProviderAppInUse
        | Kind::AlreadyExists
        | Kind::IdempotencyKeyInvalid
        | Kind::IdempotencyKeyReused
        | Kind::IdempotencyKeyInFlight
        | Kind::IdempotencyInDoubt
        | Kind::SecretShownOnce
        | Kind::RoleNotAssignable
        | Kind::StepSkipped
        | Kind::BatchTooLarge
        | Kind::ProviderInvalidArgument
        | Kind::ProviderConflict
        | Kind::QuotaExceeded
        | Kind::SyncDisabled
        | Kind::SyncInProgress
        | Kind::SyncNotActive
        | Kind::SyncWrongStatus
        | Kind::InvalidDesiredState
        | Kind::NotSynced
        | Kind::AsOfOutOfRange
        | Kind::CursorExpired
        | Kind::EventExpired
        | Kind::ViolationNotOpen
        | Kind::NothingToFix
        | Kind::FixInProgress
        | Kind::ReconciliationWrongStatus
        | Kind::PlanHashMismatch
        | Kind::TooManyRemovals
        | Kind::ReconciliationInProgress
        | Kind::WebhookInactive
        | Kind::TestNotResendable
        | Kind::TooManyReplays => "invalid_arguments",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selects_the_format_by_path_and_provider() {
        let of = |path| ErrorFormat::of(path, None);
        assert_eq!(of("/proxy/api/users.info"), Some(ErrorFormat::WebApi));
        assert_eq!(of("/proxy/audit/v1/logs"), Some(ErrorFormat::AuditLogs));
        assert_eq!(of("/proxy/scim/v1/Users"), Some(ErrorFormat::Scim1));
        assert_eq!(of("/proxy/scim/v2/Users"), Some(ErrorFormat::Scim2));
        assert_eq!(of("/proxy/Users"), None);
        assert_eq!(of("/users"), None);
        let of = |path| ErrorFormat::of(path, Some(Provider::Scim));
        assert_eq!(of("/proxy/Users"), Some(ErrorFormat::Scim2));
        assert_eq!(of("/users"), None);
    }
}
