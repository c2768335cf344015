//! Which connector serves which provider.

use std::sync::Arc;

use async_trait::async_trait;
use foldhash::HashSet;

use super::Connector;
use super::scim::Scim;
use super::slack_enterprise::SlackEnterprise;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::provider::Provider;
use crate::upstream::{HttpClient, OAuthClient, OAuthError};
use crate::vault::secret::{ClientSecret, RefreshToken};
use crate::vault::{RefreshFailure, Refresher, Renewal};

/// Codes by which a token endpoint says that it is our client that is wrong, not the customer's grant.
const CLIENT_REFUSALS: &[&str] =
    &["bad_client_secret", "invalid_client", "invalid_client_id", "unauthorized_client"];
/// Codes by which it says that the grant is invalid. Any other code leaves the account as it is.
const GRANT_REFUSALS: &[&str] = &[
    "account_inactive",
    "invalid_grant",
    "invalid_refresh_token",
    "token_expired",
    "token_revoked",
    "user_removed_from_team",
];
/// The longest code that is recorded, in bytes.
const MAX_CODE: usize = 100;
/// Codes by which it says that something went wrong on its side.
const TROUBLE: &[&str] = &[
    "fatal_error",
    "internal_error",
    "ratelimited",
    "request_timeout",
    "server_error",
    "service_unavailable",
    "team_added_to_org",
    "temporarily_unavailable",
];

/// Every connector of the program.
pub struct Registry {
    slack_enterprise: SlackEnterprise,
    scim: Scim,
    http: HttpClient,
    clock: Arc<dyn Clock>,
}

/// A connector that can't be built.
#[derive(Debug, thiserror::Error)]
#[error("the connector {provider} can't be built: {reason}")]
pub struct UnusableConnector {
    provider: Provider,
    reason: String,
}

impl Registry {
    /// The connectors with the addresses in `config`.
    ///
    /// # Errors
    ///
    /// When an address is none, or a method table can't be read.
    pub fn new(
        config: &Config,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, UnusableConnector> {
        let slack_enterprise = SlackEnterprise::new(&config.slack_enterprise).map_err(|error| {
            UnusableConnector { provider: Provider::SlackEnterprise, reason: error.to_string() }
        })?;
        let scim = Scim::new(&config.scim);
        Ok(Self { slack_enterprise, scim, http, clock })
    }

    /// The methods of all providers that are documented: what else a caller of the proxy asks for may be
    /// made up.
    #[must_use]
    pub fn known_methods(&self) -> HashSet<String> {
        self.slack_enterprise.known_methods().chain(Scim::known_methods()).collect()
    }

    /// The connector of a provider.
    #[must_use]
    pub fn connector(&self, provider: Provider) -> &dyn Connector {
        match provider {
            Provider::SlackEnterprise => &self.slack_enterprise,
            Provider::Scim => &self.scim,
        }
    }
}

#[async_trait]
impl Refresher for Registry {
    async fn refresh(
        &self,
        provider: Provider,
        client_id: &str,
        client_secret: &ClientSecret,
        refresh_token: &RefreshToken,
    ) -> Result<Renewal, RefreshFailure> {
        let Some(link) = self.connector(provider).linking().oauth() else {
            return Err(RefreshFailure::Unclear("no_refresh".to_owned()));
        };
        let endpoints = link.endpoints();
        let client = OAuthClient { endpoints, client_id, client_secret };
        let answer = client.refresh(&self.http, refresh_token, self.clock.now()).await;
        answer.map_err(|error| match error {
            OAuthError::Refused(code) if CLIENT_REFUSALS.contains(&&*code) => {
                RefreshFailure::ClientRefused(code)
            }
            OAuthError::Refused(code) if GRANT_REFUSALS.contains(&&*code) => {
                RefreshFailure::Refused(code)
            }
            OAuthError::Refused(code) if TROUBLE.contains(&&*code) => {
                RefreshFailure::Down(code.into())
            }
            OAuthError::Refused(mut code) => {
                code.truncate(code.floor_char_boundary(MAX_CODE));
                RefreshFailure::Unclear(code)
            }
            OAuthError::Unreachable => RefreshFailure::Unreachable,
            OAuthError::TimedOut => RefreshFailure::TimedOut,
            OAuthError::Down(status) => RefreshFailure::Down(status),
            OAuthError::NoAnswer(reason) => RefreshFailure::AnswerLost(reason),
        })
    }
}
