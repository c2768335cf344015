//! The way back: the state is taken, the code exchanged, the account stored.

use super::{LinkError, Links};
use crate::connectors::LinkedGrant;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{
    AuditEntry, LinkSession, LinkToken, LinkedAccount, Outcome, ProviderApp, StoreError,
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
    /// The provider.
    pub provider: Provider,
    /// The organization's name.
    pub organization: String,
    /// Where the browser goes next.
    pub redirect_uri: Option<String>,
}

impl Links {
    /// Finishes a link. The link token stays good after a failure, so that the customer can try again.
    ///
    /// # Errors
    ///
    /// When nobody waits for the state, the browser is another one, consent was refused, or the grant
    /// is not one we can work with.
    pub async fn finish(&self, returned: Returned<'_>) -> Result<Linked, LinkError> {
        let state = Digest::of(returned.state);
        let session = self.store.take_link_session(&state, self.clock.now()).await?;
        let session = session.ok_or(LinkError::UnknownState)?;
        let is_same = returned
            .browser
            .is_some_and(|browser| digest_matches(browser, &session.browser_digest));
        if !is_same {
            return Err(LinkError::OtherBrowser);
        }
        let code = returned.code.map_err(LinkError::ConsentRefused)?;
        let app = self.app(&session.link).await?;
        let granted = self.exchange(&session, &app, code).await?;
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
        connector.read_grant(answer.map_err(LinkError::Exchange)?).map_err(LinkError::Grant)
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
        match db.complete_link(&account, &entry).await {
            Ok(true) => {}
            // Another tab was faster: its account stands.
            Ok(false) | Err(StoreError::Conflict(_)) => return Err(LinkError::Used),
            Err(error) => return Err(error.into()),
        }
        tracing::info!(account = %id, environment = %link.environment_id, "account linked");
        Ok(Linked {
            account_id: id,
            provider: link.provider,
            organization: organization.name.clone(),
            redirect_uri: link.redirect_uri.clone(),
        })
    }
}
