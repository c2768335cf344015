//! A refresh request: with a refresh token and the client of a provider app, or with a customer's client credentials.

use time::OffsetDateTime;

use super::cipher::CipherError;
use super::error::{RefreshFailure, TokenError};
use super::refresh_response::{RefreshResponse, Refresher};
use super::renewal::{CustomerClient, Renewal};
use super::sealing::Vault;
use super::secret::{ClientSecret, RefreshToken};
use crate::domain::account::IntegratedAccount;
use crate::store::{ProviderApp, TenantDb};

/// A refresh request of an account.
pub(super) enum RefreshRequest<'a> {
    /// With a refresh token.
    RefreshToken {
        /// The provider app.
        app: Box<ProviderApp>,
        /// Its client secret.
        secret: ClientSecret,
        /// The token.
        token: &'a RefreshToken,
    },
    /// With a customer's client credentials.
    ClientCredentials(&'a CustomerClient),
}

impl<'a> RefreshRequest<'a> {
    /// Prepares the request; reads the provider app that it needs.
    pub(super) async fn prepare(
        db: &TenantDb,
        vault: &Vault,
        account: &IntegratedAccount,
        renewal: &'a Renewal,
    ) -> Result<Self, TokenError> {
        let token = match renewal {
            Renewal::ClientCredentials(client) => return Ok(Self::ClientCredentials(client)),
            Renewal::RefreshToken(token) => token,
        };
        let app = match account.provider_app_id {
            Some(id) => db.provider_app(id).await?,
            None => None,
        };
        let app = Box::new(app.ok_or(CipherError::Corrupt)?);
        let secret = vault.open_client_secret(account.environment_id, &app)?;
        Ok(Self::RefreshToken { app, secret, token })
    }

    /// Returns when the provider app was last changed, if the request uses one.
    pub(super) fn app_changed_at(&self) -> Option<OffsetDateTime> {
        match self {
            Self::RefreshToken { app, .. } => Some(app.updated_at),
            Self::ClientCredentials(_) => None,
        }
    }

    /// Sends the request once.
    pub(super) async fn send(
        &self,
        refresher: &dyn Refresher,
        account: &IntegratedAccount,
    ) -> Result<RefreshResponse, RefreshFailure> {
        match self {
            Self::RefreshToken { app, secret, token } => {
                refresher.refresh(account.provider, &app.client_id, secret, token).await
            }
            Self::ClientCredentials(client) => refresher.request_token(client).await,
        }
    }
}
