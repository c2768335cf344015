//! `switchboard keys`: makes, lists and revokes API keys. Works beside a running gateway.

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output::say;
use crate::app::{Database, Permits, Sharing, create_api_key, environment};
use crate::config::Config;
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::ApiKeyId;
use crate::store::Store;

/// What to do with API keys.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a key and print it, this once
    Create {
        /// The environment's name; it is made when there is none
        #[arg(long, default_value = "default")]
        environment: String,
        /// What the key is for
        #[arg(long, default_value = "command line")]
        name: String,
        /// What it may do, comma-separated: read, write, proxy, admin
        #[arg(long, value_delimiter = ',', default_value = "read,write,proxy")]
        scopes: Vec<Scope>,
        /// The provider's methods it may call raw, comma-separated: users.info, admin.users.*; all when
        /// left out
        #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
        allowed_methods: Option<Vec<String>>,
    },
    /// List the keys of an environment, without their secrets
    List {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
    },
    /// End a key at once
    Revoke {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// The key's id, key_…
        id: ApiKeyId,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    config.validate_database()?;
    let database = Database::open(&config.database, true, Sharing::Shared).await?;
    let store = Store::new(database.pool.clone());
    let done = obey(&store, command).await;
    database.close().await;
    done
}

async fn obey(store: &Store, command: Command) -> anyhow::Result<()> {
    store.migrate().await?;
    match command {
        Command::Create { environment: named, name, scopes, allowed_methods } => {
            let allowed_methods = allowed_methods.map(AllowedMethods::new).transpose();
            let allowed_methods = allowed_methods.context("--allowed-methods")?;
            let id = environment(store, &named, &SystemClock, &SystemEntropy).await?;
            let (clock, entropy) = (&SystemClock, &SystemEntropy);
            let permits = Permits { scopes: &scopes, allowed_methods: allowed_methods.as_ref() };
            let key = create_api_key(store, id, &name, permits, None, clock, entropy).await?;
            say(key.secret.reveal())?;
        }
        Command::List { environment } => {
            for key in known(store, &environment).await?.api_keys().await? {
                let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
                let state = if key.revoked_at.is_some() { "revoked" } else { "alive" };
                let (id, name, scopes) = (key.id, key.name, scopes.join(","));
                say(format!("{id}\t{state}\t{scopes}\t{name}"))?;
            }
        }
        Command::Revoke { environment, id } => {
            let db = known(store, &environment).await?;
            if !db.revoke_api_key(id, SystemClock.now()).await? {
                bail!("there is no living key {id} in the environment {environment:?}");
            }
        }
    }
    Ok(())
}

async fn known(store: &Store, name: &str) -> anyhow::Result<crate::store::TenantDb> {
    match store.environment_named(name).await? {
        Some(environment) => Ok(store.tenant(environment.id)),
        None => bail!("there is no environment {name:?}"),
    }
}
