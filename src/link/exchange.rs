//! The OAuth callback: consumes the session, exchanges the code, verifies the token.

use super::complete::{CompletedLink, SameOrganization, VerifiedGrant};
use super::{LinkError, LinkService};
use crate::connectors::LinkedGrant;
use crate::domain::account::AccountStatus;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::link_page::LinkPage;
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{AuditEntry, LinkSession, LinkToken, ProviderApp, SessionLookup};
use crate::upstream::{AddressSource, CodeExchange, OAuthClient, check_token};

/// The parameters of the OAuth callback.
#[derive(Debug)]
pub struct CallbackParams<'a> {
    /// The OAuth state.
    pub state: &'a str,
    /// The authorization code, or the provider's error code.
    pub code: Result<String, String>,
    /// The browser's secret, from its cookie.
    pub browser: Option<&'a str>,
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// How the link page was shown, and where the browser goes next.
#[derive(Debug)]
pub struct ReturnContext {
    /// The provider.
    pub provider: Provider,
    /// The application's `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// The display mode.
    pub display: Option<String>,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<String>,
    /// Branding, and the allowed origins.
    pub page: LinkPage,
}

impl LinkService {
    /// Completes a link. After a failure the link token remains valid, so that the customer can try again. The context
    /// is returned once the browser has proven that the session is its own. A repeated callback gets the same outcome
    /// for a while.
    pub async fn finish_oauth(
        &self,
        returned: CallbackParams<'_>,
    ) -> (Option<ReturnContext>, Result<CompletedLink, LinkError>) {
        let (session, return_context, linked) = match self.consume_session(&returned).await {
            Ok(taken) => taken,
            Err(error) => return (None, Err(error)),
        };
        if let Some(account_id) = linked {
            return (Some(return_context), self.repeated_outcome(&session.link, account_id).await);
        }
        let request_id = returned.request_id;
        let outcome = self.exchange_and_complete(&session, returned).await;
        if let Err(error) = &outcome {
            self.record_failure(&session.link, error, request_id).await;
        }
        (Some(return_context), outcome)
    }

    /// Returns the outcome of a link that was completed before.
    async fn repeated_outcome(
        &self,
        link: &LinkToken,
        account_id: IntegratedAccountId,
    ) -> Result<CompletedLink, LinkError> {
        let account = self.store.tenant(link.environment_id).account(account_id).await?;
        let account = account.filter(|account| account.status != AccountStatus::Disconnected);
        let account = account.ok_or(LinkError::UnknownState)?;
        Ok(CompletedLink {
            account_id,
            organization: account.organization.name,
            missing_scopes: account.missing_scopes.to_vec(),
            is_repeated: true,
        })
    }

    /// Records why an attempt failed, for the link status.
    pub(super) async fn record_failure(
        &self,
        link: &LinkToken,
        error: &LinkError,
        request_id: &str,
    ) {
        let db = self.store.tenant(link.environment_id);
        let entry = AuditEntry::new("link.failed", "link", &*self.clock, &*self.entropy);
        let entry = AuditEntry { request_id: Some(request_id), ..entry };
        if let Err(unnoted) = db.record_link_failure(link.id, error.code(), entry).await {
            tracing::warn!(%unnoted, "the failure of a link could not be recorded");
        }
    }

    /// Consumes the session of a state for the browser that owns it; with the account, if it was completed before.
    async fn consume_session(
        &self,
        returned: &CallbackParams<'_>,
    ) -> Result<(LinkSession, ReturnContext, Option<IntegratedAccountId>), LinkError> {
        let state = Digest::of(returned.state);
        let browser = returned.browser.map(Digest::of);
        let found =
            self.store.consume_link_session(&state, browser.as_ref(), self.clock.now()).await?;
        let (session, linked) = match found {
            SessionLookup::Consumed(session) => (*session, None),
            SessionLookup::AlreadyLinked(session, account_id) => (*session, Some(account_id)),
            SessionLookup::InProgress => return Err(LinkError::StillConnecting),
            SessionLookup::OtherBrowser(link) => {
                if let Some(link) = link {
                    self.record_failure(&link, &LinkError::OtherBrowser, returned.request_id).await;
                }
                return Err(LinkError::OtherBrowser);
            }
            SessionLookup::Unknown => return Err(LinkError::UnknownState),
        };
        let return_context = ReturnContext {
            provider: session.link.provider,
            redirect_uri: session.link.redirect_uri.clone(),
            display: session.display.clone(),
            opener_origin: session.opener_origin.clone(),
            page: self.store.tenant(session.link.environment_id).link_page_settings().await?,
        };
        Ok((session, return_context, linked))
    }

    async fn exchange_and_complete(
        &self,
        session: &LinkSession,
        returned: CallbackParams<'_>,
    ) -> Result<CompletedLink, LinkError> {
        let code = returned.code.map_err(LinkError::ConsentDenied)?;
        let app = self.app(&session.link).await?;
        let granted = self.exchange(session, &app, code).await?;
        let verified = VerifiedGrant {
            link: &session.link,
            provider: session.link.provider,
            app: Some(&app),
            base_url: None,
            granted,
            asked: SameOrganization::Unconfirmed,
            request_id: returned.request_id,
        };
        self.complete(verified).await
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
        let response = client.exchange(&self.http, exchange, self.clock.now()).await;
        let mut linked = connector
            .read_grant(response.map_err(LinkError::Exchange)?)
            .map_err(LinkError::InvalidGrant)?;
        let url = connector.endpoints().token_check_url.clone();
        let token = &linked.grant.access_token;
        let trial =
            check_token(&self.http, url, token, AddressSource::Config, self.clock.now()).await;
        connector
            .read_token_check(&trial.map_err(LinkError::TokenCheck)?, &mut linked)
            .map_err(LinkError::InvalidGrant)?;
        Ok(linked)
    }
}
