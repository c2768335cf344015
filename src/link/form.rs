//! A link by a form: the customer says where the directory is and gives a token, which is tried there before
//! it is kept.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::Duration;
use url::Url;

use super::exchange::Way;
use super::keep::{Asked, Kept, Linked};
use super::{AttemptLimit, LinkError, Links, Visit};
use crate::connectors::{FormLink, LinkRefusal, LinkedGrant, Linking};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::LinkToken;
use crate::upstream::{NamedBy, OAuthError, TrialAnswer, try_token};
use crate::vault::Grant;
use crate::vault::secret::AccessToken;

/// What a customer filled in.
#[derive(Debug)]
pub struct Filled<'a> {
    /// The provider that was chosen.
    pub provider: Provider,
    /// Where it is.
    pub base_url: &'a str,
    /// What to call it with.
    pub token: AccessToken,
    /// Whether the customer was asked whose the token is.
    pub asked: Asked,
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// How often the form of one link token tries an address.
const MAX_LINK_ATTEMPTS: i32 = 20;
/// How often all forms of an environment do, within [`ENVIRONMENT_WINDOW`].
const MAX_ENVIRONMENT_ATTEMPTS: i64 = 500;
const ENVIRONMENT_WINDOW: Duration = Duration::hours(1);
/// How much of a digest is stored, in bytes: enough to tell users apart.
const DIGEST_BYTES: usize = 8;

impl Links {
    /// Connects a directory by what its customer filled in. The link token stays good after a failure.
    /// Beside the outcome comes the way that the browser is on, when the link token is good.
    pub async fn connect(
        &self,
        token: &str,
        visit: &Visit<'_>,
        filled: Filled<'_>,
    ) -> (Option<Way>, Result<Linked, LinkError>) {
        let (link, way) = match self.way(token, visit, filled.provider).await {
            Ok(found) => found,
            Err(error) => return (None, Err(error)),
        };
        let request_id = filled.request_id;
        let outcome = self.try_and_keep(&link, filled).await;
        if let Err(error) = &outcome {
            self.note(&link, error, request_id).await;
        }
        (Some(way), outcome)
    }

    async fn way(
        &self,
        token: &str,
        visit: &Visit<'_>,
        provider: Provider,
    ) -> Result<(LinkToken, Way), LinkError> {
        let link = self.usable(token).await?;
        if !link.choices.contains(&provider) {
            return Err(LinkError::OtherProvider);
        }
        let way = Way {
            provider,
            redirect_uri: link.redirect_uri.clone(),
            display: Some(visit.display.to_owned()),
            opener_origin: visit.opener_origin.map(str::to_owned),
            page: self.store.tenant(link.environment_id).link_page().await?,
        };
        Ok((link, way))
    }

    async fn try_and_keep(
        &self,
        link: &LinkToken,
        filled: Filled<'_>,
    ) -> Result<Linked, LinkError> {
        let Linking::Form(form) = self.registry.connector(filled.provider).linking() else {
            return Err(LinkError::OtherProvider);
        };
        let base_url = form.base_url(filled.base_url, self.http.reach());
        let base_url = base_url.map_err(LinkError::BaseUrl)?;
        let url = form.trial_url(&base_url).ok_or(LinkError::BaseUrl("It can't be used."))?;
        self.count_attempt(link).await?;
        let trial = self.get(url, &filled.token).await.map_err(no_directory)?;
        let organization = form.read_trial(&base_url, &trial).map_err(LinkError::Grant)?;
        let sample = self.sample(form, &base_url, &filled.token).await;
        let granted = LinkedGrant {
            grant: Grant { access_token: filled.token, refresh_token: None, expires_at: None },
            organization,
            installer_id: None,
            scopes: Vec::new(),
            sample,
        };
        let kept = Kept {
            link,
            provider: filled.provider,
            app: None,
            base_url: Some(base_url.as_str()),
            granted,
            asked: filled.asked,
            request_id: filled.request_id,
        };
        self.keep(kept).await
    }

    /// Counts an attempt, unless there were too many: each sends requests to an address of the customer's choice.
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

    async fn get(&self, url: Url, token: &AccessToken) -> Result<TrialAnswer, OAuthError> {
        try_token(&self.http, url, token, NamedBy::Customer, self.clock.now()).await
    }

    /// Digests of some of the users that a token sees; none when they can't be read. A server that lists one user
    /// and not twenty can be linked all the same.
    async fn sample(
        &self,
        form: &dyn FormLink,
        base_url: &Url,
        token: &AccessToken,
    ) -> Vec<String> {
        let Some(url) = form.sample_url(base_url) else { return Vec::new() };
        let Ok(answer) = self.get(url, token).await else { return Vec::new() };
        let digest = |id: String| {
            let digest = Digest::of(&format!("{base_url}\n{id}"));
            URL_SAFE_NO_PAD.encode(digest.0.get(..DIGEST_BYTES).unwrap_or_default())
        };
        form.read_sample(&answer).into_iter().map(digest).collect()
    }
}

/// Why the trial of a form failed.
fn no_directory(error: OAuthError) -> LinkError {
    match error {
        // Nothing was sent: the token can't stand in a header.
        OAuthError::Refused(_) => LinkError::Grant(LinkRefusal::TokenRefused),
        OAuthError::Unreachable
        | OAuthError::TimedOut
        | OAuthError::Down(_)
        | OAuthError::NoAnswer(_) => LinkError::NoDirectory(error),
    }
}
