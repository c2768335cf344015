//! Creates link tokens, reads their options and status, and starts OAuth sessions.

use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::Url;

use super::{LinkError, LinkService};
use crate::connectors::OAuthLink;
use crate::domain::account::AccountStatus;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId};
use crate::domain::link_page::{LinkPage, redirect_origin};
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::store::{AuditEntry, LinkToken, NewLinkSession, NewLinkToken, ProviderApp, StoreError};
use crate::upstream::{AuthorizationRequest, OAuthClient};
use crate::vault::{IssuedSecret, issue};

/// The prefix of link tokens.
const LINK_TOKEN_PREFIX: &str = "sb_link_";
/// The prefix of the secrets that bind a browser to its session.
pub const BROWSER_SECRET_PREFIX: &str = "browser_";

/// A request for a link token.
#[derive(Debug)]
pub struct LinkRequest<'a> {
    /// The application's id of its customer.
    pub tenant_id: &'a str,
    /// The providers that the customer can select from; empty for that of the account.
    pub providers: &'a [Provider],
    /// The account to reconnect; tenant and provider must match it.
    pub account_id: Option<IntegratedAccountId>,
    /// The application's URL for the customer's browser at the end.
    pub redirect_uri: Option<&'a Url>,
    /// The application's data for the account.
    pub context: &'a Value,
    /// The lifetime of the link token.
    pub lifetime: Duration,
    /// The actor in the audit log: a key's id, or a part of this program.
    pub actor: &'a str,
    /// The API key that creates it, if any: the token expires no later.
    pub created_by: Option<&'a str>,
    /// The request's id.
    pub request_id: Option<&'a str>,
}

/// A created link token.
#[derive(Debug)]
pub struct CreatedLink {
    /// Its id.
    pub id: LinkTokenId,
    /// The token, shown once.
    pub token: IssuedSecret,
    /// The URL of the hosted page.
    pub url: Url,
    /// The expiry.
    pub expires_at: OffsetDateTime,
}

/// What a link token offers.
#[derive(Debug)]
pub struct LinkOptions {
    /// The providers; at least one.
    pub choices: Vec<ProviderOption>,
    /// The organization to reconnect.
    pub organization: Option<String>,
    /// The application's `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// Branding, and the allowed origins.
    pub page: LinkPage,
}

/// A provider that can be connected.
#[derive(Debug)]
pub struct ProviderOption {
    /// The provider.
    pub provider: Provider,
    /// The scopes that its consent page requests, each with its description if known; `None` for a provider that is
    /// connected by a form.
    pub scopes: Option<Vec<(String, Option<&'static str>)>>,
}

/// How the hosted page was opened.
#[derive(Debug, Clone, Copy)]
pub struct LaunchContext<'a> {
    /// The display mode.
    pub display: &'a str,
    /// The origin of the web page that opened it.
    pub opener_origin: Option<&'a str>,
}

/// The status of a link token.
#[derive(Debug)]
pub enum LinkStatus {
    /// Not started.
    Pending,
    /// A browser is on the provider's page.
    InProgress {
        /// The time since it left for that page.
        elapsed: Duration,
    },
    /// The last attempt failed, with this error code; another attempt may succeed.
    Failed(String),
    /// Expired.
    Expired,
    /// The account is connected.
    Linked {
        /// The account.
        account_id: IntegratedAccountId,
        /// Its provider.
        provider: Provider,
        /// The requested scopes that were not granted.
        missing_scopes: Vec<String>,
    },
}

/// The redirect to the provider's authorization endpoint.
#[derive(Debug)]
pub struct AuthorizationRedirect {
    /// The authorization URL.
    pub url: Url,
    /// The OAuth state.
    pub state: IssuedSecret,
    /// The browser's secret, for its cookie.
    pub browser: IssuedSecret,
}

impl LinkService {
    /// Creates a link token.
    ///
    /// # Errors
    ///
    /// `NoProviderApp` if the environment has no provider app, `AccountNotFound` if the account to reconnect is not
    /// that of this environment and tenant, `OriginNotAllowed` if the `redirect_uri` is not on an allowed origin,
    /// `KeyRevoked` if the creating key was revoked.
    pub async fn create(
        &self,
        environment_id: EnvironmentId,
        request: &LinkRequest<'_>,
    ) -> Result<CreatedLink, LinkError> {
        let db = self.store.tenant(environment_id);
        if let Some(uri) = request.redirect_uri {
            let origin = redirect_origin(uri.as_str()).unwrap_or_default();
            if !db.link_page_settings().await?.allows_origin(&origin) {
                return Err(LinkError::OriginNotAllowed(origin));
            }
        }
        let mut choices = request.providers.to_vec();
        if let Some(id) = request.account_id {
            let account = db.account(id).await?.ok_or(LinkError::AccountNotFound)?;
            let fits = account.status != AccountStatus::Disconnected
                && account.tenant_id == request.tenant_id
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
        let token = issue(LINK_TOKEN_PREFIX, &*self.entropy);
        let id = LinkTokenId::generate(&*self.clock, &*self.entropy);
        let expires_at = now + request.lifetime;
        let url = self.public_url.join(&format!("link/{}", token.reveal()));
        let url = url.map_err(|_| LinkError::PublicUrl)?;
        let new = NewLinkToken {
            id,
            digest: token.digest(),
            tenant_id: request.tenant_id,
            choices: &choices,
            provider_app_id: app_id,
            account_id: request.account_id,
            redirect_uri: request.redirect_uri.map(Url::as_str),
            context: request.context,
            made_by: request.created_by,
            created_at: now,
            expires_at,
        };
        let subject = id.to_string();
        let entry = AuditEntry {
            account_id: request.account_id,
            subject: Some(&subject),
            request_id: request.request_id,
            ..AuditEntry::new("link_token.created", request.actor, &*self.clock, &*self.entropy)
        };
        let expires_at = db.insert_link_token(&new, &entry).await?.ok_or(LinkError::KeyRevoked)?;
        Ok(CreatedLink { id, token, url, expires_at })
    }

    /// Returns what a link token offers.
    ///
    /// # Errors
    ///
    /// `UnknownToken`, `Expired` or `Used`; `Store` if the database fails.
    pub async fn options(&self, token: &str) -> Result<LinkOptions, LinkError> {
        let link = self.usable_token(token).await?;
        let db = self.store.tenant(link.environment_id);
        let account = match link.account_id {
            Some(id) => db.account(id).await?,
            None => None,
        };
        let mut choices = Vec::new();
        for provider in link.choices {
            choices.push(self.provider_option(link.environment_id, provider).await?);
        }
        Ok(LinkOptions {
            choices,
            organization: account.map(|account| account.organization.name),
            redirect_uri: link.redirect_uri,
            page: db.link_page_settings().await?,
        })
    }

    async fn provider_option(
        &self,
        environment_id: EnvironmentId,
        provider: Provider,
    ) -> Result<ProviderOption, LinkError> {
        let Ok(connector) = self.oauth(provider) else {
            return Ok(ProviderOption { provider, scopes: None });
        };
        let app = self.newest_app(environment_id, provider).await?;
        let described = app.scopes.into_iter().map(|scope| {
            let words = connector.describe_scope(&scope);
            (scope, words)
        });
        Ok(ProviderOption { provider, scopes: Some(described.collect()) })
    }

    /// Returns the page settings of a link token of any status; `None` if it is unknown.
    ///
    /// # Errors
    ///
    /// `Store` if the database fails.
    pub async fn page_settings(&self, token: &str) -> Result<Option<LinkPage>, LinkError> {
        match self.store.link_token(&Digest::of(token)).await? {
            Some(link) => {
                Ok(Some(self.store.tenant(link.environment_id).link_page_settings().await?))
            }
            None => Ok(None),
        }
    }

    /// Returns the status of a link token and its page settings.
    ///
    /// # Errors
    ///
    /// `UnknownToken`; `Store` if the database fails.
    pub async fn status(&self, token: &str) -> Result<(LinkStatus, LinkPage), LinkError> {
        let link = self.store.link_token(&Digest::of(token)).await?;
        let link = link.ok_or(LinkError::UnknownToken)?;
        let db = self.store.tenant(link.environment_id);
        let page = db.link_page_settings().await?;
        let linked = match link.linked_account_id {
            Some(id) => db.account(id).await?,
            None => None,
        };
        if let Some(account) = linked {
            let progress = LinkStatus::Linked {
                account_id: account.id,
                provider: account.provider,
                missing_scopes: account.missing_scopes.to_vec(),
            };
            return Ok((progress, page));
        }
        let progress = match link {
            LinkToken { failure: Some(failure), .. } => LinkStatus::Failed(failure),
            LinkToken { expires_at, .. } if expires_at <= self.clock.now() => LinkStatus::Expired,
            LinkToken { at_provider_since: Some(since), .. } => {
                LinkStatus::InProgress { elapsed: self.clock.now() - since }
            }
            LinkToken { .. } => LinkStatus::Pending,
        };
        Ok((progress, page))
    }

    /// Starts an OAuth session with the selected provider and returns the redirect.
    ///
    /// # Errors
    ///
    /// `UnknownToken`, `Expired` or `Used`; `OtherProvider` if it does not offer the provider.
    pub async fn start_oauth(
        &self,
        token: &str,
        chosen: Option<Provider>,
        visit: &LaunchContext<'_>,
    ) -> Result<AuthorizationRedirect, LinkError> {
        let link = self.usable_token(token).await?;
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
        let (state, browser) =
            (issue("", &*self.entropy), issue(BROWSER_SECRET_PREFIX, &*self.entropy));
        let AuthorizationRequest { url, pkce_verifier } = client.authorization_request(
            &self.redirect_uri()?,
            &state,
            connector.scope_parameter(),
            &app.scopes,
            app.pkce,
            &*self.entropy,
        );
        let seal = |verifier| self.vault.seal_pkce_verifier(link.environment_id, link.id, verifier);
        let pkce_verifier = pkce_verifier.as_ref().map(seal).transpose()?;
        let start = NewLinkSession {
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
            Ok(AuthorizationRedirect { url, state, browser })
        } else {
            Err(LinkError::Used)
        }
    }

    /// Checks that a link token is usable.
    ///
    /// # Errors
    ///
    /// `UnknownToken`, `Expired` or `Used`.
    pub async fn check_usable(&self, token: &str) -> Result<(), LinkError> {
        self.usable_token(token).await.map(drop)
    }

    pub(super) async fn usable_token(&self, token: &str) -> Result<LinkToken, LinkError> {
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

    /// Returns the OAuth configuration of a provider.
    pub(super) fn oauth(&self, provider: Provider) -> Result<&dyn OAuthLink, LinkError> {
        self.registry.connector(provider).linking().oauth().ok_or(LinkError::OtherProvider)
    }

    /// Returns the provider app for new links.
    async fn newest_app(
        &self,
        environment_id: EnvironmentId,
        provider: Provider,
    ) -> Result<ProviderApp, LinkError> {
        let app = self.store.tenant(environment_id).provider_app_for(provider).await?;
        app.ok_or(LinkError::NoProviderApp(provider))
    }

    /// Returns the provider app of a session.
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
