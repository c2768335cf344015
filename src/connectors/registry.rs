//! The connectors by provider, and token refresh for each.

use std::sync::Arc;

use async_trait::async_trait;
use foldhash::HashSet;

use super::Connector;
use super::scim::ScimConnector;
use super::slack_enterprise::SlackConnector;
use crate::config::Config;
use crate::domain::clock::Clock;
use crate::domain::provider::Provider;
use crate::upstream::{HttpClient, OAuthClient, OAuthError, request_client_token};
use crate::vault::secret::{ClientSecret, RefreshToken};
use crate::vault::{CustomerClient, RefreshFailure, RefreshResponse, Refresher};

/// Error codes of a token endpoint about the OAuth client, not the customer's grant.
const CLIENT_ERROR_CODES: &[&str] =
    &["bad_client_secret", "invalid_client", "invalid_client_id", "unauthorized_client"];
/// Error codes that mean that the grant is invalid. Any other code leaves the account unchanged.
const GRANT_ERROR_CODES: &[&str] = &[
    "account_inactive",
    "invalid_grant",
    "invalid_refresh_token",
    "token_expired",
    "token_revoked",
    "user_removed_from_team",
];
/// Maximum length of a recorded code, in bytes.
const MAX_CODE_BYTES: usize = 100;
/// Error codes that mean a server error.
const SERVER_ERROR_CODES: &[&str] = &[
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
    slack_enterprise: SlackConnector,
    scim: ScimConnector,
    http: HttpClient,
    clock: Arc<dyn Clock>,
}

/// Why a connector can't be built.
#[derive(Debug, thiserror::Error)]
#[error("the connector {provider} can't be built: {reason}")]
pub struct ConnectorBuildError {
    provider: Provider,
    reason: String,
}

impl Registry {
    /// Builds the connectors with the URLs in `config`.
    ///
    /// # Errors
    ///
    /// When a URL is invalid, or a method table can't be parsed.
    pub fn new(
        config: &Config,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorBuildError> {
        let slack_enterprise = SlackConnector::new(&config.slack_enterprise).map_err(|error| {
            ConnectorBuildError { provider: Provider::SlackEnterprise, reason: error.to_string() }
        })?;
        let scim = ScimConnector::new(&config.scim);
        Ok(Self { slack_enterprise, scim, http, clock })
    }

    /// Returns the documented methods of all providers. Other names come from callers of the proxy and may be invented.
    #[must_use]
    pub fn known_methods(&self) -> HashSet<String> {
        self.slack_enterprise.known_methods().chain(ScimConnector::known_methods()).collect()
    }

    /// Returns the connector of a provider.
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
    ) -> Result<RefreshResponse, RefreshFailure> {
        let Some(link) = self.connector(provider).linking().oauth() else {
            return Err(RefreshFailure::RequestRejected("no_refresh".to_owned()));
        };
        let endpoints = link.endpoints();
        let client = OAuthClient { endpoints, client_id, client_secret };
        let response = client.refresh(&self.http, refresh_token, self.clock.now()).await;
        response.map_err(|error| match client_error(&error) {
            Some(code) => RefreshFailure::ClientRejected(code),
            None => refresh_failure(error),
        })
    }

    async fn request_token(
        &self,
        client: &CustomerClient,
    ) -> Result<RefreshResponse, RefreshFailure> {
        let response = request_client_token(&self.http, client, self.clock.now()).await;
        response.map_err(|error| match client_error(&error) {
            // The client is the customer's grant.
            Some(code) => RefreshFailure::Rejected(code),
            None => refresh_failure(error),
        })
    }
}

/// Returns the code of an error about the OAuth client.
fn client_error(error: &OAuthError) -> Option<String> {
    let OAuthError::Rejected(code) = error else { return None };
    CLIENT_ERROR_CODES.contains(&code.as_str()).then(|| code.clone())
}

/// Returns the failure of a refresh by the error of the token endpoint, except about the client.
fn refresh_failure(error: OAuthError) -> RefreshFailure {
    match error {
        OAuthError::Rejected(code) if GRANT_ERROR_CODES.contains(&&*code) => {
            RefreshFailure::Rejected(code)
        }
        OAuthError::Rejected(code) if SERVER_ERROR_CODES.contains(&&*code) => {
            RefreshFailure::ServerError(code.into())
        }
        OAuthError::Rejected(mut code) => {
            code.truncate(code.floor_char_boundary(MAX_CODE_BYTES));
            RefreshFailure::RequestRejected(code)
        }
        OAuthError::Unreachable => RefreshFailure::Unreachable,
        OAuthError::TimedOut => RefreshFailure::TimedOut,
        OAuthError::ServerError(status) => RefreshFailure::ServerError(status),
        OAuthError::ResponseLost(reason) => RefreshFailure::ResponseLost(reason),
    }
}
