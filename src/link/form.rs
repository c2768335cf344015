//! Links a provider without OAuth: the customer enters base URL and credentials, which are verified before they are
//! stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::Duration;
use url::Url;

use super::complete::{CompletedLink, SameOrganization, VerifiedGrant};
use super::exchange::ReturnContext;
use super::form_credentials::{FormCredentials, PreparedCredentials};
use super::{AttemptLimit, LaunchContext, LinkError, LinkService};
use crate::connectors::{FormLink, LinkRejection, LinkedGrant, Linking};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::LinkToken;
use crate::upstream::{
    AddressSource, OAuthError, TokenCheckResponse, check_token, request_client_token,
};
use crate::vault::secret::AccessToken;
use crate::vault::{CustomerClient, Grant, SecretPlacement};

/// A submitted form.
#[derive(Debug)]
pub struct FormSubmission<'a> {
    /// The selected provider.
    pub provider: Provider,
    /// The base URL.
    pub base_url: &'a str,
    /// The credentials.
    pub credentials: FormCredentials,
    /// Whether the customer confirmed that the organization is the same.
    pub confirmation: SameOrganization,
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// Maximum attempts with the form of one link token.
const MAX_LINK_ATTEMPTS: i32 = 20;
/// Maximum attempts with all forms of an environment, within [`ENVIRONMENT_WINDOW`].
const MAX_ENVIRONMENT_ATTEMPTS: i64 = 500;
const ENVIRONMENT_WINDOW: Duration = Duration::hours(1);
/// Stored bytes of a user's digest: enough to distinguish users.
const DIGEST_BYTES: usize = 8;

impl LinkService {
    /// Connects a directory with a submitted form. After a failure the link token remains valid. The context is
    /// returned if the link token is valid.
    pub async fn submit_form(
        &self,
        token: &str,
        visit: &LaunchContext<'_>,
        filled: FormSubmission<'_>,
    ) -> (Option<ReturnContext>, Result<CompletedLink, LinkError>) {
        let (link, return_context) = match self.return_context(token, visit, filled.provider).await
        {
            Ok(found) => found,
            Err(error) => return (None, Err(error)),
        };
        let request_id = filled.request_id;
        let outcome = self.verify_and_complete(&link, filled).await;
        match &outcome {
            Ok(linked) => {
                let account = (link.environment_id, linked.account_id);
                Box::pin(self.discovery.discover_linked(account)).await;
            }
            Err(error) => self.record_failure(&link, error, request_id).await,
        }
        (Some(return_context), outcome)
    }

    async fn return_context(
        &self,
        token: &str,
        visit: &LaunchContext<'_>,
        provider: Provider,
    ) -> Result<(LinkToken, ReturnContext), LinkError> {
        let link = self.usable_token(token).await?;
        if !link.choices.contains(&provider) {
            return Err(LinkError::OtherProvider);
        }
        let return_context = ReturnContext {
            provider,
            redirect_uri: link.redirect_uri.clone(),
            display: Some(visit.display.to_owned()),
            opener_origin: visit.opener_origin.map(str::to_owned),
            page: self.store.tenant(link.environment_id).link_page_settings().await?,
        };
        Ok((link, return_context))
    }

    async fn verify_and_complete(
        &self,
        link: &LinkToken,
        filled: FormSubmission<'_>,
    ) -> Result<CompletedLink, LinkError> {
        let Linking::Form(form) = self.registry.connector(filled.provider).linking() else {
            return Err(LinkError::OtherProvider);
        };
        let policy = self.http.address_policy();
        let base_url = form.base_url(filled.base_url, policy).map_err(LinkError::InvalidBaseUrl)?;
        let prepared = filled.credentials.prepare(form, policy)?;
        self.count_attempt(link).await?;
        let grant = match prepared {
            PreparedCredentials::Token(access_token) => {
                Grant { access_token, renewal: None, expires_at: None }
            }
            PreparedCredentials::Client(client) => self.request_client_grant(client).await?,
        };
        let trial = self.check_form_token(form, &base_url, &grant.access_token).await?;
        let organization =
            form.read_token_check(&base_url, &trial).map_err(LinkError::InvalidGrant)?;
        let sample = self.user_sample(form, &base_url, &grant.access_token).await;
        let granted =
            LinkedGrant { grant, organization, installer_id: None, scopes: Vec::new(), sample };
        let kept = VerifiedGrant {
            link,
            provider: filled.provider,
            app: None,
            base_url: Some(base_url.as_str()),
            granted,
            asked: filled.confirmation,
            request_id: filled.request_id,
        };
        self.complete(kept).await
    }

    /// Counts an attempt, up to the limits: each sends requests to an address of the customer's choice.
    async fn count_attempt(&self, link: &LinkToken) -> Result<(), LinkError> {
        let db = self.store.tenant(link.environment_id);
        let now = self.clock.now();
        let in_environment = db.link_attempts_since(now - ENVIRONMENT_WINDOW).await?;
        if in_environment >= MAX_ENVIRONMENT_ATTEMPTS {
            return Err(LinkError::TooManyAttempts(AttemptLimit::Environment));
        }
        if db.count_link_attempt(link.id, MAX_LINK_ATTEMPTS, now).await? {
            Ok(())
        } else {
            Err(LinkError::TooManyAttempts(AttemptLimit::Link))
        }
    }

    /// Requests a token with client credentials: first with the secret in `Authorization`, which every endpoint must
    /// support (RFC 6749 §2.3.1), then in the body, which some endpoints support alone.
    async fn request_client_grant(&self, client: CustomerClient) -> Result<Grant, LinkError> {
        let mut rejection = None;
        for secret_in in [SecretPlacement::Header, SecretPlacement::Body] {
            let client = CustomerClient { secret_in, ..client.clone() };
            let now = self.clock.now();
            match request_client_token(&self.http, &client, now).await {
                Ok(response) => {
                    let none = || OAuthError::ResponseLost("it has no access token".to_owned());
                    return response
                        .into_client_grant(client, now)
                        .ok_or_else(|| LinkError::TokenEndpointNotFound(none()));
                }
                Err(error @ (OAuthError::Rejected(_) | OAuthError::ResponseLost(_))) => {
                    rejection.get_or_insert(error);
                }
                Err(error) => return Err(LinkError::TokenEndpointNotFound(error)),
            }
        }
        Err(match rejection {
            Some(error @ OAuthError::ResponseLost(_)) => LinkError::TokenEndpointNotFound(error),
            Some(_) | None => LinkError::InvalidGrant(LinkRejection::ClientRejected),
        })
    }

    /// Checks the token of a form. If the server fails at a URL, the next one is tried.
    async fn check_form_token(
        &self,
        form: &dyn FormLink,
        base_url: &Url,
        token: &AccessToken,
    ) -> Result<TokenCheckResponse, LinkError> {
        let mut failure = None;
        for url in form.token_check_urls(base_url) {
            match self.check_token(url, token).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    let may_try_next = matches!(
                        &error,
                        OAuthError::ServerError(failure) if failure.retry_after.is_none()
                    );
                    failure.get_or_insert(error);
                    if !may_try_next {
                        break;
                    }
                }
            }
        }
        let no_url = || LinkError::InvalidBaseUrl("The base URL is invalid.");
        Err(failure.map_or_else(no_url, token_check_error))
    }

    async fn check_token(
        &self,
        url: Url,
        token: &AccessToken,
    ) -> Result<TokenCheckResponse, OAuthError> {
        check_token(&self.http, url, token, AddressSource::Customer, self.clock.now()).await
    }

    /// Returns digests of some users that a token sees; none if they cannot be read, which does not prevent the link.
    async fn user_sample(
        &self,
        form: &dyn FormLink,
        base_url: &Url,
        token: &AccessToken,
    ) -> Vec<String> {
        let Some(url) = form.sample_url(base_url) else { return Vec::new() };
        let Ok(response) = self.check_token(url, token).await else { return Vec::new() };
        let digest = |id: String| {
            let digest = Digest::of(&format!("{base_url}\n{id}"));
            URL_SAFE_NO_PAD.encode(digest.0.get(..DIGEST_BYTES).unwrap_or_default())
        };
        form.read_sample(&response).into_iter().map(digest).collect()
    }
}

/// Converts an error of verifying a form's token.
fn token_check_error(error: OAuthError) -> LinkError {
    match error {
        // Nothing was sent: the token is not a valid header value.
        OAuthError::Rejected(_) => LinkError::InvalidGrant(LinkRejection::TokenRejected),
        OAuthError::Unreachable
        | OAuthError::TimedOut
        | OAuthError::ServerError(_)
        | OAuthError::ResponseLost(_) => LinkError::DirectoryNotFound(error),
    }
}
