//! The way back: the state is taken, the code exchanged, the account stored.

use super::{LinkError, Links};
use crate::connectors::LinkedGrant;
use crate::domain::event::EventKind;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::link_page::LinkPage;
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{
    AuditEntry, LinkSession, LinkToken, LinkedAccount, NewEvent, Outcome, ProviderApp, StoreError,
};
use crate::upstream::{CodeExchange, OAuthClient};
use crate::vault::digest_matches;

/// What a browser brings back from the provider.
#[derive(Debug)]
pub struct Returned<'a> {
    /// The OAuth state.
    pub state: &'a str,
    /// The code, or the provider's code for "no".
    pub code: Result<String, String>,
    /// The cookie that the browser left with.
    pub browser: Option<&'a str>,
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// A link that worked.
#[derive(Debug)]
pub struct Linked {
    /// The account, new or connected again.
    pub account_id: IntegratedAccountId,
    /// The organization's name.
    pub organization: String,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
}

/// The page that a browser came back to: whose it is, and how it was shown.
#[derive(Debug)]
pub struct Way {
    /// The provider.
    pub provider: Provider,
    /// Where the browser goes next.
    pub redirect_uri: Option<String>,
    /// How the page was shown.
    pub display: Option<String>,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<String>,
    /// How the page looks, and who may open it.
    pub page: LinkPage,
}

impl Links {
    /// Finishes a link. The link token stays good after a failure, so that the customer can try again.
    /// Beside the outcome comes the way that the browser was on, once it has shown that it is its own.
    pub async fn finish(&self, returned: Returned<'_>) -> (Option<Way>, Result<Linked, LinkError>) {
        let (session, way) = match self.take(&returned).await {
            Ok(taken) => taken,
            Err(error) => return (None, Err(error)),
        };
        let outcome = self.complete(&session, returned).await;
        if let Err(error) = &outcome {
            let db = self.store.tenant(session.link.environment_id);
            if let Err(unnoted) = db.fail_link(session.link.id, error.name()).await {
                tracing::warn!(%unnoted, "the failure of a link could not be noted");
            }
        }
        (Some(way), outcome)
    }

    /// The session of a state, for the browser that it belongs to.
    async fn take(&self, returned: &Returned<'_>) -> Result<(LinkSession, Way), LinkError> {
        let state = Digest::of(returned.state);
        let session = self.store.take_link_session(&state, self.clock.now()).await?;
        let session = session.ok_or(LinkError::UnknownState)?;
        let is_same = returned
            .browser
            .is_some_and(|browser| digest_matches(browser, &session.browser_digest));
        if !is_same {
            return Err(LinkError::OtherBrowser);
        }
        let way = Way {
            provider: session.link.provider,
            redirect_uri: session.link.redirect_uri.clone(),
            display: session.display.clone(),
            opener_origin: session.opener_origin.clone(),
            page: self.store.tenant(session.link.environment_id).link_page().await?,
        };
        Ok((session, way))
    }

    async fn complete(
        &self,
        session: &LinkSession,
        returned: Returned<'_>,
    ) -> Result<Linked, LinkError> {
        let code = returned.code.map_err(LinkError::ConsentRefused)?;
        let app = self.app(&session.link).await?;
        let granted = self.exchange(session, &app, code).await?;
        self.keep(&session.link, &app, granted, returned.request_id).await
    }

    async fn exchange(
        &self,
        session: &LinkSession,
        app: &ProviderApp,
        code: String,
    ) -> Result<LinkedGrant, LinkError> {
        let link = &session.link;
        let client_secret = self.vault.open_client_secret(link.environment_id, app)?;
        let pkce_verifier = self.vault.open_pkce_verifier(
            link.environment_id,
            link.id,
            &session.data_key,
            &session.pkce_verifier,
        )?;
        let connector = self.registry.connector(link.provider).link();
        let client = OAuthClient {
            endpoints: connector.endpoints(),
            client_id: &app.client_id,
            client_secret: &client_secret,
        };
        let exchange = CodeExchange { code, redirect_uri: self.redirect_uri()?, pkce_verifier };
        let answer = client.exchange(&self.http, exchange, self.clock.now()).await;
        let mut linked =
            connector.read_grant(answer.map_err(LinkError::Exchange)?).map_err(LinkError::Grant)?;
        let trial = client.try_token(&self.http, &linked.grant.access_token).await;
        connector
            .read_trial(&trial.map_err(LinkError::Trial)?, &mut linked)
            .map_err(LinkError::Grant)?;
        Ok(linked)
    }

    async fn keep(
        &self,
        link: &LinkToken,
        app: &ProviderApp,
        granted: LinkedGrant,
        request_id: &str,
    ) -> Result<Linked, LinkError> {
        let db = self.store.tenant(link.environment_id);
        let organization = &granted.organization;
        let live = db.live_account(&link.tenant_id, link.provider, &organization.id).await?;
        let id = match (link.account_id, live) {
            (Some(wanted), live) if live != Some(wanted) => {
                return Err(LinkError::OtherOrganization);
            }
            (_, Some(live)) => live,
            (_, None) => IntegratedAccountId::generate(&*self.clock, &*self.entropy),
        };
        let now = self.clock.now();
        let credentials = self.vault.seal_grant(link.environment_id, id, &granted.grant)?;
        let missing: Vec<String> =
            app.scopes.iter().filter(|scope| !granted.scopes.contains(scope)).cloned().collect();
        let entry = AuditEntry {
            id: AuditId::generate(&*self.clock, &*self.entropy),
            at: now,
            actor: "link",
            action: if live.is_some() {
                "integrated_account.relinked"
            } else {
                "integrated_account.linked"
            },
            account_id: Some(id),
            subject: None,
            request_id: Some(request_id),
            outcome: Outcome::Done,
        };
        let account = LinkedAccount {
            id,
            link_token_id: link.id,
            tenant_id: &link.tenant_id,
            provider: link.provider,
            provider_app_id: link.provider_app_id,
            organization,
            installer_id: &granted.installer_id,
            granted_scopes: &granted.scopes,
            missing_scopes: &missing,
            context: &link.context,
            credentials: &credentials,
            now,
        };
        let told = |kind| NewEvent::new(kind, id, None, &*self.clock, &*self.entropy);
        let told = match live {
            None => vec![told(EventKind::Created), told(EventKind::Active)],
            Some(_) => vec![told(EventKind::Reactivated)],
        };
        match db.complete_link(&account, &entry, &told).await {
            Ok(true) => {}
            // Another tab was faster: its account stands.
            Ok(false) | Err(StoreError::Conflict(_)) => return Err(LinkError::Used),
            Err(error) => return Err(error.into()),
        }
        tracing::info!(account = %id, environment = %link.environment_id, "account linked");
        Ok(Linked {
            account_id: id,
            organization: organization.name.clone(),
            missing_scopes: missing,
        })
    }
}
