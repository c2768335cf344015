//! The API of a running gateway, for commands that use it instead of the database.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use crate::upstream::{AddressPolicy, BoxError, HttpClient, Timeouts};
use crate::vault::IssuedSecret;

/// Timeout for a connection to the gateway.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout for a response of the gateway.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum size of a response of the gateway.
const MAX_RESPONSE_BYTES: usize = 256 << 20;

/// Where the gateway is, and the key to use it.
#[derive(Debug, Args)]
pub(super) struct GatewayArguments {
    /// URL of the gateway
    #[arg(
        long,
        value_name = "URL",
        env = "SWITCHBOARD_URL",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8080"
    )]
    url: String,
    /// API key; other users of this machine can see arguments, but not variables
    #[arg(long, value_name = "KEY", env = "SWITCHBOARD_API_KEY", hide_env_values = true)]
    api_key: IssuedSecret,
}

impl GatewayArguments {
    /// Creates the client.
    ///
    /// # Errors
    ///
    /// If the URL or the key is invalid.
    pub(super) fn client(&self) -> anyhow::Result<GatewayClient> {
        let mut base = Url::parse(&self.url).context("--url is not a URL")?;
        let is_http = matches!(base.scheme(), "http" | "https") && base.has_host();
        ensure!(is_http, "--url must begin with http:// or https://");
        base.set_query(None);
        base.set_fragment(None);
        GatewayClient::new(base, &self.api_key)
    }
}

/// Creates an HTTP client for any address, whose responses may take `response_timeout`.
///
/// # Errors
///
/// If the TLS roots of the system can't be read.
pub(super) fn http_client(response_timeout: Duration) -> anyhow::Result<HttpClient> {
    let timeouts =
        Timeouts { connect: CONNECT_TIMEOUT, read: response_timeout, buffered: response_timeout };
    Ok(HttpClient::new(timeouts, AddressPolicy::Any)?)
}

/// A client of a gateway's API.
#[derive(Debug)]
pub(super) struct GatewayClient {
    http: HttpClient,
    base: Url,
    authorization: HeaderValue,
}

/// A request to the gateway.
#[derive(Debug, Default)]
pub(super) struct GatewayRequest<'a> {
    /// The method.
    pub(super) method: Method,
    /// The path.
    pub(super) path: &'a str,
    /// The query parameters.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// The media type of the body.
    pub(super) content_type: Option<&'a str>,
    /// The body.
    pub(super) body: Bytes,
    /// The media type of the response.
    pub(super) accept: Option<&'a str>,
}

/// A failed request to the gateway.
#[derive(Debug, thiserror::Error)]
pub(super) enum GatewayError {
    /// There is no response, or not all of it.
    #[error("no response from the gateway")]
    NoResponse(#[source] BoxError),
    /// The response is a problem.
    #[error("the gateway returned {status}: {detail}")]
    Problem {
        /// The status.
        status: StatusCode,
        /// The text of the problem.
        detail: String,
        /// The time until the next attempt.
        retry_after: Option<Duration>,
    },
    /// The response is not what this version expects.
    #[error("the gateway's response is not readable")]
    Unreadable(#[source] serde_json::Error),
}

impl GatewayError {
    /// Returns the status of the response.
    pub(super) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Problem { status, .. } => Some(*status),
            Self::NoResponse(_) | Self::Unreadable(_) => None,
        }
    }

    /// Returns the time that the gateway requires until the next attempt.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Problem { retry_after, .. } => *retry_after,
            Self::NoResponse(_) | Self::Unreadable(_) => None,
        }
    }

    /// Whether the same request may succeed later, such as after a restart of the gateway.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NoResponse(_) => true,
            Self::Problem { status, .. } => {
                status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Unreadable(_) => false,
        }
    }
}

impl GatewayClient {
    /// Creates a client of the gateway at `base`.
    ///
    /// # Errors
    ///
    /// If the key has other characters than keys have, or the TLS roots of the system can't be read.
    pub(super) fn new(base: Url, api_key: &IssuedSecret) -> anyhow::Result<Self> {
        // The error would contain the key.
        let authorization = HeaderValue::try_from(format!("Bearer {}", api_key.reveal()));
        let mut authorization =
            authorization.ok().context("--api-key contains characters that no key has")?;
        authorization.set_sensitive(true);
        Ok(Self { http: http_client(RESPONSE_TIMEOUT)?, base, authorization })
    }

    /// Sends a request with a JSON body and returns the body of a success.
    ///
    /// # Errors
    ///
    /// `NoResponse` or `Problem`.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Bytes, GatewayError> {
        let content_type = body.map(|_| "application/json");
        let body = body.map(Value::to_string).unwrap_or_default().into();
        self.request(GatewayRequest { method, path, query, content_type, body, accept: None }).await
    }

    /// Sends a request and returns the body of a success.
    ///
    /// # Errors
    ///
    /// `NoResponse` or `Problem`.
    pub(super) async fn request(&self, parts: GatewayRequest<'_>) -> Result<Bytes, GatewayError> {
        let GatewayRequest { method, path, query, content_type, body, accept } = parts;
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::AUTHORIZATION, self.authorization.clone());
        for (name, value) in [(header::CONTENT_TYPE, content_type), (header::ACCEPT, accept)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let request = request.body(body);
        let request = request.map_err(|error| GatewayError::NoResponse(error.into()))?;
        let response = self.http.fetch(request, MAX_RESPONSE_BYTES).await;
        let response = response.map_err(|error| GatewayError::NoResponse(error.into()))?;
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        Err(problem(&response))
    }

    /// Sends a request and parses the body of a success.
    ///
    /// # Errors
    ///
    /// As [`GatewayClient::send`]; `Unreadable`.
    pub(super) async fn fetch<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<T, GatewayError> {
        let body = self.send(method, path, query, body).await?;
        serde_json::from_slice(&body).map_err(GatewayError::Unreadable)
    }
}

/// The fields of a problem that people read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProblemText {
    detail: String,
    errors: Vec<ValidationErrorText>,
}

#[derive(Debug, Deserialize)]
struct ValidationErrorText {
    pointer: String,
    message: String,
    /// The row of a desired state.
    row: Option<u64>,
}

/// Returns the error of a response that is none of success.
fn problem(response: &Response<Bytes>) -> GatewayError {
    let text = serde_json::from_slice::<ProblemText>(response.body()).unwrap_or_default();
    let place = |error: &ValidationErrorText| match error.row {
        None => error.pointer.clone(),
        Some(row) if error.pointer.is_empty() => format!("row {row}"),
        Some(row) => format!("row {row}, {}", error.pointer),
    };
    let errors: Vec<String> =
        text.errors.iter().map(|error| format!("{}: {}", place(error), error.message)).collect();
    let mut detail = text.detail;
    if detail.is_empty() {
        "no explanation".clone_into(&mut detail);
    }
    if !errors.is_empty() {
        detail = format!("{detail} ({})", errors.join("; "));
    }
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    GatewayError::Problem {
        status: response.status(),
        detail,
        retry_after: retry_after.map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response<Bytes> {
        let response = Response::builder().status(status).header(header::RETRY_AFTER, "7");
        response.body(Bytes::from(body.to_owned())).unwrap()
    }

    #[test]
    fn problems_are_shown_with_their_validation_errors() {
        let body = r#"{"title": "Invalid body", "detail": "See `errors`.",
            "errors": [{"pointer": "/url", "message": "must be https"}]}"#;
        let error = problem(&response(422, body));
        assert_eq!(
            error.to_string(),
            "the gateway returned 422 Unprocessable Entity: See `errors`. (/url: must be https)"
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        assert!(!error.is_transient());
    }

    #[test]
    fn responses_of_a_proxy_in_between_are_transient_if_the_gateway_may_return() {
        for (status, expected) in
            [(502, true), (503, true), (429, true), (401, false), (410, false)]
        {
            let error = problem(&response(status, "<html>"));
            assert_eq!(error.is_transient(), expected, "{status}");
            assert!(error.to_string().ends_with("no explanation"), "{error}");
        }
    }

    #[test]
    fn invalid_urls_and_keys_are_rejected_without_showing_the_key() {
        for (url, key, expected) in [
            ("gateway", "k", "--url is not a URL"),
            ("ftp://gateway", "k", "--url must begin"),
            ("http://gateway/", "secret\n", "--api-key contains"),
        ] {
            let arguments = GatewayArguments {
                url: url.to_owned(),
                api_key: IssuedSecret::from(key.to_owned()),
            };
            let error = format!("{:#}", arguments.client().unwrap_err());
            assert!(error.starts_with(expected) && !error.contains("secret"), "{error}");
        }
    }
}
