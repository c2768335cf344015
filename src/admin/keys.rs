//! Creates, rotates and revokes API keys. A secret is shown once, to the caller that requested it.

use time::{Duration, OffsetDateTime};

use super::{AdminError, Administrator};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::store::{NewApiKey, RevocationScope, SecretRotation, Store, StoreError};
use crate::vault::{IssuedSecret, KeyIssuer};

/// The scopes and restrictions of a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyRestrictions<'a> {
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// The provider methods that it may call through the proxy; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
    /// The networks of its callers; `None` for all.
    pub allowed_addresses: Option<&'a Networks>,
}

impl<'a> From<&'a [Scope]> for KeyRestrictions<'a> {
    fn from(scopes: &'a [Scope]) -> Self {
        Self { scopes, allowed_methods: None, allowed_addresses: None }
    }
}

impl<'a> KeyRestrictions<'a> {
    /// Returns the row of a key that was not created by another key.
    pub(super) fn new_row(
        &self,
        name: &'a str,
        created: &CreatedKey,
        digest: Digest,
        expires_at: Option<OffsetDateTime>,
    ) -> NewApiKey<'a> {
        NewApiKey {
            id: created.id,
            name,
            digest,
            scopes: self.scopes,
            allowed_methods: self.allowed_methods,
            allowed_addresses: self.allowed_addresses,
            made_by: None,
            created_at: created.created_at,
            expires_at,
        }
    }
}

/// Generates a key and its digest.
pub(super) fn generate_key(
    issuer: &KeyIssuer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> (CreatedKey, Digest) {
    let secret = issuer.issue(KeyKind::ApiKey, entropy);
    let digest = secret.digest();
    let id = ApiKeyId::generate(clock, entropy);
    (CreatedKey { id, secret, created_at: clock.now() }, digest)
}

/// A key to be created.
#[derive(Debug, Clone, Copy)]
pub struct CreateKey<'a> {
    /// The name.
    pub name: &'a str,
    /// The scopes and restrictions.
    pub permits: KeyRestrictions<'a>,
    /// The expiry.
    pub expires_at: Option<OffsetDateTime>,
    /// The key of the same environment that creates it, if any: it expires no later.
    pub created_by: Option<&'a str>,
}

/// A created API key. The secret is shown once.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The key itself.
    pub secret: IssuedSecret,
    /// The time of creation.
    pub created_at: OffsetDateTime,
}

/// A rotated API key. The secret is shown once.
#[derive(Debug)]
pub struct RotatedKey {
    /// The key itself.
    pub secret: IssuedSecret,
    /// The expiry of the previous secret.
    pub old_secret_ends_at: OffsetDateTime,
}

impl Administrator<'_> {
    /// Creates an API key.
    ///
    /// # Errors
    ///
    /// `Revoked` if the creating key was revoked.
    pub async fn create_key(
        &self,
        issuer: &KeyIssuer,
        request: &CreateKey<'_>,
    ) -> Result<CreatedKey, AdminError> {
        let (created, digest) = generate_key(issuer, self.clock, self.entropy);
        let key = request.permits.new_row(request.name, &created, digest, request.expires_at);
        let key = NewApiKey { made_by: request.created_by, ..key };
        let subject = created.id.to_string();
        let entry = self.entry("api_key.created", (None, Some(&subject)));
        if self.db.insert_api_key(&key, &entry).await? {
            Ok(created)
        } else {
            Err(AdminError::Revoked)
        }
    }

    /// Rotates a key. The current secret stays valid for `overlap`; an older one expires immediately. `ends_made` also
    /// revokes everything that was created with the key.
    ///
    /// # Errors
    ///
    /// `NotFound` if no valid key has the id.
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
        let new = SecretRotation {
            revokes: ends_made.then_some(RevocationScope::All),
            digest: secret.digest(),
            old_expires_at: old_secret_ends_at,
            now,
        };
        let subject = id.to_string();
        let entry = self.entry("api_key.rotated", (None, Some(&subject)));
        if self.db.rotate_api_key(id, &new, &entry).await? {
            Ok(RotatedKey { secret, old_secret_ends_at })
        } else {
            Err(AdminError::NotFound("valid key"))
        }
    }

    /// Revokes a key with all its secrets and what it created; returns whether it was valid before.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn revoke_key(
        &self,
        id: ApiKeyId,
        what: RevocationScope,
    ) -> Result<bool, StoreError> {
        let subject = id.to_string();
        let entry = self.entry("api_key.revoked", (None, Some(&subject)));
        self.db.revoke_api_key(id, what, self.clock.now(), &entry).await
    }
}

/// Creates an API key from the command line; it does not expire.
///
/// # Errors
///
/// If the database fails.
pub async fn create_api_key<'a>(
    store: &Store,
    environment_id: EnvironmentId,
    name: &str,
    permits: impl Into<KeyRestrictions<'a>>,
    issuer: &KeyIssuer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<CreatedKey, AdminError> {
    let db = store.tenant(environment_id);
    let cli = Administrator { db: &db, actor: "cli", request_id: None, clock, entropy };
    let request = CreateKey { name, permits: permits.into(), expires_at: None, created_by: None };
    cli.create_key(issuer, &request).await
}
