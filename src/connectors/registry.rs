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
use crate::vault::{Grant, RefreshFailure, Refresher};

/// Codes by which a token endpoint says that it is our client that is wrong, not the customer's grant.
const CLIENT_REFUSALS: &[&str] =
    &["bad_client_secret", "invalid_client", "invalid_client_id", "unauthorized_client"];
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
    ) -> Result<Grant, RefreshFailure> {
        let Some(link) = self.connector(provider).linking().oauth() else {
            return Err(RefreshFailure::Refused("no_refresh".to_owned()));
        };
        let endpoints = link.endpoints();
        let client = OAuthClient { endpoints, client_id, client_secret };
        let answer = client.refresh(&self.http, refresh_token, self.clock.now()).await;
        match answer {
            Ok(answer) => Ok(answer.grant),
            Err(OAuthError::Refused(code)) if CLIENT_REFUSALS.contains(&&*code) => {
                Err(RefreshFailure::ClientRefused(code))
            }
            Err(OAuthError::Refused(code)) if TROUBLE.contains(&&*code) => {
                Err(RefreshFailure::Down(code.into()))
            }
            Err(OAuthError::Refused(code)) => Err(RefreshFailure::Refused(code)),
            Err(OAuthError::Unreachable) => Err(RefreshFailure::Unreachable),
            Err(OAuthError::Down(status)) => Err(RefreshFailure::Down(status)),
            Err(OAuthError::NoAnswer(reason)) => Err(RefreshFailure::AnswerLost(reason)),
        }
    }
}
