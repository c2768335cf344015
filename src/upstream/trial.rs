//! A token is tried by one call that changes nothing: a new one before it is kept, one that was refused before it is
//! given up.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use time::OffsetDateTime;
use url::Url;

use super::client::HttpClient;
use super::guard::NamedBy;
use super::oauth::{OAuthError, ask};
use super::payload::Payload;
use super::secret_header::bearer;
use crate::vault::secret::AccessToken;

/// What the provider says to a new token.
#[derive(Debug)]
pub struct TrialAnswer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` when it is no JSON.
    pub body: serde_json::Value,
    /// Whether there was no body at all.
    pub is_empty: bool,
}

/// Tries a token once, by a GET of `url`.
///
/// # Errors
///
/// `Refused` before anything is sent when the token can't stand in a header; else when the provider doesn't answer, or
/// with trouble of its own.
pub async fn try_token(
    http: &HttpClient,
    url: Url,
    token: &AccessToken,
    named_by: NamedBy,
    now: OffsetDateTime,
) -> Result<TrialAnswer, OAuthError> {
    let unfit = || OAuthError::Refused("its token can't stand in a header".to_owned());
    let bearer = bearer(token).ok_or_else(unfit)?;
    let request = Request::get(url.as_str())
        .header(header::AUTHORIZATION, bearer)
        .body(Payload::from(Bytes::new()))
        .map_err(|_| OAuthError::Unreachable)?;
    let (head, body) = ask(http, request, named_by, now).await?.into_parts();
    let is_empty = body.is_empty();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(TrialAnswer { status: head.status, headers: head.headers, body, is_empty })
}
