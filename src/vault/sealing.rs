//! The vault: seals secrets into rows and opens rows into secrets.

use std::sync::Arc;

use time::OffsetDateTime;

use super::cipher::{CipherError, MasterKeys, RowBinding};
use super::destination::Destination;
use super::renewal::{CustomerClient, Renewal};
use super::secret::{
    AccessToken, AuthScheme, ClientSecret, PkceVerifier, RefreshToken, SigningSecret,
};
use crate::domain::account::IntegratedAccount;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, LinkTokenId, ProviderAppId};
use crate::domain::sealed::{Ciphertext, WrappedKey};
use crate::store::{Credentials, IdempotencyKey, NewCredentials, ProviderApp, SealedResponse};

pub(super) const ACCESS_TOKEN: &str = "access_token";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
/// Names of the same columns in the associated data, for other kinds of secrets. So no kind is taken for another one, not
/// even by an older version.
const BASIC_CREDENTIALS: &str = "basic_credentials";
const CLIENT_CREDENTIALS: &str = "client_credentials";
const CLIENT_SECRET: &str = "client_secret";
const SIGNING_SECRET: &str = "signing_secret";
const PKCE_VERIFIER: &str = "pkce_verifier";
const BODY: &str = "body";

/// An access token of a provider, and what renews it.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The access token.
    pub access_token: AccessToken,
    /// How new access tokens are obtained; `None` for a grant that is not refreshable.
    pub renewal: Option<Renewal>,
    /// When the access token expires; `None` for never.
    pub expires_at: Option<OffsetDateTime>,
}

/// The encrypted secrets of an OAuth client, as in its row.
#[derive(Debug)]
pub struct SealedAppSecrets {
    /// Their data key.
    pub data_key: WrappedKey,
    /// The client secret.
    pub client_secret: Ciphertext,
    /// The secret with which the provider signs its requests.
    pub signing_secret: Option<Ciphertext>,
}

/// Encryption and decryption of the secrets of every row.
#[derive(Clone)]
pub struct Vault {
    pub(super) keys: Arc<MasterKeys>,
    pub(super) entropy: Arc<dyn Entropy>,
}

impl Vault {
    /// Creates a vault with these master keys.
    #[must_use]
    pub fn new(keys: MasterKeys, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys: Arc::new(keys), entropy }
    }

    /// Encrypts a pair of tokens for an account's row and for their destination.
    ///
    /// # Errors
    ///
    /// Never in practice; see [`super::DataKey::seal`].
    pub fn seal_grant(
        &self,
        environment_id: EnvironmentId,
        account_id: IntegratedAccountId,
        to: Destination<'_>,
        grant: &Grant,
    ) -> Result<NewCredentials, CipherError> {
        let binding = RowBinding::new(environment_id, &account_id);
        let (key, data_key) = self.keys.new_data_key(&*self.entropy, &binding)?;
        let seal = |name: &str, text: &str| key.seal(&*self.entropy, &to.column(name), text);
        let access_token = match grant.access_token.scheme() {
            AuthScheme::Bearer => ACCESS_TOKEN,
            AuthScheme::Basic => BASIC_CREDENTIALS,
        };
        let refresh_token = match &grant.renewal {
            Some(Renewal::RefreshToken(token)) => Some(seal(REFRESH_TOKEN, token.expose_secret())?),
            Some(Renewal::ClientCredentials(client)) => {
                Some(seal(CLIENT_CREDENTIALS, &client.to_text()?)?)
            }
            None => None,
        };
        Ok(NewCredentials {
            data_key,
            access_token: seal(access_token, grant.access_token.expose_secret())?,
            refresh_token,
            expires_at: grant.expires_at,
        })
    }

    /// Decrypts an account's pair of tokens for the account's destination.
    ///
    /// # Errors
    ///
    /// When the row or the account's destination was changed, or its master key is not configured.
    pub fn open_grant(
        &self,
        account: &IntegratedAccount,
        row: &Credentials,
    ) -> Result<Grant, CipherError> {
        let binding = RowBinding::new(account.environment_id, &account.id);
        let to = Destination::from(account);
        let key = self.keys.unwrap_data_key(&row.data_key, &binding)?;
        let access_token = to
            .open(&key, ACCESS_TOKEN, &row.access_token)
            .map(AccessToken::from)
            .or_else(|error| {
                let text = key.open(&to.column(BASIC_CREDENTIALS), &row.access_token);
                text.map(AccessToken::encoded_basic).map_err(|_| error)
            })?;
        let renewal = |sealed: &Ciphertext| match to.open(&key, REFRESH_TOKEN, sealed) {
            Ok(token) => Ok(Renewal::RefreshToken(RefreshToken::from(token))),
            Err(error) => {
                let text = key.open(&to.column(CLIENT_CREDENTIALS), sealed).map_err(|_| error)?;
                CustomerClient::from_text(text).map(Box::new).map(Renewal::ClientCredentials)
            }
        };
        Ok(Grant {
            access_token,
            renewal: row.refresh_token.as_ref().map(renewal).transpose()?,
            expires_at: row.expires_at,
        })
    }

    /// Encrypts an OAuth client's secrets for its row.
    ///
    /// # Errors
    ///
    /// Never in practice; see [`super::DataKey::seal`].
    pub fn seal_app(
        &self,
        environment_id: EnvironmentId,
        app_id: ProviderAppId,
        client_secret: &ClientSecret,
        signing_secret: Option<&SigningSecret>,
    ) -> Result<SealedAppSecrets, CipherError> {
        let binding = RowBinding::new(environment_id, &app_id);
        let (key, data_key) = self.keys.new_data_key(&*self.entropy, &binding)?;
        let seal = |column, text: &str| key.seal(&*self.entropy, column, text);
        Ok(SealedAppSecrets {
            data_key,
            client_secret: seal(CLIENT_SECRET, client_secret.expose_secret())?,
            signing_secret: signing_secret
                .map(|secret| seal(SIGNING_SECRET, secret.expose_secret()))
                .transpose()?,
        })
    }

    /// Decrypts an OAuth client's client secret.
    ///
    /// # Errors
    ///
    /// When the row was changed or its master key is not configured.
    pub fn open_client_secret(
        &self,
        environment_id: EnvironmentId,
        app: &ProviderApp,
    ) -> Result<ClientSecret, CipherError> {
        let binding = RowBinding::new(environment_id, &app.id);
        let key = self.keys.unwrap_data_key(&app.data_key, &binding)?;
        key.open(CLIENT_SECRET, &app.client_secret).map(ClientSecret::from)
    }

    /// Decrypts an app's signing secret, if it has one.
    ///
    /// # Errors
    ///
    /// When the row was changed or its master key is not configured.
    pub fn open_signing_secret(
        &self,
        environment_id: EnvironmentId,
        app: &ProviderApp,
    ) -> Result<Option<SigningSecret>, CipherError> {
        let Some(sealed) = &app.signing_secret else { return Ok(None) };
        let binding = RowBinding::new(environment_id, &app.id);
        let key = self.keys.unwrap_data_key(&app.data_key, &binding)?;
        key.open(SIGNING_SECRET, sealed).map(|text| Some(text.into()))
    }

    /// Encrypts a PKCE verifier for its link token's row.
    ///
    /// # Errors
    ///
    /// Never in practice; see [`super::DataKey::seal`].
    pub fn seal_pkce_verifier(
        &self,
        environment_id: EnvironmentId,
        link_id: LinkTokenId,
        verifier: &PkceVerifier,
    ) -> Result<(WrappedKey, Ciphertext), CipherError> {
        self.seal(
            &RowBinding::new(environment_id, &link_id),
            PKCE_VERIFIER,
            verifier.expose_secret(),
        )
    }

    /// Decrypts a PKCE verifier.
    ///
    /// # Errors
    ///
    /// When the row was changed or its master key is not configured.
    pub fn open_pkce_verifier(
        &self,
        environment_id: EnvironmentId,
        link_id: LinkTokenId,
        data_key: &WrappedKey,
        sealed: &Ciphertext,
    ) -> Result<PkceVerifier, CipherError> {
        let binding = RowBinding::new(environment_id, &link_id);
        let key = self.keys.unwrap_data_key(data_key, &binding)?;
        key.open(PKCE_VERIFIER, sealed).map(PkceVerifier::from)
    }

    /// Encrypts the body of a response for the row of its idempotency key.
    ///
    /// # Errors
    ///
    /// Never in practice; see [`super::DataKey::seal`].
    pub fn seal_response(
        &self,
        environment_id: EnvironmentId,
        key: &IdempotencyKey,
        body: &str,
    ) -> Result<(WrappedKey, Ciphertext), CipherError> {
        self.seal(&response_binding(environment_id, key), BODY, body)
    }

    /// Decrypts the body of a stored response.
    ///
    /// # Errors
    ///
    /// When the row was changed or its master key is not configured.
    pub fn open_response(
        &self,
        environment_id: EnvironmentId,
        key: &IdempotencyKey,
        response: &SealedResponse,
    ) -> Result<String, CipherError> {
        let binding = response_binding(environment_id, key);
        self.keys.unwrap_data_key(&response.data_key, &binding)?.open(BODY, &response.body)
    }

    fn seal(
        &self,
        binding: &RowBinding,
        column: &str,
        text: &str,
    ) -> Result<(WrappedKey, Ciphertext), CipherError> {
        let (key, wrapped) = self.keys.new_data_key(&*self.entropy, binding)?;
        Ok((wrapped, key.seal(&*self.entropy, column, text)?))
    }
}

pub(super) fn response_binding(environment_id: EnvironmentId, key: &IdempotencyKey) -> RowBinding {
    // Neither part can contain a line break.
    RowBinding::new(environment_id, &format_args!("idempotency\n{}\n{}", key.scope, key.key))
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("keys", &self.keys).finish_non_exhaustive()
    }
}
