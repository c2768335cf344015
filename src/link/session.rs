//! The way to the provider: making a link token, showing its page, leaving for the consent.

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::Url;

use super::{LinkError, Links};
use crate::connectors::OAuthLink;
use crate::domain::account::AccountStatus;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId};
use crate::domain::link_page::{LinkPage, own_origin};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{AuditEntry, LinkToken, NewLinkToken, ProviderApp, SessionStart, StoreError};
use crate::upstream::{Consent, OAuthClient};
use crate::vault::{IssuedSecret, issue};

/// How link tokens begin.
const PREFIX: &str = "sb_link_";
/// How the secrets begin that bind a browser to its session.
pub const BROWSER: &str = "browser_";

/// The wish for a link token.
#[derive(Debug)]
pub struct LinkRequest<'a> {
    /// The SaaS's own name for its customer.
    pub tenant_id: &'a str,
    /// The kinds of directory that the customer chooses from; none for the account's own.
    pub providers: &'a [Provider],
    /// The account to connect again; tenant and provider must be its own.
    pub account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser goes at the end.
    pub redirect_uri: Option<&'a Url>,
    /// The SaaS's own data for the account.
    pub context: &'a Value,
    /// How long the link is good.
    pub lifetime: Duration,
    /// Who wants it: a key's id, or a part of this program.
    pub actor: &'a str,
    /// The API key that makes it, if one does: it ends no later.
    pub made_by: Option<&'a str>,
    /// In which request.
    pub request_id: Option<&'a str>,
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
    /// What can be connected; at least one.
    pub choices: Vec<Offered>,
    /// The organization to be connected again.
    pub organization: Option<String>,
    /// Where the browser goes at the end.
    pub redirect_uri: Option<String>,
    /// How the page looks, and who may open it.
    pub page: LinkPage,
}

/// A provider that can be connected.
#[derive(Debug)]
pub struct Offered {
    /// Which one.
    pub provider: Provider,
    /// What its consent page will ask for: the scope and, where we know it, what it permits. `None` for a
    /// provider that is connected by a form.
    pub scopes: Option<Vec<(String, Option<&'static str>)>>,
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
        /// What was asked for and not granted.
        missing_scopes: Vec<String>,
    },
}

/// A browser that leaves for the provider.
#[derive(Debug)]
pub struct Started {
    /// Where it goes.
    pub url: Url,
    /// The OAuth state that it comes back with.
    pub state: IssuedSecret,
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
        let mut choices = wish.providers.to_vec();
        if let Some(id) = wish.account_id {
            let account = db.account(id).await?.ok_or(LinkError::AccountNotFound)?;
            let fits = account.status != AccountStatus::Disconnected
                && account.tenant_id == wish.tenant_id
                && (choices.is_empty() || choices.contains(&account.provider));
            if !fits {
                return Err(LinkError::AccountNotFound);
            }
            choices = vec![account.provider];
        }
        if choices.is_empty() {
            choices.push(Provider::SlackEnterprise);
        }
        let mut app_id = None;
        for (at, provider) in choices.iter().enumerate() {
            if self.oauth(*provider).is_ok() {
                let app = self.newest_app(environment_id, *provider).await?;
                app_id = app_id.or((at == 0).then_some(app.id));
            }
        }
        let now = self.clock.now();
        let token = issue(PREFIX, &*self.entropy);
        let id = LinkTokenId::generate(&*self.clock, &*self.entropy);
        let expires_at = now + wish.lifetime;
        let url = self.public_url.join(&format!("link/{}", token.reveal()));
        let url = url.map_err(|_| LinkError::PublicUrl)?;
        let new = NewLinkToken {
            id,
            digest: token.digest(),
            tenant_id: wish.tenant_id,
            choices: &choices,
            provider_app_id: app_id,
            account_id: wish.account_id,
            redirect_uri: wish.redirect_uri.map(Url::as_str),
            context: wish.context,
            made_by: wish.made_by,
            created_at: now,
            expires_at,
        };
        let subject = id.to_string();
        let entry = AuditEntry {
            account_id: wish.account_id,
            subject: Some(&subject),
            request_id: wish.request_id,
            ..AuditEntry::new("link_token.created", wish.actor, &*self.clock, &*self.entropy)
        };
        let expires_at = db.insert_link_token(&new, &entry).await?.ok_or(LinkError::KeyRevoked)?;
        Ok(NewLink { id, token, url, expires_at })
    }

    /// What the page of a link token shows.
    ///
    /// # Errors
    ///
    /// When the token is unknown, too old or used.
    pub async fn offer(&self, token: &str) -> Result<Offer, LinkError> {
        let link = self.usable(token).await?;
        let db = self.store.tenant(link.environment_id);
        let account = match link.account_id {
            Some(id) => db.account(id).await?,
            None => None,
        };
        let mut choices = Vec::new();
        for provider in link.choices {
            choices.push(self.offered(link.environment_id, provider).await?);
        }
        Ok(Offer {
            choices,
            organization: account.map(|account| account.organization.name),
            redirect_uri: link.redirect_uri,
            page: db.link_page().await?,
        })
    }

    async fn offered(
        &self,
        environment_id: EnvironmentId,
        provider: Provider,
    ) -> Result<Offered, LinkError> {
        let Ok(connector) = self.oauth(provider) else {
            return Ok(Offered { provider, scopes: None });
        };
        let app = self.newest_app(environment_id, provider).await?;
        let described = app.scopes.into_iter().map(|scope| {
            let words = connector.describe_scope(&scope);
            (scope, words)
        });
        Ok(Offered { provider, scopes: Some(described.collect()) })
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
        let db = self.store.tenant(link.environment_id);
        let page = db.link_page().await?;
        let linked = match link.linked_account_id {
            Some(id) => db.account(id).await?,
            None => None,
        };
        if let Some(account) = linked {
            let progress = Progress::Linked {
                account_id: account.id,
                provider: account.provider,
                missing_scopes: account.missing_scopes.to_vec(),
            };
            return Ok((progress, page));
        }
        let progress = match link {
            LinkToken { failure: Some(failure), .. } => Progress::Failed(failure),
            LinkToken { expires_at, .. } if expires_at <= self.clock.now() => Progress::Expired,
            LinkToken { away_since: Some(since), .. } => {
                Progress::UnderWay { elapsed: self.clock.now() - since }
            }
            LinkToken { .. } => Progress::Open,
        };
        Ok((progress, page))
    }

    /// Opens the session of the provider that was chosen, and says where the browser goes.
    ///
    /// # Errors
    ///
    /// When the token is unknown, too old or used, or the provider is not among its choices.
    pub async fn start(
        &self,
        token: &str,
        chosen: Option<Provider>,
        visit: &Visit<'_>,
    ) -> Result<Started, LinkError> {
        let link = self.usable(token).await?;
        let provider = chosen.unwrap_or(link.provider);
        if !link.choices.contains(&provider) {
            return Err(LinkError::OtherProvider);
        }
        let connector = self.oauth(provider)?;
        let app = self.newest_app(link.environment_id, provider).await?;
        let client_secret = self.vault.open_client_secret(link.environment_id, &app)?;
        let client = OAuthClient {
            endpoints: connector.endpoints(),
            client_id: &app.client_id,
            client_secret: &client_secret,
        };
        let (state, browser) = (issue("", &*self.entropy), issue(BROWSER, &*self.entropy));
        let Consent { url, pkce_verifier } = client.consent(
            &self.redirect_uri()?,
            &state,
            connector.scope_parameter(),
            &app.scopes,
            app.pkce,
            &*self.entropy,
        );
        let seal = |verifier| self.vault.seal_pkce_verifier(link.environment_id, link.id, verifier);
        let pkce_verifier = pkce_verifier.as_ref().map(seal).transpose()?;
        let start = SessionStart {
            provider,
            provider_app_id: app.id,
            state_digest: state.digest(),
            browser_digest: browser.digest(),
            pkce_verifier,
            display: visit.display,
            opener_origin: visit.opener_origin,
            now: self.clock.now(),
        };
        let db = self.store.tenant(link.environment_id);
        if db.start_link_session(link.id, &start).await? {
            Ok(Started { url, state, browser })
        } else {
            Err(LinkError::Used)
        }
    }

    /// Checks that a link token can be used.
    ///
    /// # Errors
    ///
    /// When it is unknown, too old or used.
    pub async fn check(&self, token: &str) -> Result<(), LinkError> {
        self.usable(token).await.map(drop)
    }

    pub(super) async fn usable(&self, token: &str) -> Result<LinkToken, LinkError> {
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

    /// How a provider is linked by OAuth.
    pub(super) fn oauth(&self, provider: Provider) -> Result<&dyn OAuthLink, LinkError> {
        self.registry.connector(provider).linking().oauth().ok_or(LinkError::OtherProvider)
    }

    /// The OAuth client that new links to a provider use.
    async fn newest_app(
        &self,
        environment_id: EnvironmentId,
        provider: Provider,
    ) -> Result<ProviderApp, LinkError> {
        let app = self.store.tenant(environment_id).provider_app_for(provider).await?;
        app.ok_or(LinkError::NoProviderApp(provider))
    }

    /// The OAuth client that a session left for the provider with.
    pub(super) async fn app(&self, link: &LinkToken) -> Result<ProviderApp, LinkError> {
        let db = self.store.tenant(link.environment_id);
        let app = match link.provider_app_id {
            Some(id) => db.provider_app(id).await?,
            None => None,
        };
        app.ok_or(LinkError::Store(StoreError::Inconsistent {
            table: "link_tokens",
            column: "provider_app_id",
        }))
    }
}
