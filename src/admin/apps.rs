//! Provider apps: the environment's OAuth clients at providers.

use super::{AdminError, Administrator};
use crate::connectors::Registry;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;
use crate::store::{NewProviderApp, ProviderApp};
use crate::vault::Vault;
use crate::vault::secret::{ClientSecret, SigningSecret};

/// An OAuth client to be added.
#[derive(Debug)]
pub struct NewApp {
    /// The provider it is registered with.
    pub provider: Provider,
    /// Its id there.
    pub client_id: String,
    /// Its secret there.
    pub client_secret: ClientSecret,
    /// What the provider signs its own requests with.
    pub signing_secret: Option<SigningSecret>,
    /// The scopes a link asks for; what the unified API needs, when nothing is said.
    pub scopes: Option<Vec<String>>,
    /// Whether it is registered for PKCE.
    pub pkce: bool,
}

impl Administrator<'_> {
    /// Adds an OAuth client. New links use the newest one of their provider.
    ///
    /// # Errors
    ///
    /// `NoOAuth` for a provider without; a conflict when the environment has that client already.
    pub async fn create_app(
        &self,
        new: NewApp,
        vault: &Vault,
        registry: &Registry,
    ) -> Result<ProviderApp, AdminError> {
        let link = registry.connector(new.provider).linking().oauth().ok_or(AdminError::NoOAuth)?;
        let id = ProviderAppId::generate(self.clock, self.entropy);
        let signing_secret = new.signing_secret.as_ref();
        let environment_id = self.db.environment_id();
        let sealed = vault.seal_app(environment_id, id, &new.client_secret, signing_secret)?;
        let all = || link.default_scopes().iter().map(ToString::to_string).collect();
        let now = self.clock.now();
        let app = ProviderApp {
            id,
            provider: new.provider,
            client_id: new.client_id,
            data_key: sealed.data_key,
            client_secret: sealed.client_secret,
            signing_secret: sealed.signing_secret,
            scopes: new.scopes.unwrap_or_else(all),
            pkce: new.pkce,
            updated_at: now,
        };
        let subject = id.to_string();
        let entry = self.entry("provider_app.created", (None, Some(&subject)));
        self.db.insert_provider_app(&NewProviderApp { app: &app, now }, &entry).await?;
        Ok(app)
    }

    /// Removes an OAuth client that no account was linked through; tells what it was.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; a conflict while an account was linked through it.
    pub async fn delete_app(&self, id: ProviderAppId) -> Result<ProviderApp, AdminError> {
        let lock = self.db.lock_provider_app(id).await?;
        let lock = lock.ok_or(AdminError::NotFound("provider app"))?;
        let (app, subject) = (lock.app().clone(), id.to_string());
        lock.delete(&self.entry("provider_app.deleted", (None, Some(&subject)))).await?;
        Ok(app)
    }
}
