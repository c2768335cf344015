//! Environments: made, and named otherwise.

use time::OffsetDateTime;

use super::keys::{CreatedKey, Permits, new_key};
use super::{AdminError, Administrator};
use crate::domain::access::Scope;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::EnvironmentId;
use crate::store::{AuditEntry, Environment, NewEnvironment, Store, StoreError};
use crate::vault::KeyIssuer;

/// Who makes environments without a key, in the audit log.
const ACTOR: &str = "cli";

/// The environment of that name or id, made when there is none.
///
/// # Errors
///
/// `Conflict` on `environments_name` when several have the name.
pub async fn environment(
    store: &Store,
    name: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<EnvironmentId, StoreError> {
    match store.environments_named(name).await?.as_slice() {
        [] => {}
        [known] => return Ok(known.id),
        [_, ..] => return Err(StoreError::Conflict("environments_name".to_owned())),
    }
    let entry = AuditEntry::new("environment.created", ACTOR, clock, entropy);
    Ok(add_environment(store, name, entry, clock, entropy).await?.id)
}

/// Makes an environment. `entry` is the first row of its audit log.
///
/// # Errors
///
/// When the database fails.
pub async fn add_environment(
    store: &Store,
    name: &str,
    entry: AuditEntry<'_>,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<Environment, StoreError> {
    let id = EnvironmentId::generate(clock, entropy);
    let created_at = clock.now();
    let environment = Environment { id, name: name.to_owned(), created_at, made_by: None };
    let subject = id.to_string();
    let entry = AuditEntry { subject: Some(&subject), ..entry };
    let new = NewEnvironment { environment: &environment, made_in: None, first_key: None };
    store.insert_environment(&new, &entry).await?;
    Ok(environment)
}

impl Administrator<'_> {
    /// Makes another environment with the key `made_by`, and its first key, with the scope `admin` alone, which ends no
    /// later than the one that makes it. Both audit logs tell it.
    ///
    /// # Errors
    ///
    /// `Revoked` when the key was revoked meanwhile; `QuotaExceeded` when there are as many as there may be.
    pub async fn make_environment(
        &self,
        store: &Store,
        issuer: &KeyIssuer,
        name: &str,
        (made_by, ends_at): (&str, Option<OffsetDateTime>),
    ) -> Result<(Environment, CreatedKey), AdminError> {
        let environment = Environment {
            id: EnvironmentId::generate(self.clock, self.entropy),
            name: name.to_owned(),
            created_at: self.clock.now(),
            made_by: Some(made_by.to_owned()),
        };
        let (created, digest) = new_key(issuer, self.clock, self.entropy);
        let scopes = [Scope::Admin];
        let key = Permits::from(scopes.as_slice()).key("first key", &created, digest, ends_at);
        let (subject, key_subject) = (environment.id.to_string(), created.id.to_string());
        let entry = self.entry("environment.created", (None, Some(&subject)));
        let key_entry = self.entry("api_key.created", (None, Some(&key_subject)));
        // Each environment's log has a row of its own.
        let entry_here = self.entry("environment.created", (None, Some(&subject)));
        let new = NewEnvironment {
            environment: &environment,
            made_in: Some((self.db.environment_id(), &entry_here)),
            first_key: Some((&key, &key_entry)),
        };
        if store.insert_environment(&new, &entry).await? {
            Ok((environment, created))
        } else {
            Err(AdminError::Revoked)
        }
    }

    /// Gives the environment another name.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rename_environment(&self, name: &str) -> Result<(), StoreError> {
        let subject = self.db.environment_id().to_string();
        let entry = self.entry("environment.renamed", (None, Some(&subject)));
        self.db.rename_environment(name, &entry).await
    }
}
