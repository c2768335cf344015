//! Manages provider apps: the environment's OAuth clients at providers.

use super::{AdminError, Administrator};
use crate::connectors::Registry;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;
use crate::store::{NewProviderApp, ProviderApp};
use crate::vault::Vault;
use crate::vault::secret::{ClientSecret, SigningSecret};

/// A provider app to be created.
#[derive(Debug)]
pub struct CreateProviderApp {
    /// The provider it is registered with.
    pub provider: Provider,
    /// The OAuth client id.
    pub client_id: String,
    /// The OAuth client secret.
    pub client_secret: ClientSecret,
    /// The secret with which the provider signs events.
    pub signing_secret: Option<SigningSecret>,
    /// The scopes that a link requests; `None` for those that the unified API needs.
    pub scopes: Option<Vec<String>>,
    /// Whether it is registered for PKCE.
    pub pkce: bool,
}

impl Administrator<'_> {
    /// Creates a provider app. New links use the newest one of their provider.
    ///
    /// # Errors
    ///
    /// `NoOAuth` if the provider has none; `Store` with a conflict if the environment already has the client id.
    pub async fn create_provider_app(
        &self,
        new: CreateProviderApp,
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

    /// Deletes a provider app without accounts; returns it.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Store` with a conflict while accounts use it.
    pub async fn delete_provider_app(&self, id: ProviderAppId) -> Result<ProviderApp, AdminError> {
        let lock = self.db.lock_provider_app(id).await?;
        let lock = lock.ok_or(AdminError::NotFound("provider app"))?;
        let (app, subject) = (lock.app().clone(), id.to_string());
        lock.delete(&self.entry("provider_app.deleted", (None, Some(&subject)))).await?;
        Ok(app)
    }
}
