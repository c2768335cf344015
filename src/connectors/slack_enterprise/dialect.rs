//! How Slack's answers are to be read while sending: a failure is usually a 200 with `"ok": false`.

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::connectors::context::header_text;
use crate::domain::account::IntegratedAccount;
use crate::upstream::{Dialect, TrialAnswer, Validity, Verdict};

/// Codes of the Web API that mean: this token is invalid. A method that echoes its arguments (`api.test`) can be made to
/// say them, so `auth.test` confirms each.
const DEAD_TOKEN: &[&str] =
    &["account_inactive", "token_expired", "token_revoked", "user_removed_from_team"];
/// Codes that a living token gets as well: for a method that is not for it, from an address that the app or the
/// organization doesn't admit, for want of a scope (SCIM and the audit log answer 401 then).
const REFUSED_TOKEN: &[&str] = &["invalid_auth", "not_authed"];
/// Codes that mean: Slack is in trouble, something may have been done.
const TROUBLE: &[&str] = &[
    "fatal_error",
    "internal_error",
    "org_login_required",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
];

/// How an answer begins that is no failure; the rest need not be read.
const OK: &[u8] = br#"{"ok":true"#;

/// Reads Slack's answers.
#[derive(Debug, Clone)]
pub(super) struct SlackDialect {
    /// `auth.test`.
    pub(super) trial_url: Url,
}

#[derive(Deserialize)]
struct Failure<'a> {
    ok: Option<bool>,
    #[serde(borrow)]
    error: Option<std::borrow::Cow<'a, str>>,
}

impl Dialect for SlackDialect {
    fn verdict(&self, status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Verdict {
        match status {
            StatusCode::TOO_MANY_REQUESTS => return Verdict::TooFast,
            StatusCode::UNAUTHORIZED => return Verdict::RefusedToken,
            status if status.is_server_error() => return Verdict::Trouble,
            _ => {}
        }
        if header_text(headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/html"))
        {
            return Verdict::Trouble;
        }
        if body.is_some_and(|body| body.starts_with(OK)) {
            return Verdict::Final;
        }
        let failure = body.and_then(|body| serde_json::from_slice::<Failure<'_>>(body).ok());
        match failure {
            Some(Failure { ok: Some(false), error: Some(code) }) => verdict_of(&code),
            _ => Verdict::Final,
        }
    }

    fn trial_url(&self, _: &IntegratedAccount) -> Option<Url> {
        Some(self.trial_url.clone())
    }

    /// `auth.test` needs no scope. Only its own JSON counts, whatever the status.
    fn validity(&self, trial: &TrialAnswer) -> Validity {
        let code = trial.body.get("error").and_then(Value::as_str).unwrap_or_default();
        let found = |codes: &[&'static str]| codes.iter().copied().find(|one| *one == code);
        match trial.body.get("ok").and_then(Value::as_bool) {
            Some(true) if trial.status.is_success() => Validity::Valid,
            Some(false) => match (found(DEAD_TOKEN), found(REFUSED_TOKEN)) {
                (Some(code), _) => Validity::Invalid(code),
                (None, Some(code)) => Validity::Refused(code),
                (None, None) => Validity::Unknown,
            },
            Some(true) | None => Validity::Unknown,
        }
    }
}

fn verdict_of(code: &str) -> Verdict {
    if DEAD_TOKEN.contains(&code) {
        Verdict::DeadToken
    } else if REFUSED_TOKEN.contains(&code) {
        Verdict::RefusedToken
    } else if TROUBLE.contains(&code) {
        Verdict::Trouble
    } else if matches!(code, "ratelimited" | "rate_limited") {
        Verdict::TooFast
    } else {
        Verdict::Final
    }
}

/// Whether a code means that the token of a call was refused.
pub(super) fn is_refused_token(code: &str) -> bool {
    DEAD_TOKEN.contains(&code) || REFUSED_TOKEN.contains(&code)
}

/// Whether a code means that Slack is in trouble.
pub(super) fn is_trouble(code: &str) -> bool {
    TROUBLE.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Verdict {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let dialect =
            SlackDialect { trial_url: "http://slack.test/api/auth.test".parse().unwrap() };
        dialect.verdict(status.try_into().unwrap(), &headers, Some(body.as_bytes()))
    }

    #[test]
    fn answers_are_read_as_what_they_mean() {
        let rows = [
            (200, r#"{"ok":true}"#, Verdict::Final),
            (200, r#"{"ok":false,"error":"user_not_found"}"#, Verdict::Final),
            (200, r#"{"ok":false,"error":"token_expired"}"#, Verdict::DeadToken),
            (200, r#"{"ok":false,"error":"missing_scope"}"#, Verdict::Final),
            (200, r#"{"ok":false,"error":"internal_error"}"#, Verdict::Trouble),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, Verdict::TooFast),
            (200, r#"{"ok":false,"error":"invalid_auth"}"#, Verdict::RefusedToken),
            (200, r#"{"ok":false,"error":"team_access_not_granted"}"#, Verdict::Final),
            (401, "", Verdict::RefusedToken),
            (429, "", Verdict::TooFast),
            (503, "<html>", Verdict::Trouble),
            (404, r#"{"schemas":[]}"#, Verdict::Final),
        ];
        for (status, body, expected) in rows {
            assert_eq!(verdict(status, &[], body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_page_in_the_place_of_json_is_trouble() {
        assert_eq!(
            verdict(200, &[("content-type", "text/html; charset=utf-8")], "<html>"),
            Verdict::Trouble
        );
    }
}
