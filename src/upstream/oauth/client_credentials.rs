//! Access tokens by a customer's client credentials (RFC 6749 §4.4). The token endpoint is at an address that the
//! customer entered.

use std::collections::HashMap;

use http::{HeaderMap, Request, StatusCode, header};
use serde_json::Value;
use time::OffsetDateTime;

use super::error::OAuthError;
use super::response::{self, TokenFields, TokenResponse};
use super::{TokenForm, basic, send_and_buffer, server_error};
use crate::upstream::body::UpstreamRequestBody;
use crate::upstream::client::HttpClient;
use crate::upstream::ssrf::AddressSource;
use crate::vault::{CustomerClient, RefreshResponse, SecretPlacement};

/// Requests an access token. `now` is the base of a requested pause.
///
/// # Errors
///
/// When the endpoint rejects the request, or sends no response that can be parsed.
pub async fn request_client_token(
    http: &HttpClient,
    client: &CustomerClient,
    now: OffsetDateTime,
) -> Result<RefreshResponse, OAuthError> {
    let mut form = TokenForm::new("client_credentials");
    if !client.scope.is_empty() {
        form.add("scope", &client.scope);
    }
    if client.secret_in == SecretPlacement::Body {
        form.add("client_id", &client.client_id);
        form.add("client_secret", client.client_secret.expose_secret());
    }
    let mut request = Request::post(client.token_url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(UpstreamRequestBody::from(form.into_body()))
        .map_err(|_| OAuthError::Unreachable)?;
    if client.secret_in == SecretPlacement::Header {
        let basic =
            basic(&client.client_id, &client.client_secret).ok_or(OAuthError::Unreachable)?;
        request.headers_mut().insert(header::AUTHORIZATION, basic);
    }
    let response = send_and_buffer(http, request, AddressSource::Customer).await?;
    parse(response.status(), response.headers(), response.body(), now)
}

fn parse(
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
    now: OffsetDateTime,
) -> Result<RefreshResponse, OAuthError> {
    let down = server_error(status, headers, now);
    let TokenResponse { renewal, .. } =
        response::parse((status, headers, body), down, standard_fields)?;
    Ok(renewal)
}

/// Returns the fields of RFC 6749 §5. A refresh token is ignored: the credentials remain valid (§4.4.3).
fn standard_fields(status: StatusCode, object: &mut Value) -> TokenFields {
    let mut take = |name: &str| object.get_mut(name).map(Value::take).unwrap_or_default();
    let (access_token, expires_in, scope) =
        (take("access_token"), take("expires_in"), take("scope"));
    // The endpoint's own error is a client error with a code; anything else is no evidence.
    let code = take("error");
    let code = code.as_str().filter(|_| status.is_client_error()).map(str::to_owned);
    TokenFields {
        access_token,
        refresh_token: Value::Null,
        expires_in,
        scope,
        error_code: code,
        extra: HashMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Result<bool, OAuthError> {
        let status = StatusCode::from_u16(status).unwrap();
        let now = OffsetDateTime::UNIX_EPOCH;
        parse(status, &HeaderMap::new(), body.as_bytes(), now)
            .map(|response| response.access_token.is_some() && response.refresh_token.is_none())
    }

    #[test]
    fn only_an_error_of_the_endpoint_is_a_rejection() {
        let rejected = |code: &str| Err(OAuthError::Rejected(code.to_owned()));
        let token = r#"{"access_token":"a","refresh_token":"r","expires_in":60}"#;
        assert_eq!(outcome(200, token), Ok(true));
        assert_eq!(outcome(401, r#"{"error":"invalid_client"}"#), rejected("invalid_client"));
        assert_eq!(outcome(400, r#"{"error":"invalid_scope"}"#), rejected("invalid_scope"));
        for (status, body) in [
            (200, "{}"),
            (200, r#"{"error":"invalid_client"}"#),
            (302, r#"{"error":"invalid_client"}"#),
            (401, "<html>"),
            (403, r#"{"error":{"code":1}}"#),
            (200, r#"{"refresh_token":"r"}"#),
        ] {
            let lost = matches!(outcome(status, body), Err(OAuthError::ResponseLost(_)));
            assert!(lost, "{status} {body}");
        }
        assert!(matches!(
            outcome(503, r#"{"error":"invalid_client"}"#),
            Err(OAuthError::ServerError(_))
        ));
    }
}
