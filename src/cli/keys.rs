//! `switchboard keys`: makes, lists, rotates and revokes API keys. Works beside a running gateway.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use time::Duration;

use super::output::say;
use super::scene::{administrator, ambiguous, known, moment, on_database};
use crate::admin::{NewKey, Permits, environment};
use crate::config::Config;
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::ApiKeyId;
use crate::domain::networks::Networks;
use crate::store::{EndMade, Store, StoreError};
use crate::vault::KeyIssuer;

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
        /// The addresses its callers may have, comma-separated: 203.0.113.7, 10.0.0.0/8; all when left out
        #[arg(long, value_delimiter = ',', value_name = "NETWORKS")]
        allowed_addresses: Option<Vec<String>>,
        /// In how many seconds it ends; never when left out
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
        expires_in_s: Option<u32>,
    },
    /// List the keys of an environment, without their secrets
    List {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
    },
    /// Give a key another secret and print it, this once
    Rotate {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// How many seconds the secret that it has lives on
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        overlap_s: u32,
        /// End all that was made with the key: tokens, keys, and the keys and tokens of environments
        #[arg(long)]
        end_made: bool,
        /// The key's id, key_…
        id: ApiKeyId,
    },
    /// End a key at once, and the account tokens and link tokens that were made with it
    Revoke {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// End all that was made with the key: keys, and the keys and tokens of environments too
        #[arg(long)]
        end_made: bool,
        /// The key's id, key_…
        id: ApiKeyId,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    on_database(config, async |_, store| obey(config, store, command).await).await
}

async fn obey(config: &Config, store: &Store, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create {
            environment: named,
            name,
            scopes,
            allowed_methods,
            allowed_addresses,
            expires_in_s,
        } => {
            let allowed_methods = allowed_methods.map(AllowedMethods::new).transpose();
            let allowed_methods = allowed_methods.context("--allowed-methods")?;
            let allowed_addresses = allowed_addresses.map(|texts| Networks::new(&texts));
            let allowed_addresses = allowed_addresses.transpose().context("--allowed-addresses")?;
            let lifetime = expires_in_s.map(|seconds| Duration::seconds(seconds.into()));
            let id = environment(store, &named, &SystemClock, &SystemEntropy).await;
            let id = id.map_err(|error| match error {
                StoreError::Conflict(_) => anyhow::anyhow!(ambiguous(&named)),
                other @ (StoreError::Inconsistent { .. }
                | StoreError::QuotaExceeded { .. }
                | StoreError::Unavailable(_)
                | StoreError::Busy(_)
                | StoreError::Refused(_)) => other.into(),
            })?;
            let permits = Permits {
                scopes: &scopes,
                allowed_methods: allowed_methods.as_ref(),
                allowed_addresses: allowed_addresses.as_ref(),
            };
            let expires_at = lifetime.map(|lifetime| SystemClock.now() + lifetime);
            let db = store.tenant(id);
            let wish = NewKey { name: &name, permits, expires_at, made_by: None };
            say(administrator(&db).create_key(&issuer(config)?, &wish).await?.secret.reveal())?;
        }
        Command::List { environment } => {
            for key in known(store, &environment).await?.api_keys().await? {
                say(line(&key))?;
            }
        }
        Command::Rotate { environment, overlap_s, end_made, id } => {
            let db = known(store, &environment).await?;
            let overlap = Duration::seconds(overlap_s.into());
            let (by_us, issuer) = (administrator(&db), issuer(config)?);
            let rotated = by_us.rotate_key(&issuer, id, overlap, end_made).await;
            let rotated = rotated.with_context(|| format!("{id} of {environment:?}"))?;
            say(rotated.secret.reveal())?;
        }
        Command::Revoke { environment, end_made, id } => {
            let db = known(store, &environment).await?;
            let what = if end_made { EndMade::All } else { EndMade::Tokens };
            let is_revoked = administrator(&db).revoke_key(id, what).await?;
            if !is_revoked && !end_made {
                bail!("there is no living key {id} in the environment {environment:?}");
            }
        }
    }
    Ok(())
}

/// The issuer of keys; it needs the master keys of the gateways.
fn issuer(config: &Config) -> anyhow::Result<KeyIssuer> {
    Ok(KeyIssuer::derive(&config.vault.master_keys().map_err(anyhow::Error::msg)?))
}

/// A key as a line: id, state, scopes, name, last use, end.
fn line(key: &ApiKey) -> String {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
    let is_over = key.expires_at.is_some_and(|end| end <= SystemClock.now());
    let state = match (key.revoked_at.is_some(), is_over) {
        (true, _) => "revoked",
        (false, true) => "expired",
        (false, false) => "alive",
    };
    let (id, name, scopes) = (key.id, &key.name, scopes.join(","));
    let (used, end) = (moment(key.last_used_at), moment(key.expires_at));
    format!("{id}\t{state}\t{scopes}\t{name}\tlast used {used}\tends {end}")
}
