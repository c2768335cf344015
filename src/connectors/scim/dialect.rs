//! How a SCIM server's answers are to be read while sending: by their status (RFC 7644 §3.12).

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::link::{is_list, trial_url};
use crate::connectors::context::header_text;
use crate::domain::account::IntegratedAccount;
use crate::upstream::{Dialect, TrialAnswer, Validity, Verdict};

/// The schema of SCIM's errors.
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The code for a token that a server refuses without a code of its own.
const REFUSED: &str = "token_refused";

/// Where an account's server is.
pub(super) fn base(base_url: Option<&str>) -> Option<Url> {
    Url::parse(base_url?).ok()
}

/// Reads a SCIM server's answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScimDialect;

impl Dialect for ScimDialect {
    fn verdict(&self, status: StatusCode, headers: &HeaderMap, _: Option<&[u8]>) -> Verdict {
        let is_page = header_text(headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/html"));
        match status {
            StatusCode::TOO_MANY_REQUESTS => Verdict::TooFast,
            StatusCode::UNAUTHORIZED => Verdict::RefusedToken,
            // It will not do it the next time either.
            StatusCode::NOT_IMPLEMENTED => Verdict::Final,
            status if status.is_server_error() => Verdict::Trouble,
            _ if is_page => Verdict::Trouble,
            _ => Verdict::Final,
        }
    }

    fn trial_url(&self, account: &IntegratedAccount) -> Option<Url> {
        trial_url(&base(account.base_url.as_deref())?)
    }

    /// 403 is a server that knows the token. A 401 counts when it is the server's own: with a challenge for
    /// bearer tokens (RFC 6750 §3), or without any and with a body that is JSON or nothing. A page, or a
    /// challenge of another scheme, is of somebody between.
    fn validity(&self, trial: &TrialAnswer) -> Validity {
        if trial.status == StatusCode::FORBIDDEN {
            return Validity::Valid;
        }
        if trial.status.is_success() {
            return if is_list(&trial.body) { Validity::Valid } else { Validity::Unknown };
        }
        if trial.status != StatusCode::UNAUTHORIZED {
            return Validity::Unknown;
        }
        let is_readable = trial.is_empty || trial.body.is_object();
        let challenges: Vec<&str> = trial
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|challenge| challenge.to_str().ok())
            .collect();
        let is_bearer = |challenge: &&str| {
            let scheme = challenge.split([' ', ',']).next().unwrap_or_default();
            scheme.eq_ignore_ascii_case("bearer")
        };
        let is_own = if challenges.is_empty() {
            is_readable
        } else if challenges.iter().any(is_bearer) {
            let names_the_token = |challenge: &&str| challenge.contains("invalid_token");
            is_readable || challenges.iter().any(names_the_token)
        } else {
            is_error(&trial.body)
        };
        if is_own { Validity::Invalid(REFUSED) } else { Validity::Unknown }
    }
}

/// Whether a body is an error of SCIM (RFC 7644 §3.12).
fn is_error(body: &Value) -> bool {
    let schemas = body.get("schemas").and_then(Value::as_array);
    schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema == ERROR))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The validity after a response with this status, challenge and body.
    fn validity(status: u16, challenge: &str, body: &str) -> Validity {
        let mut headers = HeaderMap::new();
        if !challenge.is_empty() {
            headers.insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        ScimDialect.validity(&TrialAnswer {
            status: status.try_into().unwrap(),
            headers,
            body: serde_json::from_str(body).unwrap_or_default(),
            is_empty: body.is_empty(),
        })
    }

    #[test]
    fn only_the_servers_own_refusal_of_the_known_path_says_that_a_token_is_invalid() {
        let error = json!({"schemas": [ERROR], "status": "401"}).to_string();
        let list = r#"{"totalResults":3,"Resources":[]}"#;
        let page = "<html>Blocked by policy</html>";
        let invalid = Validity::Invalid(REFUSED);
        for (status, challenge, body, expected) in [
            (200, "", list, Validity::Valid),
            (200, "", page, Validity::Unknown),
            (200, "", "{}", Validity::Unknown),
            (403, "", &*error, Validity::Valid),
            (401, "", &*error, invalid),
            (401, "", "", invalid),
            (401, "", r#"{"error":"unauthorized"}"#, invalid),
            (401, "Bearer", "", invalid),
            (401, "bearer realm=\"scim\", error=\"invalid_token\"", page, invalid),
            (401, "Bearer realm=\"scim\"", page, Validity::Unknown),
            (401, "", page, Validity::Unknown),
            (401, "", "Access denied", Validity::Unknown),
            (401, "Basic realm=\"proxy\"", "", Validity::Unknown),
            (401, "Negotiate", page, Validity::Unknown),
            (401, "Basic realm=\"scim\"", &*error, invalid),
            (404, "", &*error, Validity::Unknown),
            (302, "", "", Validity::Unknown),
            (407, "Basic", "", Validity::Unknown),
        ] {
            assert_eq!(validity(status, challenge, body), expected, "{status} {challenge} {body}");
        }
    }
}
