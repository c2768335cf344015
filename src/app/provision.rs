//! Environments and their keys, made without a key: by the command line and by the demo.

use time::OffsetDateTime;

use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{ApiKeyId, EnvironmentId};
use crate::store::{Environment, NewApiKey, Store, StoreError};
use crate::vault::{IssuedSecret, issue};

/// How API keys begin.
const PREFIX: &str = "sb_live_";

/// A new API key. The secret is shown this once.
#[derive(Debug)]
pub struct CreatedKey {
    /// Its id.
    pub id: ApiKeyId,
    /// The key itself.
    pub secret: IssuedSecret,
}

/// What a key may do.
#[derive(Debug, Clone, Copy)]
pub struct Permits<'a> {
    /// Its scopes.
    pub scopes: &'a [Scope],
    /// Which of a provider's methods it may call raw; `None` for all.
    pub allowed_methods: Option<&'a AllowedMethods>,
}

impl<'a> From<&'a [Scope]> for Permits<'a> {
    fn from(scopes: &'a [Scope]) -> Self {
        Self { scopes, allowed_methods: None }
    }
}

/// The environment of that name, made when there is none.
///
/// # Errors
///
/// When the database fails.
pub async fn environment(
    store: &Store,
    name: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<EnvironmentId, StoreError> {
    if let Some(known) = store.environment_named(name).await? {
        return Ok(known.id);
    }
    let id = EnvironmentId::generate(clock, entropy);
    let environment = Environment { id, name: name.to_owned(), created_at: clock.now() };
    store.insert_environment(&environment).await?;
    Ok(id)
}

/// Makes an API key of an environment.
///
/// # Errors
///
/// When the database fails.
pub async fn create_api_key<'a>(
    store: &Store,
    environment_id: EnvironmentId,
    name: &str,
    permits: impl Into<Permits<'a>>,
    expires_at: Option<OffsetDateTime>,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<CreatedKey, StoreError> {
    let Permits { scopes, allowed_methods } = permits.into();
    let secret = issue(PREFIX, entropy);
    let id = ApiKeyId::generate(clock, entropy);
    let key = NewApiKey {
        id,
        name,
        digest: secret.digest(),
        scopes,
        allowed_methods,
        created_at: clock.now(),
        expires_at,
    };
    store.tenant(environment_id).insert_api_key(&key).await?;
    Ok(CreatedKey { id, secret })
}
