//! Classifies the responses of a SCIM server by their status (RFC 7644 §3.12).

use http::{HeaderMap, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::link::{is_list, token_check_url};
use crate::connectors::context::header_text;
use crate::domain::account::IntegratedAccount;
use crate::upstream::{ResponseClass, ResponseClassifier, TokenCheckResponse, TokenStatus};

/// The schema of SCIM error responses.
const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
/// The code for a token that a server rejects without its own code.
const TOKEN_REJECTED: &str = "token_refused";

/// Parses an account's base URL.
pub(super) fn parse_base_url(base_url: Option<&str>) -> Option<Url> {
    Url::parse(base_url?).ok()
}

/// The classifier of SCIM responses.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScimClassifier;

impl ResponseClassifier for ScimClassifier {
    fn classify(&self, status: StatusCode, headers: &HeaderMap, _: Option<&[u8]>) -> ResponseClass {
        let is_page = header_text(headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/html"));
        match status {
            StatusCode::TOO_MANY_REQUESTS => ResponseClass::RateLimited,
            StatusCode::UNAUTHORIZED => ResponseClass::TokenRejected,
            // A retry would fail as well.
            StatusCode::NOT_IMPLEMENTED => ResponseClass::Final,
            status if status.is_server_error() => ResponseClass::ServerError,
            _ if is_page => ResponseClass::ServerError,
            _ => ResponseClass::Final,
        }
    }

    fn token_check_url(&self, account: &IntegratedAccount) -> Option<Url> {
        token_check_url(&parse_base_url(account.base_url.as_deref())?)
    }

    /// A 403 means that the token is valid. A 401 counts when it is the server's own: with a challenge of the scheme
    /// that was sent (RFC 6750 §3, RFC 7617 §2), or without a challenge and with an empty or JSON body. An HTML page,
    /// or a challenge of another scheme, comes from an intermediary.
    fn token_status(&self, trial: &TokenCheckResponse) -> TokenStatus {
        if trial.status == StatusCode::FORBIDDEN {
            return TokenStatus::Valid;
        }
        if trial.status.is_success() {
            return if is_list(&trial.body) { TokenStatus::Valid } else { TokenStatus::Unknown };
        }
        if trial.status != StatusCode::UNAUTHORIZED {
            return TokenStatus::Unknown;
        }
        let is_readable = trial.is_empty || trial.body.is_object();
        let challenges: Vec<&str> = trial
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|challenge| challenge.to_str().ok())
            .collect();
        let is_of_scheme = |challenge: &&str| {
            let scheme = challenge.split([' ', ',']).next().unwrap_or_default();
            scheme.eq_ignore_ascii_case(trial.scheme.name())
        };
        let is_own = if challenges.is_empty() {
            is_readable
        } else if challenges.iter().any(is_of_scheme) {
            let names_the_token = |challenge: &&str| challenge.contains("invalid_token");
            is_readable || challenges.iter().any(names_the_token)
        } else {
            is_error(&trial.body)
        };
        if is_own { TokenStatus::Invalid(TOKEN_REJECTED) } else { TokenStatus::Unknown }
    }
}

/// Whether a body is a SCIM error (RFC 7644 §3.12).
fn is_error(body: &Value) -> bool {
    let schemas = body.get("schemas").and_then(Value::as_array);
    schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema == ERROR_SCHEMA))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::vault::secret::AuthScheme;

    /// The validity of a bearer token after a response with this status, challenge and body.
    fn validity(status: u16, challenge: &str, body: &str) -> TokenStatus {
        validity_of(AuthScheme::Bearer, status, challenge, body)
    }

    fn validity_of(scheme: AuthScheme, status: u16, challenge: &str, body: &str) -> TokenStatus {
        let mut headers = HeaderMap::new();
        if !challenge.is_empty() {
            headers.insert(header::WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        ScimClassifier.token_status(&TokenCheckResponse {
            status: status.try_into().unwrap(),
            headers,
            body: serde_json::from_str(body).unwrap_or_default(),
            is_empty: body.is_empty(),
            scheme,
        })
    }

    #[test]
    fn a_basic_challenge_counts_for_basic_credentials() {
        let invalid = TokenStatus::Invalid(TOKEN_REJECTED);
        let json = r#"{"detail":"no"}"#;
        for (challenge, body, expected) in [
            ("Basic realm=\"scim\"", "", invalid),
            ("basic realm=\"scim\"", json, invalid),
            ("Basic realm=\"scim\"", "<html>401</html>", TokenStatus::Unknown),
            ("Bearer", "", TokenStatus::Unknown),
            ("Negotiate", json, TokenStatus::Unknown),
            ("", "", invalid),
        ] {
            let found = validity_of(AuthScheme::Basic, 401, challenge, body);
            assert_eq!(found, expected, "{challenge} {body}");
        }
    }

    #[test]
    fn only_the_servers_own_401_means_an_invalid_token() {
        let error = json!({"schemas": [ERROR_SCHEMA], "status": "401"}).to_string();
        let list = r#"{"totalResults":3,"Resources":[]}"#;
        let page = "<html>Blocked by policy</html>";
        let invalid = TokenStatus::Invalid(TOKEN_REJECTED);
        for (status, challenge, body, expected) in [
            (200, "", list, TokenStatus::Valid),
            (200, "", page, TokenStatus::Unknown),
            (200, "", "{}", TokenStatus::Unknown),
            (403, "", &*error, TokenStatus::Valid),
            (401, "", &*error, invalid),
            (401, "", "", invalid),
            (401, "", r#"{"error":"unauthorized"}"#, invalid),
            (401, "Bearer", "", invalid),
            (401, "bearer realm=\"scim\", error=\"invalid_token\"", page, invalid),
            (401, "Bearer realm=\"scim\"", page, TokenStatus::Unknown),
            (401, "", page, TokenStatus::Unknown),
            (401, "", "Access denied", TokenStatus::Unknown),
            (401, "Basic realm=\"proxy\"", "", TokenStatus::Unknown),
            (401, "Negotiate", page, TokenStatus::Unknown),
            (401, "Basic realm=\"scim\"", &*error, invalid),
            (404, "", &*error, TokenStatus::Unknown),
            (302, "", "", TokenStatus::Unknown),
            (407, "Basic", "", TokenStatus::Unknown),
        ] {
            assert_eq!(validity(status, challenge, body), expected, "{status} {challenge} {body}");
        }
    }
}
