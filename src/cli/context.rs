//! The context of commands: database, environment, administrator.

use anyhow::bail;

use crate::admin::Administrator;
use crate::app::{Database, Exclusivity};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{Store, TenantDb};

/// The actor of the command line in the audit log.
pub(super) const ACTOR: &str = "cli";

/// Opens the database, applies missing migrations and runs `work`, beside running gateways.
pub(super) async fn with_database(
    config: &Config,
    work: impl AsyncFnOnce(&Database, &Store) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    config.validate_database()?;
    let database = Database::open(&config.database, true, Exclusivity::Shared).await?;
    let store = database.store();
    let done = async {
        // The role of a running gateway may not create tables: it can only work on a migrated database.
        if !store.is_migrated().await.unwrap_or(false) {
            store.migrate().await?;
        }
        work(&database, &store).await
    };
    let done = done.await;
    database.close().await;
    done
}

/// Returns the environment of that name or id.
pub(super) async fn find_environment(store: &Store, name: &str) -> anyhow::Result<TenantDb> {
    match store.find_environments(name).await?.as_slice() {
        [environment] => Ok(store.tenant(environment.id)),
        [] => bail!("no environment {name:?}"),
        [_, ..] => bail!(ambiguous_name(name)),
    }
}

/// Returns the message for a name that several environments have.
pub(super) fn ambiguous_name(name: &str) -> String {
    format!(
        "several environments are named {name:?}: use an id from `switchboard environments list`"
    )
}

/// Returns the command line as the administrator of an environment.
pub(super) fn administrator(db: &TenantDb) -> Administrator<'_> {
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    Administrator { db, actor: ACTOR, request_id: None, clock, entropy }
}

/// Formats a time in RFC 3339; `-` for `None`.
pub(super) fn format_time(at: Option<time::OffsetDateTime>) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    at.and_then(|at| at.replace_nanosecond(0).ok()?.format(format).ok())
        .unwrap_or_else(|| "-".to_owned())
}
