//! API keys: made, given another secret, ended. A secret is shown once, to whoever asked for it.

use time::{Duration, OffsetDateTime};

use super::{AdminError, Administrator};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;
use crate::store::{EndMade, NewApiKey, RotatedSecret, Store, StoreError};
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

impl<'a> Permits<'a> {
    /// A key with these permits, which no other key makes.
    pub(super) fn key(
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

/// Another secret with an id, and its digest.
pub(super) fn new_key(
    issuer: &KeyIssuer,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> (CreatedKey, Digest) {
    let secret = issuer.issue(KeyKind::ApiKey, entropy);
    let digest = secret.digest();
    let id = ApiKeyId::generate(clock, entropy);
    (CreatedKey { id, secret, created_at: clock.now() }, digest)
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
        let (created, digest) = new_key(issuer, self.clock, self.entropy);
        let key = wish.permits.key(wish.name, &created, digest, wish.expires_at);
        let key = NewApiKey { made_by: wish.made_by, ..key };
        let subject = created.id.to_string();
        let entry = self.entry("api_key.created", (None, Some(&subject)));
        if self.db.insert_api_key(&key, &entry).await? {
            Ok(created)
        } else {
            Err(AdminError::Revoked)
        }
    }

    /// Gives a key another secret. The one that it has lives on for `overlap`, and one that it had before ends
    /// immediately; `ends_made` also ends all that was made with the key.
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
            ends: ends_made.then_some(EndMade::All),
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

    /// Ends a key at once, with all its secrets and what it made; tells whether it was not ended before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn revoke_key(&self, id: ApiKeyId, what: EndMade) -> Result<bool, StoreError> {
        let subject = id.to_string();
        let entry = self.entry("api_key.revoked", (None, Some(&subject)));
        self.db.revoke_api_key(id, what, self.clock.now(), &entry).await
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
