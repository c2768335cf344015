//! Creates and renames environments.

use time::OffsetDateTime;

use super::keys::{CreatedKey, KeyRestrictions, generate_key};
use super::{AdminError, Administrator};
use crate::domain::access::Scope;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::EnvironmentId;
use crate::store::{AuditEntry, Environment, NewEnvironment, Store, StoreError};
use crate::vault::KeyIssuer;

/// The actor in the audit log for environments created by the command line.
const ACTOR: &str = "cli";

/// Returns the environment of that name or id; creates it if it does not exist.
///
/// # Errors
///
/// `Conflict` on `environments_name` if several have the name.
pub async fn find_or_create_environment(
    store: &Store,
    name: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<EnvironmentId, StoreError> {
    match store.find_environments(name).await?.as_slice() {
        [] => {}
        [known] => return Ok(known.id),
        [_, ..] => return Err(StoreError::Conflict("environments_name".to_owned())),
    }
    let entry = AuditEntry::new("environment.created", ACTOR, clock, entropy);
    Ok(create_environment(store, name, entry, clock, entropy).await?.id)
}

/// Creates an environment. `entry` is the first entry of its audit log.
///
/// # Errors
///
/// If the database fails.
pub async fn create_environment(
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
    /// Creates another environment with the key `made_by`, and its first key with the scope `admin`, which expires no
    /// later than the creating key. Both audit logs record it.
    ///
    /// # Errors
    ///
    /// `Revoked` if the creating key was revoked; `QuotaExceeded` if the maximum is reached.
    pub async fn create_child_environment(
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
        let (created, digest) = generate_key(issuer, self.clock, self.entropy);
        let scopes = [Scope::Admin];
        let key = KeyRestrictions::from(scopes.as_slice()).new_row(
            "first key",
            &created,
            digest,
            ends_at,
        );
        let (subject, key_subject) = (environment.id.to_string(), created.id.to_string());
        let entry = self.entry("environment.created", (None, Some(&subject)));
        let key_entry = self.entry("api_key.created", (None, Some(&key_subject)));
        // Each environment's audit log has its own entry.
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

    /// Renames the environment.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn rename_environment(&self, name: &str) -> Result<(), StoreError> {
        let subject = self.db.environment_id().to_string();
        let entry = self.entry("environment.renamed", (None, Some(&subject)));
        self.db.rename_environment(name, &entry).await
    }
}
