//! The way back: the state is taken, the code exchanged, the account stored.

use super::keep::{Asked, Kept, Linked};
use super::{LinkError, Links};
use crate::connectors::LinkedGrant;
use crate::domain::account::AccountStatus;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::link_page::LinkPage;
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{AuditEntry, LinkSession, LinkToken, ProviderApp, Return};
use crate::upstream::{CodeExchange, NamedBy, OAuthClient, try_token};

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
    /// Beside the outcome comes the way that the browser was on, once it has shown that it is its own. A browser
    /// that comes back again finds the outcome that it has seen, for a while.
    pub async fn finish(&self, returned: Returned<'_>) -> (Option<Way>, Result<Linked, LinkError>) {
        let (session, way, linked) = match self.take(&returned).await {
            Ok(taken) => taken,
            Err(error) => return (None, Err(error)),
        };
        if let Some(account_id) = linked {
            return (Some(way), self.seen(&session.link, account_id).await);
        }
        let request_id = returned.request_id;
        let outcome = self.complete(&session, returned).await;
        if let Err(error) = &outcome {
            self.note(&session.link, error, request_id).await;
        }
        (Some(way), outcome)
    }

    /// The outcome of a link that was completed before.
    async fn seen(
        &self,
        link: &LinkToken,
        account_id: IntegratedAccountId,
    ) -> Result<Linked, LinkError> {
        let account = self.store.tenant(link.environment_id).account(account_id).await?;
        let account = account.filter(|account| account.status != AccountStatus::Disconnected);
        let account = account.ok_or(LinkError::UnknownState)?;
        Ok(Linked {
            account_id,
            organization: account.organization.name,
            missing_scopes: account.missing_scopes.to_vec(),
            is_repeated: true,
        })
    }

    /// Notes why a try failed, for whoever opened the page.
    pub(super) async fn note(&self, link: &LinkToken, error: &LinkError, request_id: &str) {
        let db = self.store.tenant(link.environment_id);
        let entry = AuditEntry::new("link.failed", "link", &*self.clock, &*self.entropy);
        let entry = AuditEntry { request_id: Some(request_id), ..entry };
        if let Err(unnoted) = db.fail_link(link.id, error.name(), entry).await {
            tracing::warn!(%unnoted, "the failure of a link could not be noted");
        }
    }

    /// The session of a state, for the browser that it belongs to; with the account, when it was completed before.
    async fn take(
        &self,
        returned: &Returned<'_>,
    ) -> Result<(LinkSession, Way, Option<IntegratedAccountId>), LinkError> {
        let state = Digest::of(returned.state);
        let browser = returned.browser.map(Digest::of);
        let found =
            self.store.take_link_session(&state, browser.as_ref(), self.clock.now()).await?;
        let (session, linked) = match found {
            Return::Taken(session) => (*session, None),
            Return::Linked(session, account_id) => (*session, Some(account_id)),
            Return::UnderWay => return Err(LinkError::StillConnecting),
            Return::OtherBrowser(link) => {
                if let Some(link) = link {
                    self.note(&link, &LinkError::OtherBrowser, returned.request_id).await;
                }
                return Err(LinkError::OtherBrowser);
            }
            Return::Unknown => return Err(LinkError::UnknownState),
        };
        let way = Way {
            provider: session.link.provider,
            redirect_uri: session.link.redirect_uri.clone(),
            display: session.display.clone(),
            opener_origin: session.opener_origin.clone(),
            page: self.store.tenant(session.link.environment_id).link_page().await?,
        };
        Ok((session, way, linked))
    }

    async fn complete(
        &self,
        session: &LinkSession,
        returned: Returned<'_>,
    ) -> Result<Linked, LinkError> {
        let code = returned.code.map_err(LinkError::ConsentRefused)?;
        let app = self.app(&session.link).await?;
        let granted = self.exchange(session, &app, code).await?;
        let kept = Kept {
            link: &session.link,
            provider: session.link.provider,
            app: Some(&app),
            base_url: None,
            granted,
            asked: Asked::No,
            request_id: returned.request_id,
        };
        self.keep(kept).await
    }

    async fn exchange(
        &self,
        session: &LinkSession,
        app: &ProviderApp,
        code: String,
    ) -> Result<LinkedGrant, LinkError> {
        let link = &session.link;
        let client_secret = self.vault.open_client_secret(link.environment_id, app)?;
        let open = |(data_key, verifier): &(_, _)| {
            self.vault.open_pkce_verifier(link.environment_id, link.id, data_key, verifier)
        };
        let pkce_verifier = session.pkce_verifier.as_ref().map(open).transpose()?;
        let connector = self.oauth(link.provider)?;
        let client = OAuthClient {
            endpoints: connector.endpoints(),
            client_id: &app.client_id,
            client_secret: &client_secret,
        };
        let exchange = CodeExchange { code, redirect_uri: self.redirect_uri()?, pkce_verifier };
        let answer = client.exchange(&self.http, exchange, self.clock.now()).await;
        let mut linked =
            connector.read_grant(answer.map_err(LinkError::Exchange)?).map_err(LinkError::Grant)?;
        let url = connector.endpoints().trial_url.clone();
        let token = &linked.grant.access_token;
        let trial = try_token(&self.http, url, token, NamedBy::Operator, self.clock.now()).await;
        connector
            .read_trial(&trial.map_err(LinkError::Trial)?, &mut linked)
            .map_err(LinkError::Grant)?;
        Ok(linked)
    }
}
