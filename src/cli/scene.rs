//! What commands work on: the database that the settings name, and an environment of it.

use anyhow::bail;

use crate::admin::Administrator;
use crate::app::{Database, Sharing};
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{Store, TenantDb};

/// Who the command line is, in the audit log.
pub(super) const ACTOR: &str = "cli";

/// Works on the database, brought up to date, beside running gateways.
pub(super) async fn on_database(
    config: &Config,
    work: impl AsyncFnOnce(&Database, &Store) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    config.validate_database()?;
    let database = Database::open(&config.database, true, Sharing::Shared).await?;
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

/// The rows of the environment of that name or id.
pub(super) async fn known(store: &Store, name: &str) -> anyhow::Result<TenantDb> {
    match store.environments_named(name).await?.as_slice() {
        [environment] => Ok(store.tenant(environment.id)),
        [] => bail!("there is no environment {name:?}"),
        [_, ..] => bail!(ambiguous(name)),
    }
}

/// What to do when several environments have a name.
pub(super) fn ambiguous(name: &str) -> String {
    format!(
        "several environments are named {name:?}: give the id of one, which `switchboard environments list` shows"
    )
}

/// Whoever has the command line, as the administrator of an environment.
pub(super) fn administrator(db: &TenantDb) -> Administrator<'_> {
    let (clock, entropy) = (&SystemClock, &SystemEntropy);
    Administrator { db, actor: ACTOR, request_id: None, clock, entropy }
}

/// A moment as a line has it; a dash for none.
pub(super) fn moment(at: Option<time::OffsetDateTime>) -> String {
    let format = &time::format_description::well_known::Rfc3339;
    at.and_then(|at| at.replace_nanosecond(0).ok()?.format(format).ok())
        .unwrap_or_else(|| "-".to_owned())
}
