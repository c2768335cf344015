//! The secrets that sign the requests to webhooks: generated, sealed into their row, opened, and revealed once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cipher::{CipherError, RowBinding};
use super::issued_secret::IssuedSecret;
use super::sealing::Vault;
use super::secret::WebhookSecret;
use crate::domain::entropy::random_bytes;
use crate::domain::ids::{EnvironmentId, WebhookId};
use crate::domain::sealed::{Ciphertext, SealedWebhookSecrets};

/// The prefix of the secrets of Standard Webhooks.
const PREFIX: &str = "whsec_";
const SECRET: &str = "secret";
const PREVIOUS_SECRET: &str = "previous_secret";

impl Vault {
    /// Generates a signing secret: the prefix and 256 random bits in base64.
    #[must_use]
    pub fn new_webhook_secret(&self) -> WebhookSecret {
        let random = STANDARD.encode(random_bytes::<32>(&*self.entropy));
        WebhookSecret::from(format!("{PREFIX}{random}"))
    }

    /// Encrypts a webhook's secrets for its row.
    ///
    /// # Errors
    ///
    /// Never in practice; see [`super::DataKey::seal`].
    pub fn seal_webhook_secrets(
        &self,
        environment_id: EnvironmentId,
        webhook_id: WebhookId,
        secret: &WebhookSecret,
        previous: Option<&WebhookSecret>,
    ) -> Result<SealedWebhookSecrets, CipherError> {
        let binding = RowBinding::new(environment_id, &webhook_id);
        let (key, data_key) = self.keys.new_data_key(&*self.entropy, &binding)?;
        let seal = |column: &str, text: &str| key.seal(&*self.entropy, column, text);
        Ok(SealedWebhookSecrets {
            data_key,
            secret: seal(SECRET, secret.expose_secret())?,
            previous: previous
                .map(|previous| seal(PREVIOUS_SECRET, previous.expose_secret()))
                .transpose()?,
        })
    }

    /// Decrypts a webhook's secrets: the current one, and the one before the last rotation.
    ///
    /// # Errors
    ///
    /// When the row was changed or its master key is not configured.
    pub fn open_webhook_secrets(
        &self,
        environment_id: EnvironmentId,
        webhook_id: WebhookId,
        sealed: &SealedWebhookSecrets,
    ) -> Result<(WebhookSecret, Option<WebhookSecret>), CipherError> {
        let binding = RowBinding::new(environment_id, &webhook_id);
        let key = self.keys.unwrap_data_key(&sealed.data_key, &binding)?;
        let open =
            |column: &str, text: &Ciphertext| key.open(column, text).map(WebhookSecret::from);
        let previous = sealed.previous.as_ref();
        let previous = previous.map(|text| open(PREVIOUS_SECRET, text)).transpose()?;
        Ok((open(SECRET, &sealed.secret)?, previous))
    }
}

/// The secret as it is revealed, once, to the caller that created or rotated it.
impl From<&WebhookSecret> for IssuedSecret {
    fn from(secret: &WebhookSecret) -> Self {
        Self::from(secret.expose_secret().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;
    use crate::vault::MasterKeys;

    #[test]
    fn secrets_open_in_their_row_only() {
        let entropy = Arc::new(SeededEntropy::new(1));
        let keys = MasterKeys::new(vec![("a".to_owned(), Zeroizing::new([1; 32]))]).unwrap();
        let vault = Vault::new(keys, entropy.clone());
        let home = EnvironmentId::generate(&SystemClock, &*entropy);
        let [own, other] = [(); 2].map(|()| WebhookId::generate(&SystemClock, &*entropy));
        let (old, new) = (vault.new_webhook_secret(), vault.new_webhook_secret());
        assert_ne!(old.expose_secret(), new.expose_secret());
        let key = new.expose_secret().strip_prefix("whsec_").unwrap();
        assert_eq!(STANDARD.decode(key).unwrap().len(), 32);

        let sealed = vault.seal_webhook_secrets(home, own, &new, Some(&old)).unwrap();
        let (secret, previous) = vault.open_webhook_secrets(home, own, &sealed).unwrap();
        assert_eq!(secret.expose_secret(), new.expose_secret());
        assert_eq!(previous.unwrap().expose_secret(), old.expose_secret());
        assert_eq!(IssuedSecret::from(&secret).reveal(), new.expose_secret());
        assert!(vault.open_webhook_secrets(home, other, &sealed).is_err());

        let swapped = SealedWebhookSecrets {
            secret: sealed.previous.clone().unwrap(),
            previous: Some(sealed.secret),
            data_key: sealed.data_key,
        };
        assert!(vault.open_webhook_secrets(home, own, &swapped).is_err());
    }
}
