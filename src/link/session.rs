//! The way to the provider: making a link token, showing its page, leaving for the consent.

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::Url;

use super::{LinkError, Links};
use crate::domain::account::AccountStatus;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId};
use crate::domain::link_page::{LinkPage, own_origin};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{LinkToken, NewLinkToken, ProviderApp, SessionStart, StoreError};
use crate::upstream::{Consent, OAuthClient};
use crate::vault::{IssuedSecret, issue};

/// How link tokens begin.
const PREFIX: &str = "sb_link_";

/// The wish for a link token.
#[derive(Debug)]
pub struct LinkRequest<'a> {
    /// The SaaS's own name for its customer.
    pub tenant_id: &'a str,
    /// The kind of directory.
    pub provider: Provider,
    /// The account to connect again; tenant and provider must be its own.
    pub account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser goes at the end.
    pub redirect_uri: Option<&'a Url>,
    /// The SaaS's own data for the account.
    pub context: &'a Value,
    /// How long the link is good.
    pub lifetime: Duration,
}

/// A new link token.
#[derive(Debug)]
pub struct NewLink {
    /// Its id.
    pub id: LinkTokenId,
    /// The token, shown once.
    pub token: IssuedSecret,
    /// The hosted page.
    pub url: Url,
    /// When it ends.
    pub expires_at: OffsetDateTime,
}

/// What the hosted page shows.
#[derive(Debug)]
pub struct Offer {
    /// The provider to connect.
    pub provider: Provider,
    /// What will be asked for: the scope and, where we know it, what it permits.
    pub scopes: Vec<(String, Option<&'static str>)>,
    /// The organization to be connected again.
    pub organization: Option<String>,
    /// Where the browser goes at the end.
    pub redirect_uri: Option<String>,
    /// How the page looks, and who may open it.
    pub page: LinkPage,
}

/// How the hosted page is shown, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Visit<'a> {
    /// A popup, a frame, or a window of its own.
    pub display: &'a str,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<&'a str>,
}

/// How far a link token has come.
#[derive(Debug)]
pub enum Progress {
    /// Nobody is through yet.
    Open,
    /// A browser is at the provider's page.
    UnderWay {
        /// For how long.
        elapsed: Duration,
    },
    /// The last try failed, for the reason of that name; another try may work.
    Failed(String),
    /// Too old to be used.
    Expired,
    /// The account is there.
    Linked {
        /// Which account.
        account_id: IntegratedAccountId,
        /// Its provider.
        provider: Provider,
    },
}

/// A browser that leaves for the provider.
#[derive(Debug)]
pub struct Started {
    /// Where it goes.
    pub url: Url,
    /// What it must show when it comes back: the cookie's value.
    pub browser: IssuedSecret,
}

impl Links {
    /// Makes a link token.
    ///
    /// # Errors
    ///
    /// `NoProviderApp` when the environment has no OAuth client, `AccountNotFound` when the account to
    /// connect again is not this environment's, or not the tenant's.
    pub async fn create(
        &self,
        environment_id: EnvironmentId,
        wish: &LinkRequest<'_>,
    ) -> Result<NewLink, LinkError> {
        let db = self.store.tenant(environment_id);
        if let Some(uri) = wish.redirect_uri {
            let origin = own_origin(uri.as_str()).unwrap_or_default();
            if !db.link_page().await?.admits(&origin) {
                return Err(LinkError::NotAllowed(origin));
            }
        }
        if let Some(id) = wish.account_id {
            let account = db.account(id).await?.ok_or(LinkError::AccountNotFound)?;
            let fits = account.status != AccountStatus::Disconnected
                && account.tenant_id == wish.tenant_id
                && account.provider == wish.provider;
            if !fits {
                return Err(LinkError::AccountNotFound);
            }
        }
        let app = db.provider_app_for(wish.provider).await?;
        let app = app.ok_or(LinkError::NoProviderApp(wish.provider))?;
        let now = self.clock.now();
        let token = issue(PREFIX, &*self.entropy);
        let id = LinkTokenId::generate(&*self.clock, &*self.entropy);
        let expires_at = now + wish.lifetime;
        let url = self.public_url.join(&format!("link/{}", token.reveal()));
        let url = url.map_err(|_| LinkError::PublicUrl)?;
        db.insert_link_token(&NewLinkToken {
            id,
            digest: token.digest(),
            tenant_id: wish.tenant_id,
            provider: wish.provider,
            provider_app_id: app.id,
            account_id: wish.account_id,
            redirect_uri: wish.redirect_uri.map(Url::as_str),
            context: wish.context,
            created_at: now,
            expires_at,
        })
        .await?;
        Ok(NewLink { id, token, url, expires_at })
    }

    /// What the page of a link token shows.
    ///
    /// # Errors
    ///
    /// When the token is unknown, too old or used.
    pub async fn offer(&self, token: &str) -> Result<Offer, LinkError> {
        let link = self.usable(token).await?;
        let app = self.app(&link).await?;
        let db = self.store.tenant(link.environment_id);
        let account = match link.account_id {
            Some(id) => db.account(id).await?,
            None => None,
        };
        let connector = self.registry.connector(link.provider);
        let scopes = app
            .scopes
            .into_iter()
            .map(|scope| {
                let words = connector.link().describe_scope(&scope);
                (scope, words)
            })
            .collect();
        Ok(Offer {
            provider: link.provider,
            scopes,
            organization: account.map(|account| account.organization.name),
            redirect_uri: link.redirect_uri,
            page: db.link_page().await?,
        })
    }

    /// The looks of a link token's page, whatever became of the token; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn looks(&self, token: &str) -> Result<Option<LinkPage>, LinkError> {
        match self.store.link_token(&Digest::of(token)).await? {
            Some(link) => Ok(Some(self.store.tenant(link.environment_id).link_page().await?)),
            None => Ok(None),
        }
    }

    /// How far a link token has come.
    ///
    /// # Errors
    ///
    /// When the token is unknown, or the database fails.
    pub async fn progress(&self, token: &str) -> Result<(Progress, LinkPage), LinkError> {
        let link = self.store.link_token(&Digest::of(token)).await?;
        let link = link.ok_or(LinkError::UnknownToken)?;
        let page = self.store.tenant(link.environment_id).link_page().await?;
        let progress = match link {
            LinkToken { linked_account_id: Some(account_id), provider, .. } => {
                Progress::Linked { account_id, provider }
            }
            LinkToken { failure: Some(failure), .. } => Progress::Failed(failure),
            LinkToken { expires_at, .. } if expires_at <= self.clock.now() => Progress::Expired,
            LinkToken { away_since: Some(since), .. } => {
                Progress::UnderWay { elapsed: self.clock.now() - since }
            }
            LinkToken { .. } => Progress::Open,
        };
        Ok((progress, page))
    }

    /// Opens the session and says where the browser goes.
    ///
    /// # Errors
    ///
    /// When the token is unknown, too old or used.
    pub async fn start(&self, token: &str, visit: &Visit<'_>) -> Result<Started, LinkError> {
        let link = self.usable(token).await?;
        let app = self.app(&link).await?;
        let client_secret = self.vault.open_client_secret(link.environment_id, &app)?;
        let connector = self.registry.connector(link.provider).link();
        let client = OAuthClient {
            endpoints: connector.endpoints(),
            client_id: &app.client_id,
            client_secret: &client_secret,
        };
        let (state, browser) = (issue("", &*self.entropy), issue("", &*self.entropy));
        let Consent { url, pkce_verifier } = client.consent(
            &self.redirect_uri()?,
            &state,
            connector.scope_parameter(),
            &app.scopes,
            &*self.entropy,
        );
        let (data_key, pkce_verifier) =
            self.vault.seal_pkce_verifier(link.environment_id, link.id, &pkce_verifier)?;
        let start = SessionStart {
            state_digest: state.digest(),
            browser_digest: browser.digest(),
            data_key,
            pkce_verifier,
            display: visit.display,
            opener_origin: visit.opener_origin,
            now: self.clock.now(),
        };
        let db = self.store.tenant(link.environment_id);
        if db.start_link_session(link.id, &start).await? {
            Ok(Started { url, browser })
        } else {
            Err(LinkError::Used)
        }
    }

    async fn usable(&self, token: &str) -> Result<LinkToken, LinkError> {
        let link = self.store.link_token(&Digest::of(token)).await?;
        let link = link.ok_or(LinkError::UnknownToken)?;
        if link.used_at.is_some() {
            Err(LinkError::Used)
        } else if link.expires_at <= self.clock.now() {
            Err(LinkError::Expired)
        } else {
            Ok(link)
        }
    }

    pub(super) async fn app(&self, link: &LinkToken) -> Result<ProviderApp, LinkError> {
        let db = self.store.tenant(link.environment_id);
        let app = db.provider_app(link.provider_app_id).await?;
        app.ok_or(LinkError::Store(StoreError::Inconsistent {
            table: "link_tokens",
            column: "provider_app_id",
        }))
    }
}
