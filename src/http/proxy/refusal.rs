//! Our own refusals of raw calls, in the shape of the provider's errors, so that its SDKs can read them. The problem they
//! stand for is in a `Link` header.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use serde_json::{Value, json};

use crate::domain::provider::Provider;
use crate::http::problem::{Problem, ProblemKind};

/// How the paths of the proxy begin.
pub(super) const PREFIX: &str = "/proxy/";

/// A code longer than this, or of other characters than codes have, is not repeated in a refusal.
const LONGEST_CODE: usize = 80;

/// How a provider writes its errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum ErrorFormat {
    /// Slack's Web API: `{"ok": false, "error": CODE}`.
    WebApi,
    /// Slack's audit logs API: the same with codes of its own.
    AuditLogs,
    /// SCIM 1.1: `{"Errors": […]}`.
    Scim1,
    /// SCIM 2.0, RFC 7644 §3.12.
    Scim2,
}

impl ErrorFormat {
    /// How errors are written at a path of ours; `None` for those of our own API.
    pub(in crate::http) fn of(path: &str, provider: Option<Provider>) -> Option<Self> {
        let path = path.strip_prefix(PREFIX).filter(|path| !path.is_empty())?;
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

    /// Writes a problem into its response as an error of this format.
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
    let code = provider_code(problem).unwrap_or_else(|| web_code(problem));
    let mut body = json!({"ok": false, "error": code});
    tell_scopes(problem, &mut body);
    // Slack's SDKs show these to the developer.
    let messages = problem.sentences().map(|sentence| format!("[ERROR] {sentence}"));
    insert(&mut body, "response_metadata", json!({"messages": messages.collect::<Vec<_>>()}));
    body
}

fn audit_logs(problem: &Problem) -> Value {
    let code = provider_code(problem).unwrap_or_else(|| match web_code(problem) {
        "not_authed" => "missing_authentication",
        "invalid_auth" => "invalid_authentication",
        "ratelimited" => "rate_limited",
        "unknown_method" => "bad_endpoint",
        other => other,
    });
    let mut body = json!({"ok": false, "error": code});
    tell_scopes(problem, &mut body);
    insert(&mut body, "detail", problem.sentences().collect::<Vec<_>>().join(" ").into());
    body
}

fn scim1(problem: &Problem) -> Value {
    let description = problem.sentences().collect::<Vec<_>>().join(" ");
    json!({"Errors": [{"description": description, "code": problem.kind().status().as_u16()}]})
}

fn scim2(problem: &Problem) -> Value {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "detail": problem.sentences().collect::<Vec<_>>().join(" "),
        "status": problem.kind().status().as_u16().to_string(),
    });
    // The standard has these for bad requests alone.
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

/// The scopes, where the refusal is for want of one.
fn tell_scopes(problem: &Problem, body: &mut Value) {
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

/// The provider's own code, where a refusal repeats what the provider said.
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
    let is_plain = (1..=LONGEST_CODE).contains(&code.len())
        && code
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    is_plain.then_some(code)
}

/// The code of Slack's that says the same as a problem. Those that make SDKs forget a token stand for nothing else.
fn web_code(problem: &Problem) -> &'static str {
    use ProblemKind as Kind;
    match problem.kind() {
        Kind::Unauthorized if problem.has_no_credentials() => "not_authed",
        Kind::Unauthorized => "invalid_auth",
        Kind::TooManyWrongKeys | Kind::RateLimited | Kind::RefreshTooSoon => "ratelimited",
        Kind::InsufficientScope | Kind::ProviderMissingScope => "missing_scope",
        Kind::MethodForbidden | Kind::ProviderForbidden => "no_permission",
        Kind::AddressNotAllowed => "access_denied",
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
        | Kind::NoRefreshToken
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
        | Kind::QuotaExceeded => "invalid_arguments",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_format_of_their_provider() {
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
