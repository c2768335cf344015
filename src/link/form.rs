//! Links a provider without OAuth: the customer enters base URL and token, which is verified before it is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::Duration;
use url::Url;

use super::complete::{CompletedLink, SameOrganization, VerifiedGrant};
use super::exchange::ReturnContext;
use super::{AttemptLimit, LaunchContext, LinkError, LinkService};
use crate::connectors::{FormLink, LinkRejection, LinkedGrant, Linking};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::LinkToken;
use crate::upstream::{AddressSource, OAuthError, TokenCheckResponse, check_token};
use crate::vault::Grant;
use crate::vault::secret::AccessToken;

/// A submitted form.
#[derive(Debug)]
pub struct FormSubmission<'a> {
    /// The selected provider.
    pub provider: Provider,
    /// The base URL.
    pub base_url: &'a str,
    /// The access token.
    pub token: AccessToken,
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
        if let Err(error) = &outcome {
            self.record_failure(&link, error, request_id).await;
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
        let base_url = form.base_url(filled.base_url, self.http.address_policy());
        let base_url = base_url.map_err(LinkError::InvalidBaseUrl)?;
        let url = form
            .token_check_url(&base_url)
            .ok_or(LinkError::InvalidBaseUrl("The base URL is invalid."))?;
        self.count_attempt(link).await?;
        let trial = self.check_token(url, &filled.token).await.map_err(token_check_error)?;
        let organization =
            form.read_token_check(&base_url, &trial).map_err(LinkError::InvalidGrant)?;
        let sample = self.user_sample(form, &base_url, &filled.token).await;
        let granted = LinkedGrant {
            grant: Grant { access_token: filled.token, refresh_token: None, expires_at: None },
            organization,
            installer_id: None,
            scopes: Vec::new(),
            sample,
        };
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
