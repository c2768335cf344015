//! A link by a form: the customer says where the directory is and gives a token, which is tried there before
//! it is kept.

use super::exchange::Way;
use super::keep::{Kept, Linked};
use super::{LinkError, Links, Visit};
use crate::connectors::{LinkedGrant, Linking};
use crate::domain::provider::Provider;
use crate::store::LinkToken;
use crate::upstream::{NamedBy, try_token};
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
    /// The request, for the audit log.
    pub request_id: &'a str,
}

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
        let outcome = self.try_and_keep(&link, filled).await;
        if let Err(error) = &outcome {
            self.note(&link, error).await;
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
        let (http, now) = (&self.http, self.clock.now());
        let trial = try_token(http, url, &filled.token, NamedBy::Customer, now).await;
        let organization = form
            .read_trial(&base_url, &trial.map_err(LinkError::Trial)?)
            .map_err(LinkError::Grant)?;
        let granted = LinkedGrant {
            grant: Grant { access_token: filled.token, refresh_token: None, expires_at: None },
            organization,
            installer_id: None,
            scopes: Vec::new(),
        };
        let kept = Kept {
            link,
            provider: filled.provider,
            app: None,
            base_url: Some(base_url.as_str()),
            granted,
            request_id: filled.request_id,
        };
        self.keep(kept).await
    }
}
