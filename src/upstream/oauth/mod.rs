//! The OAuth 2.0 client for all providers: authorization URL with state and PKCE (by the `oauth2` crate), code
//! exchange and refresh. Secrets are exposed here, so that connectors never see one.
//!
//! The crate's response types reject responses that providers send in practice, and a rejected token is lost. So
//! `response` parses the responses of token endpoints.

mod client_credentials;
mod error;
mod response;
mod zeroizing_buffer;

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderValue, Request, header};
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

pub use self::client_credentials::request_client_token;
pub use self::error::OAuthError;
pub use self::response::TokenFields;
use self::response::TokenResponse;
use self::zeroizing_buffer::WipedBuffer;
use super::body::UpstreamRequestBody;
use super::client::{HttpClient, ReadMode};
use super::error::SendError;
use super::retry_after_header::retry_after;
use super::secret_header::{WipedText, secret_header};
use super::ssrf::AddressSource;
use crate::domain::entropy::Entropy;
use crate::vault::secret::{ClientSecret, PkceVerifier, RefreshToken};
use crate::vault::{EndpointFailure, Grant, IssuedSecret, RefreshResponse, issue};

/// The OAuth endpoints of a provider.
#[derive(Debug, Clone)]
pub struct OAuthEndpoints {
    /// The authorization endpoint.
    pub authorize_url: Url,
    /// The token endpoint.
    pub token_url: Url,
    /// The URL of the token check: a GET without side effects that verifies a new token before it is stored.
    pub token_check_url: Url,
    /// Extracts the fields of RFC 6749 §5 from the object in a response of the token endpoint; the rest is wiped.
    pub extract_fields: fn(http::StatusCode, &mut Value) -> TokenFields,
}

/// An OAuth client at a provider.
#[derive(Debug, Clone, Copy)]
pub struct OAuthClient<'a> {
    /// The provider's endpoints.
    pub endpoints: &'a OAuthEndpoints,
    /// The client id.
    pub client_id: &'a str,
    /// The client secret.
    pub client_secret: &'a ClientSecret,
}

/// An authorization request: the URL for the customer's browser, and the verifier for the code exchange.
pub struct AuthorizationRequest {
    /// The authorization endpoint with all parameters.
    pub url: Url,
    /// The PKCE verifier for the challenge in the URL, if there is one.
    pub pkce_verifier: Option<PkceVerifier>,
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthorizationRequest(…)")
    }
}

/// The parameters of a code exchange.
pub struct CodeExchange {
    /// The authorization code.
    pub code: String,
    /// The redirect URI of the authorization request, byte for byte.
    pub redirect_uri: Url,
    /// The PKCE verifier, if a challenge was sent: it replaces the client secret.
    pub pkce_verifier: Option<PkceVerifier>,
}

impl fmt::Debug for CodeExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeExchange(…)")
    }
}

/// The response of a code exchange.
#[derive(Debug)]
pub struct CodeExchangeResponse {
    /// The tokens.
    pub grant: Grant,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// Further fields for the provider's connector.
    pub extra: HashMap<String, Value>,
}

impl OAuthClient<'_> {
    /// Creates an authorization request. `scopes` go into the parameter `scope_parameter`, separated by commas. With
    /// `pkce` the client authenticates by a verifier, as a public client; Slack accepts none from confidential clients
    /// (`pkce_not_allowed`). <https://docs.slack.dev/authentication/using-pkce>
    #[must_use]
    pub fn authorization_request(
        &self,
        redirect_uri: &Url,
        state: &IssuedSecret,
        scope_parameter: &str,
        scopes: &[String],
        pkce: bool,
        entropy: &dyn Entropy,
    ) -> AuthorizationRequest {
        let verifier = pkce.then(|| PkceCodeVerifier::new(issue("", entropy).reveal().to_owned()));
        let state = CsrfToken::new(state.reveal().to_owned());
        let client = BasicClient::new(ClientId::new(self.client_id.to_owned()))
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorize_url.clone()))
            .set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
        let mut request =
            client.authorize_url(|| state).add_extra_param(scope_parameter, scopes.join(","));
        if let Some(verifier) = &verifier {
            let challenge = PkceCodeChallenge::from_code_verifier_sha256(verifier);
            request = request.set_pkce_challenge(challenge);
        }
        let (url, _) = request.url();
        AuthorizationRequest {
            url,
            pkce_verifier: verifier.map(|verifier| verifier.into_secret().into()),
        }
    }

    /// Exchanges an authorization code for tokens. `now` is the base of their expiry.
    ///
    /// # Errors
    ///
    /// When the provider rejects the request, or sends no response that can be parsed.
    pub async fn exchange(
        &self,
        http: &HttpClient,
        exchange: CodeExchange,
        now: OffsetDateTime,
    ) -> Result<CodeExchangeResponse, OAuthError> {
        let mut form = TokenForm::new("authorization_code");
        form.add("code", &exchange.code);
        form.add("redirect_uri", exchange.redirect_uri.as_str());
        if let Some(verifier) = &exchange.pkce_verifier {
            form.add("code_verifier", verifier.expose_secret());
        }
        let is_public = exchange.pkce_verifier.is_some();
        let TokenResponse { renewal, scopes, extra } =
            self.request_tokens(http, form, is_public, now).await?;
        let no_token = || OAuthError::ResponseLost("the response has no access token".to_owned());
        Ok(CodeExchangeResponse {
            grant: renewal.into_first_grant(now).ok_or_else(no_token)?,
            scopes,
            extra,
        })
    }

    /// Exchanges a refresh token for a new pair. `now` is the base of a requested pause.
    ///
    /// # Errors
    ///
    /// When the provider rejects the request, or sends no response that can be parsed.
    pub async fn refresh(
        &self,
        http: &HttpClient,
        refresh_token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<RefreshResponse, OAuthError> {
        let mut form = TokenForm::new("refresh_token");
        form.add("refresh_token", refresh_token.expose_secret());
        let response = self.request_tokens(http, form, false, now).await?;
        Ok(response.renewal)
    }

    /// Posts `form` to the token endpoint. A public client sends its id in the body, a confidential one authenticates
    /// by its secret (RFC 6749 §2.3.1).
    async fn request_tokens(
        &self,
        http: &HttpClient,
        mut form: TokenForm,
        is_public: bool,
        now: OffsetDateTime,
    ) -> Result<TokenResponse, OAuthError> {
        if is_public {
            form.add("client_id", self.client_id);
        }
        let body = UpstreamRequestBody::from(form.into_body());
        let mut request = Request::post(self.endpoints.token_url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .map_err(|_| OAuthError::Unreachable)?;
        if !is_public {
            let basic = basic(self.client_id, self.client_secret).ok_or(OAuthError::Unreachable)?;
            request.headers_mut().insert(header::AUTHORIZATION, basic);
        }
        let (head, body) =
            send_and_buffer(http, request, AddressSource::Config).await?.into_parts();
        let down = server_error(head.status, &head.headers, now);
        response::parse((head.status, &head.headers, &body), down, self.endpoints.extract_fields)
    }
}

/// Returns `Authorization` of a client (RFC 6749 §2.3.1); `None` when it holds bytes that no header allows.
fn basic(client_id: &str, client_secret: &ClientSecret) -> Option<HeaderValue> {
    let encoded = |text: &str| -> Zeroizing<String> {
        Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
    };
    let secret = encoded(client_secret.expose_secret());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *secret));
    let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    secret_header(&format_args!("Basic {}", *pair))
}

/// The body of a request to a token endpoint; it is wiped after it was sent.
struct TokenForm(Zeroizing<String>);

impl TokenForm {
    fn new(grant_type: &str) -> Self {
        let mut form = Self(Zeroizing::new(String::with_capacity(Self::CAPACITY)));
        form.add("grant_type", grant_type);
        form
    }

    /// The initial capacity in bytes, large enough that no copy is left behind by growing.
    const CAPACITY: usize = 4 * 1024;

    fn add(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        self.0.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }

    fn into_body(self) -> Bytes {
        Bytes::from_owner(WipedText(self.0))
    }
}

/// The maximum size of a response, in bytes: the server of a customer could send without end.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// Sends one request and buffers the response of any status, which has to arrive within the timeout of its head. The
/// body is wiped after use.
async fn send_and_buffer(
    http: &HttpClient,
    request: Request<UpstreamRequestBody>,
    source: AddressSource,
) -> Result<http::Response<Zeroizing<Vec<u8>>>, OAuthError> {
    let deadline = Instant::now() + http.response_timeout();
    let response = http.execute(Box::new(request), source, ReadMode::Buffered).await;
    let (head, mut body) = response.map_err(send_failure)?.into_parts();
    body.set_deadline(deadline);
    let mut collected = WipedBuffer::default();
    while let Some(chunk) = body.chunk().await.map_err(send_failure)? {
        if collected.len() + chunk.len() > MAX_RESPONSE_BYTES {
            return Err(OAuthError::ResponseLost("the response is too large".to_owned()));
        }
        collected.push(chunk);
    }
    Ok(http::Response::from_parts(head, collected.into_whole()))
}

/// Sends one request and buffers the response; a server error or a 429 is an `Err`.
pub(super) async fn send_checked(
    http: &HttpClient,
    request: Request<UpstreamRequestBody>,
    source: AddressSource,
    now: OffsetDateTime,
) -> Result<http::Response<Zeroizing<Vec<u8>>>, OAuthError> {
    let response = send_and_buffer(http, request, source).await?;
    server_error(response.status(), response.headers(), now).map_or(Ok(response), Err)
}

/// Returns the error for a server error or a 429.
fn server_error(
    status: http::StatusCode,
    headers: &http::HeaderMap,
    now: OffsetDateTime,
) -> Option<OAuthError> {
    let is_down = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
    let status = format!("HTTP {}", status.as_u16());
    is_down.then(|| {
        OAuthError::ServerError(EndpointFailure { status, retry_after: retry_after(headers, now) })
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the error is consumed")]
fn send_failure(error: SendError) -> OAuthError {
    match error {
        SendError::NotAllowed | SendError::Connect(_) => OAuthError::Unreachable,
        SendError::Timeout => OAuthError::TimedOut,
        SendError::CallerStalled | SendError::Interrupted(_) => {
            OAuthError::ResponseLost("the response was interrupted".to_owned())
        }
    }
}
