//! Environments: made, and named otherwise.

use super::Administrator;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::EnvironmentId;
use crate::store::{AuditEntry, Environment, Outcome, Store, StoreError};

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
    let environment = Environment { id, name: name.to_owned(), created_at: clock.now() };
    let subject = id.to_string();
    let entry = AuditEntry { subject: Some(&subject), ..entry };
    store.insert_environment(&environment, &entry).await?;
    Ok(environment)
}

impl Administrator<'_> {
    /// Makes another environment. Both audit logs tell it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn make_environment(
        &self,
        store: &Store,
        name: &str,
    ) -> Result<Environment, StoreError> {
        let begun = AuditEntry {
            outcome: Outcome::Started,
            ..self.entry("environment.created", (None, None))
        };
        self.db.audit(&begun).await?;
        let entry = self.entry("environment.created", (None, None));
        let made = add_environment(store, name, entry, self.clock, self.entropy).await;
        let subject = made.as_ref().ok().map(|made| made.id.to_string());
        let outcome = if made.is_ok() { Outcome::Done } else { Outcome::Failed };
        let ended = self.entry("environment.created", (None, subject.as_deref()));
        self.db.audit(&AuditEntry { outcome, ..ended }).await?;
        made
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
