//! Classifies Slack's responses: a failure is usually a 200 with `"ok": false`.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::connectors::context::header_text;
use crate::domain::account::IntegratedAccount;
use crate::upstream::{ResponseClass, ResponseClassifier, TokenCheckResponse, TokenStatus};

/// Web API codes for an invalid token. A method that echoes its arguments (`api.test`) can be made to return them, so
/// `auth.test` confirms each.
const INVALID_TOKEN_CODES: &[&str] =
    &["account_inactive", "token_expired", "token_revoked", "user_removed_from_team"];
/// Codes that a valid token gets as well: for a method that does not accept its type, from an IP address that the app
/// or the organization does not allow, without the required scope (SCIM and the audit log respond with 401 then).
const REJECTED_TOKEN_CODES: &[&str] = &["invalid_auth", "not_authed"];
/// Codes of server errors: the call may have been applied.
const SERVER_ERROR_CODES: &[&str] = &[
    "fatal_error",
    "internal_error",
    "org_login_required",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// The prefix of a successful response; the rest need not be parsed.
const OK_PREFIX: &[u8] = br#"{"ok":true"#;

/// The classifier of Slack's responses.
#[derive(Debug, Clone)]
pub(super) struct SlackClassifier {
    /// `auth.test`.
    pub(super) trial_url: Url,
}

#[derive(Deserialize)]
struct FailureBody<'a> {
    ok: Option<bool>,
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
}

impl ResponseClassifier for SlackClassifier {
    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> ResponseClass {
        match status {
            StatusCode::TOO_MANY_REQUESTS => return ResponseClass::RateLimited,
            StatusCode::UNAUTHORIZED => return ResponseClass::TokenRejected,
            status if status.is_server_error() => return ResponseClass::ServerError,
            _ => {}
        }
        if header_text(headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/html"))
        {
            return ResponseClass::ServerError;
        }
        if body.is_some_and(|body| body.starts_with(OK_PREFIX)) {
            return ResponseClass::Final;
        }
        let failure = body.and_then(|body| serde_json::from_slice::<FailureBody<'_>>(body).ok());
        match failure {
            Some(FailureBody { ok: Some(false), error: Some(code) }) => class_of_code(&code),
            _ => ResponseClass::Final,
        }
    }

    fn token_check_url(&self, _: &IntegratedAccount) -> Option<Url> {
        Some(self.trial_url.clone())
    }

    /// Reads the response of `auth.test`, which needs no scope. Only its JSON counts, whatever the status.
    fn token_status(&self, trial: &TokenCheckResponse) -> TokenStatus {
        let code = trial.body.get("error").and_then(Value::as_str).unwrap_or_default();
        let found = |codes: &[&'static str]| codes.iter().copied().find(|one| *one == code);
        match trial.body.get("ok").and_then(Value::as_bool) {
            Some(true) if trial.status.is_success() => TokenStatus::Valid,
            Some(false) => match (found(INVALID_TOKEN_CODES), found(REJECTED_TOKEN_CODES)) {
                (Some(code), _) => TokenStatus::Invalid(code),
                (None, Some(code)) => TokenStatus::Rejected(code),
                (None, None) => TokenStatus::Unknown,
            },
            Some(true) | None => TokenStatus::Unknown,
        }
    }
}

fn class_of_code(code: &str) -> ResponseClass {
    if INVALID_TOKEN_CODES.contains(&code) {
        ResponseClass::TokenInvalid
    } else if REJECTED_TOKEN_CODES.contains(&code) {
        ResponseClass::TokenRejected
    } else if SERVER_ERROR_CODES.contains(&code) {
        ResponseClass::ServerError
    } else if matches!(code, "ratelimited" | "rate_limited") {
        ResponseClass::RateLimited
    } else {
        ResponseClass::Final
    }
}

/// Whether a code means that the token was rejected.
pub(super) fn is_token_error(code: &str) -> bool {
    INVALID_TOKEN_CODES.contains(&code) || REJECTED_TOKEN_CODES.contains(&code)
}

/// Whether a code means a server error.
pub(super) fn is_server_error(code: &str) -> bool {
    SERVER_ERROR_CODES.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> ResponseClass {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let dialect =
            SlackClassifier { trial_url: "http://slack.test/api/auth.test".parse().unwrap() };
        dialect.classify(status.try_into().unwrap(), &headers, Some(body.as_bytes()))
    }

    #[test]
    fn classifies_responses_by_status_and_code() {
        let rows = [
            (200, r#"{"ok":true}"#, ResponseClass::Final),
            (200, r#"{"ok":false,"error":"user_not_found"}"#, ResponseClass::Final),
            (200, r#"{"ok":false,"error":"token_expired"}"#, ResponseClass::TokenInvalid),
            (200, r#"{"ok":false,"error":"missing_scope"}"#, ResponseClass::Final),
            (200, r#"{"ok":false,"error":"internal_error"}"#, ResponseClass::ServerError),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, ResponseClass::RateLimited),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, ResponseClass::TokenRejected),
            (200, r#"{"ok":false,"error":"team_access_not_granted"}"#, ResponseClass::Final),
            (401, "", ResponseClass::TokenRejected),
            (429, "", ResponseClass::RateLimited),
            (503, "<html>", ResponseClass::ServerError),
            (404, r#"{"schemas":[]}"#, ResponseClass::Final),
        ];
        for (status, body, expected) in rows {
            assert_eq!(verdict(status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn classifies_an_html_page_as_server_error() {
        assert_eq!(
            verdict(200, &[("content-type", "text/html; charset=utf-8")], "<html>"),
            ResponseClass::ServerError
        );
    }
}
