//! OAuth 2.0 with any provider, by the `oauth2` crate: the consent URL with state and, where it is taken, PKCE, the code
//! exchange, the refresh. Here secrets are laid bare, so that connectors never see one.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use oauth2::basic::{BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RequestTokenError, StandardErrorResponse, StandardRevocableToken, StandardTokenResponse,
    TokenResponse as _, TokenUrl,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::client::{HttpClient, NamedBy, Reading, SendError};
use super::payload::Payload;
use super::retry_after::retry_after;
use crate::domain::entropy::Entropy;
use crate::vault::secret::{AccessToken, ClientSecret, PkceVerifier, RefreshToken};
use crate::vault::{Grant, IssuedSecret, Outage, issue};

/// Where a provider's OAuth is, and what is odd about its answers.
#[derive(Debug, Clone)]
pub struct OAuthEndpoints {
    /// The consent page.
    pub authorize_url: Url,
    /// Where codes and refresh tokens are exchanged.
    pub token_url: Url,
    /// Where a new token is tried before it is kept, by a GET that changes nothing.
    pub trial_url: Url,
    /// Rewrites the provider's answer into the shape of RFC 6749 §5.
    pub normalize: fn(http::Response<Vec<u8>>) -> http::Response<Vec<u8>>,
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
    /// The other fields of the answer, after `normalize`.
    pub extra: HashMap<String, serde_json::Value>,
}

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The provider said no, with this code.
    #[error("the provider answered {0:?}")]
    Refused(String),
    /// It could not be reached: nothing was done.
    #[error("it could not be reached")]
    Unreachable,
    /// It has a failure of its own.
    #[error("it answered {0}")]
    Down(Outage),
    /// The answer was lost, or can't be read: what was asked may have been done.
    #[error("{0}")]
    NoAnswer(String),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Extra(HashMap<String, serde_json::Value>);

impl ExtraTokenFields for Extra {}

type Response = StandardTokenResponse<Extra, BasicTokenType>;
type Refusal = StandardErrorResponse<BasicErrorResponseType>;
type Client = oauth2::Client<
    Refusal,
    Response,
    oauth2::basic::BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    oauth2::basic::BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

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
        let client = self.client().set_redirect_uri(RedirectUrl::from_url(redirect_uri.clone()));
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
        let redirect_uri = RedirectUrl::from_url(exchange.redirect_uri);
        let is_public = exchange.pkce_verifier.is_some();
        let client = if is_public { self.public_client() } else { self.client() };
        let mut request = client
            .exchange_code(AuthorizationCode::new(exchange.code))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect_uri));
        if let Some(verifier) = exchange.pkce_verifier {
            let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
            request = request.set_pkce_verifier(verifier);
        }
        let answer = request.request_async(&self.transport(http, now)).await;
        answer.map(|response| read(&response, now)).map_err(refusal)
    }

    /// Exchanges a refresh token for a new pair. `now` dates its end.
    ///
    /// # Errors
    ///
    /// When the provider says no, or says nothing that can be read.
    pub async fn refresh(
        &self,
        http: &HttpClient,
        refresh_token: &RefreshToken,
        now: OffsetDateTime,
    ) -> Result<TokenAnswer, OAuthError> {
        let token = oauth2::RefreshToken::new(refresh_token.expose_secret().to_owned());
        let answer = self
            .client()
            .exchange_refresh_token(&token)
            .request_async(&self.transport(http, now))
            .await;
        answer.map(|response| read(&response, now)).map_err(refusal)
    }

    fn client(&self) -> Client {
        let secret = self.client_secret.expose_secret().to_owned();
        self.public_client()
            .set_client_secret(oauth2::ClientSecret::new(secret))
            .set_auth_type(AuthType::BasicAuth)
    }

    /// The client as one without a secret: it names itself in the body.
    fn public_client(&self) -> Client {
        oauth2::Client::new(ClientId::new(self.client_id.to_owned()))
            .set_auth_uri(AuthUrl::from_url(self.endpoints.authorize_url.clone()))
            .set_token_uri(TokenUrl::from_url(self.endpoints.token_url.clone()))
            .set_auth_type(AuthType::RequestBody)
    }

    fn transport(&self, http: &HttpClient, now: OffsetDateTime) -> Transport {
        Transport { http: http.clone(), normalize: self.endpoints.normalize, now }
    }
}

/// Our HTTP client as the crate wants one.
struct Transport {
    http: HttpClient,
    normalize: fn(http::Response<Vec<u8>>) -> http::Response<Vec<u8>>,
    now: OffsetDateTime,
}

impl<'c> AsyncHttpClient<'c> for Transport {
    type Error = OAuthError;
    type Future = BoxFuture<'c, Result<oauth2::HttpResponse, OAuthError>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(async move {
            let request = request.map(|body| Payload::from(Bytes::from(body)));
            ask(&self.http, request, NamedBy::Operator, self.now).await.map(self.normalize)
        })
    }
}

/// No token is believed to live longer.
const LONGEST_LIFE: Duration = Duration::from_hours(100 * 365 * 24);
/// The largest answer that is read, in bytes: whoever a customer names could send without end.
const LARGEST: usize = 1024 * 1024;

/// Sends one request and reads the whole response, which has to be here within the time of its head.
pub(super) async fn ask(
    http: &HttpClient,
    request: http::Request<Payload>,
    named_by: NamedBy,
    now: OffsetDateTime,
) -> Result<http::Response<Vec<u8>>, OAuthError> {
    let deadline = Instant::now() + http.response_timeout();
    let answer = http.execute(Box::new(request), named_by, Reading::Whole).await;
    let (head, mut body) = answer.map_err(lost)?.into_parts();
    body.limit(deadline);
    let status = head.status;
    if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
        let (status, retry_after) =
            (format!("HTTP {}", status.as_u16()), retry_after(&head.headers, now));
        return Err(OAuthError::Down(Outage { status, retry_after }));
    }
    let whole = body.whole(Bytes::new(), LARGEST).await.map_err(lost)?;
    let whole = whole.ok_or_else(|| OAuthError::NoAnswer("its answer is too large".to_owned()))?;
    Ok(http::Response::from_parts(head, whole.into()))
}

#[expect(clippy::needless_pass_by_value, reason = "the last that is heard of an error")]
fn lost(error: SendError) -> OAuthError {
    match error {
        SendError::NotAllowed | SendError::Connect(_) => OAuthError::Unreachable,
        SendError::Timeout => OAuthError::NoAnswer("it did not answer in time".to_owned()),
        SendError::CallerStalled | SendError::Broken(_) => {
            OAuthError::NoAnswer("its answer broke off".to_owned())
        }
    }
}

fn read(response: &Response, now: OffsetDateTime) -> TokenAnswer {
    let scopes =
        response.scopes().map(|scopes| scopes.iter().map(|scope| String::clone(scope)).collect());
    TokenAnswer {
        grant: Grant {
            access_token: AccessToken::from(response.access_token().secret().clone()),
            refresh_token: response
                .refresh_token()
                .map(|token| RefreshToken::from(token.secret().clone())),
            expires_at: response.expires_in().map(|lifetime| now + lifetime.min(LONGEST_LIFE)),
        },
        scopes: scopes.unwrap_or_default(),
        extra: response.extra_fields().0.clone(),
    }
}

/// The crate's errors hold the answer's body, which may hold a token: only a code gets out.
fn refusal(error: RequestTokenError<OAuthError, Refusal>) -> OAuthError {
    match error {
        RequestTokenError::ServerResponse(refusal) => {
            OAuthError::Refused(refusal.error().to_string())
        }
        RequestTokenError::Request(error) => error,
        RequestTokenError::Parse(..) => {
            OAuthError::NoAnswer("its answer could not be read".to_owned())
        }
        RequestTokenError::Other(_) => OAuthError::NoAnswer("its answer was empty".to_owned()),
    }
}
