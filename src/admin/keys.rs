//! API keys: made, given another secret, ended. A secret is shown once, to whoever asked for it.

use time::{Duration, OffsetDateTime};

use super::{AdminError, Administrator};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::networks::Networks;
use crate::store::{NewApiKey, RotatedSecret, Store, StoreError};
use crate::vault::{IssuedSecret, KeyIssuer};

/// What a key may do, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Permits<'a> {
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
    /// Which addresses its callers may have; `None` for all.
    pub allowed_addresses: Option<&'a Networks>,
}

impl<'a> From<&'a [Scope]> for Permits<'a> {
    fn from(scopes: &'a [Scope]) -> Self {
        Self { scopes, allowed_methods: None, allowed_addresses: None }
    }
}

/// The wish for a key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// What it is for.
    pub name: &'a str,
    /// What it may do.
    pub permits: Permits<'a>,
    /// When it ends by itself.
    pub expires_at: Option<OffsetDateTime>,
    /// The key that makes it, if one of the same environment does: it ends no later.
    pub made_by: Option<&'a str>,
}

/// A new API key. The secret is shown this once.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The key itself.
    pub secret: IssuedSecret,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// An API key with another secret. The secret is shown this once.
#[derive(Debug)]
pub struct RotatedKey {
    /// The key itself.
    pub secret: IssuedSecret,
    /// When the secret that it had ends.
    pub old_secret_ends_at: OffsetDateTime,
}

impl Administrator<'_> {
    /// Makes an API key.
    ///
    /// # Errors
    ///
    /// `Revoked` when the key that makes it was revoked meanwhile.
    pub async fn create_key(
        &self,
        issuer: &KeyIssuer,
        wish: &NewKey<'_>,
    ) -> Result<CreatedKey, AdminError> {
        let secret = issuer.issue(KeyKind::ApiKey, self.entropy);
        let id = ApiKeyId::generate(self.clock, self.entropy);
        let created_at = self.clock.now();
        let key = NewApiKey {
            id,
            name: wish.name,
            digest: secret.digest(),
            scopes: wish.permits.scopes,
            allowed_methods: wish.permits.allowed_methods,
            allowed_addresses: wish.permits.allowed_addresses,
            made_by: wish.made_by,
            created_at,
            expires_at: wish.expires_at,
        };
        let subject = id.to_string();
        let entry = self.entry("api_key.created", (None, Some(&subject)));
        if self.db.insert_api_key(&key, &entry).await? {
            Ok(CreatedKey { id, secret, created_at })
        } else {
            Err(AdminError::Revoked)
        }
    }

    /// Gives a key another secret. The one that it has lives on for `overlap`, and one that it had before ends
    /// immediately; `ends_made` also ends the account tokens and link tokens that were made with the key.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no living key of that id.
    pub async fn rotate_key(
        &self,
        issuer: &KeyIssuer,
        id: ApiKeyId,
        overlap: Duration,
        ends_made: bool,
    ) -> Result<RotatedKey, AdminError> {
        let secret = issuer.issue(KeyKind::ApiKey, self.entropy);
        let now = self.clock.now();
        let old_secret_ends_at = now + overlap;
        let new = RotatedSecret {
            ends_made,
            digest: secret.digest(),
            old_ends_at: old_secret_ends_at,
            now,
        };
        let subject = id.to_string();
        let entry = self.entry("api_key.rotated", (None, Some(&subject)));
        if self.db.rotate_api_key(id, &new, &entry).await? {
            Ok(RotatedKey { secret, old_secret_ends_at })
        } else {
            Err(AdminError::NotFound("living key"))
        }
    }

    /// Ends a key at once, with all its secrets; tells whether it was not ended before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_key(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let subject = id.to_string();
        let entry = self.entry("api_key.revoked", (None, Some(&subject)));
        self.db.revoke_api_key(id, self.clock.now(), &entry).await
    }
}

/// Creates an API key of an environment from the command line; it does not expire.
///
/// # Errors
///
/// When the database fails.
pub async fn create_api_key<'a>(
    store: &Store,
    environment_id: EnvironmentId,
    name: &str,
    permits: impl Into<Permits<'a>>,
    issuer: &KeyIssuer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<CreatedKey, AdminError> {
    let db = store.tenant(environment_id);
    let cli = Administrator { db: &db, actor: "cli", request_id: None, clock, entropy };
    let wish = NewKey { name, permits: permits.into(), expires_at: None, made_by: None };
    cli.create_key(issuer, &wish).await
}
