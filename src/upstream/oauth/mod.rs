//! OAuth 2.0 with any provider: the consent URL with state and, where it is taken, PKCE (by the `oauth2` crate), the
//! code exchange, the refresh. Here secrets are laid bare, so that connectors never see one.
//!
//! The crate's response types refuse what providers really send, and a token that is refused here is lost. So
//! `response` reads the token endpoint's responses.

mod error;
mod response;
mod wiped;

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

pub use self::error::OAuthError;
pub use self::response::TokenFields;
use self::response::TokenResponse;
use self::wiped::Collected;
use super::client::{HttpClient, Reading};
use super::error::SendError;
use super::guard::NamedBy;
use super::payload::Payload;
use super::retry_after::retry_after;
use super::secret_header::{Line, secret_header};
use crate::domain::entropy::Entropy;
use crate::vault::secret::{ClientSecret, PkceVerifier, RefreshToken};
use crate::vault::{Grant, IssuedSecret, Outage, Renewal, issue};

/// Where a provider's OAuth is, and what is odd about its answers.
#[derive(Debug, Clone)]
pub struct OAuthEndpoints {
    /// The consent page.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    /// Where a new token is tried before it is kept, by a GET that changes nothing.
    pub trial_url: Url,
    /// Takes the fields of RFC 6749 §5 out of the object that the token endpoint answers with; the rest is wiped.
    pub locate: fn(http::StatusCode, &mut Value) -> TokenFields,
}

/// An OAuth client and how it speaks with its provider.
#[derive(Debug, Clone, Copy)]
pub struct OAuthClient<'a> {
    /// Where the provider is.
    pub endpoints: &'a OAuthEndpoints,
    /// The client's public id.
    pub client_id: &'a str,
    /// The client's secret.
    pub client_secret: &'a ClientSecret,
}

/// Where to send a customer's browser, and what to keep until it comes back.
pub struct Consent {
    /// The provider's consent page with all parameters.
    pub url: Url,
    /// The PKCE verifier that belongs to the challenge in the URL, if there is one.
    pub pkce_verifier: Option<PkceVerifier>,
}

impl fmt::Debug for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Consent(…)")
    }
}

/// What a browser brought back.
pub struct CodeExchange {
    /// The authorization code.
    pub code: String,
    /// The redirect URI that was used, to the letter.
    pub redirect_uri: Url,
    /// The verifier of the challenge that was sent, if one was: it takes the secret's place.
    pub pkce_verifier: Option<PkceVerifier>,
}

impl fmt::Debug for CodeExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeExchange(…)")
    }
}

/// The tokens, and what else the provider said.
#[derive(Debug)]
pub struct TokenAnswer {
    /// The tokens.
    pub grant: Grant,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// What else the provider's connector found in it.
    pub extra: HashMap<String, Value>,
}

impl OAuthClient<'_> {
    /// The consent page to send a browser to. `scopes` go into the parameter named `scope_parameter`,
    /// comma-separated. With `pkce` the client proves itself by a verifier, as a public one; Slack takes none from
    /// others (`pkce_not_allowed`). <https://docs.slack.dev/authentication/using-pkce>
    #[must_use]
    pub fn consent(
        &self,
        redirect_uri: &Url,
        state: &IssuedSecret,
        scope_parameter: &str,
        scopes: &[String],
        pkce: bool,
        entropy: &dyn Entropy,
    ) -> Consent {
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
        Consent { url, pkce_verifier: verifier.map(|verifier| verifier.into_secret().into()) }
    }

    /// Exchanges an authorization code for tokens. `now` dates their end.
    ///
    /// # Errors
    ///
    /// When the provider says no, or says nothing that can be read.
    pub async fn exchange(
        &self,
        http: &HttpClient,
        exchange: CodeExchange,
        now: OffsetDateTime,
    ) -> Result<TokenAnswer, OAuthError> {
        let mut form = Form::new("authorization_code");
        form.add("code", &exchange.code);
        form.add("redirect_uri", exchange.redirect_uri.as_str());
        if let Some(verifier) = &exchange.pkce_verifier {
            form.add("code_verifier", verifier.expose_secret());
        }
        let is_public = exchange.pkce_verifier.is_some();
        let TokenResponse { renewal, scopes, extra } = self.ask(http, form, is_public, now).await?;
        let none = || OAuthError::NoAnswer("its response has no access token".to_owned());
        Ok(TokenAnswer { grant: renewal.first(now).ok_or_else(none)?, scopes, extra })
    }

    /// Exchanges a refresh token for a new pair. `now` dates the pause that the provider asks for.
    ///
    /// # Errors
    ///
    /// When the provider says no, or says nothing that can be read.
    pub async fn refresh(
        &self,
        http: &HttpClient,
        refresh_token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<Renewal, OAuthError> {
        let mut form = Form::new("refresh_token");
        form.add("refresh_token", refresh_token.expose_secret());
        let response = self.ask(http, form, false, now).await?;
        Ok(response.renewal)
    }

    /// Posts `form` to the token endpoint. A public client names itself in the body, another one proves
    /// itself by its secret (RFC 6749 §2.3.1).
    async fn ask(
        &self,
        http: &HttpClient,
        mut form: Form,
        is_public: bool,
        now: OffsetDateTime,
    ) -> Result<TokenResponse, OAuthError> {
        if is_public {
            form.add("client_id", self.client_id);
        }
        let body = Payload::from(form.into_body());
        let mut request = Request::post(self.endpoints.token_url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .map_err(|_| OAuthError::Unreachable)?;
        if !is_public {
            let basic = self.basic().ok_or(OAuthError::Unreachable)?;
            request.headers_mut().insert(header::AUTHORIZATION, basic);
        }
        let (head, body) = whole(http, request, NamedBy::Operator).await?.into_parts();
        let down = down(head.status, &head.headers, now);
        response::read((head.status, &head.headers, &body), down, self.endpoints.locate)
    }

    fn basic(&self) -> Option<HeaderValue> {
        let encoded = |text: &str| -> Zeroizing<String> {
            Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
        };
        let secret = encoded(self.client_secret.expose_secret());
        let pair = Zeroizing::new(format!("{}:{}", *encoded(self.client_id), *secret));
        let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        secret_header(&format_args!("Basic {}", *pair))
    }
}

/// The body of a request to a token endpoint. It is wiped once it was sent.
struct Form(Zeroizing<String>);

impl Form {
    fn new(grant_type: &str) -> Self {
        let mut form = Self(Zeroizing::new(String::with_capacity(Self::CAPACITY)));
        form.add("grant_type", grant_type);
        form
    }

    /// Room for what such bodies hold, so that none is copied while it grows.
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
        Bytes::from_owner(Line(self.0))
    }
}

/// The largest answer that is read, in bytes: whoever a customer names could send without end.
const LARGEST: usize = 1024 * 1024;

/// Sends one request and reads the whole response of any status, which has to be here within the time of its head. Its
/// body is wiped once it was read.
async fn whole(
    http: &HttpClient,
    request: Request<Payload>,
    named_by: NamedBy,
) -> Result<http::Response<Zeroizing<Vec<u8>>>, OAuthError> {
    let deadline = Instant::now() + http.response_timeout();
    let answer = http.execute(Box::new(request), named_by, Reading::Whole).await;
    let (head, mut body) = answer.map_err(lost)?.into_parts();
    body.limit(deadline);
    let mut collected = Collected::default();
    while let Some(piece) = body.chunk().await.map_err(lost)? {
        if collected.len() + piece.len() > LARGEST {
            return Err(OAuthError::NoAnswer("its answer is too large".to_owned()));
        }
        collected.push(piece);
    }
    Ok(http::Response::from_parts(head, collected.into_whole()))
}

/// The same, with the failure of a server as an error.
pub(super) async fn ask(
    http: &HttpClient,
    request: Request<Payload>,
    named_by: NamedBy,
    now: OffsetDateTime,
) -> Result<http::Response<Zeroizing<Vec<u8>>>, OAuthError> {
    let answer = whole(http, request, named_by).await?;
    down(answer.status(), answer.headers(), now).map_or(Ok(answer), Err)
}

/// The failure that a status stands for.
fn down(
    status: http::StatusCode,
    headers: &http::HeaderMap,
    now: OffsetDateTime,
) -> Option<OAuthError> {
    let is_down = status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS;
    let status = format!("HTTP {}", status.as_u16());
    is_down.then(|| OAuthError::Down(Outage { status, retry_after: retry_after(headers, now) }))
}

#[expect(clippy::needless_pass_by_value, reason = "the last that is heard of an error")]
fn lost(error: SendError) -> OAuthError {
    match error {
        SendError::NotAllowed | SendError::Connect(_) => OAuthError::Unreachable,
        SendError::Timeout => OAuthError::TimedOut,
        SendError::CallerStalled | SendError::Broken(_) => {
            OAuthError::NoAnswer("its answer broke off".to_owned())
        }
    }
}
