//! `switchboard keys`: creates, lists, rotates and revokes API keys. Works beside running gateways.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use time::Duration;

use super::context::{administrator, ambiguous_name, find_environment, format_time, with_database};
use super::output::print_line;
use crate::admin::{CreateKey, KeyRestrictions, find_or_create_environment};
use crate::config::Config;
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::ApiKeyId;
use crate::domain::networks::Networks;
use crate::store::{RevocationScope, Store, StoreError};
use crate::vault::KeyIssuer;

/// The subcommands of `keys`.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Create an API key and print it; it is shown only once
    Create {
        /// Name or id of the environment; created if it does not exist
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Name of the key
        #[arg(long, value_name = "NAME", default_value = "command line")]
        name: String,
        /// Scopes, comma-separated: read, write, proxy, admin
        #[arg(
            long,
            value_name = "SCOPES",
            value_delimiter = ',',
            default_value = "read,write,proxy"
        )]
        scopes: Vec<Scope>,
        /// Provider methods allowed through the proxy, comma-separated: users.info, admin.users.* (default: all)
        #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
        allowed_methods: Option<Vec<String>>,
        /// Client networks allowed to use the key, comma-separated: 203.0.113.7, 10.0.0.0/8 (default: all)
        #[arg(long, value_delimiter = ',', value_name = "NETWORKS")]
        allowed_addresses: Option<Vec<String>>,
        /// Seconds until the key expires (default: never)
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
        expires_in_s: Option<u32>,
    },
    /// List the API keys of an environment, without their secrets
    List {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
    },
    /// Rotate an API key and print the new secret; it is shown only once
    Rotate {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Seconds the current secret stays valid
        #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
        overlap_s: u32,
        /// Also revoke everything created with the key: tokens, keys, and the keys and tokens of environments
        #[arg(long)]
        end_made: bool,
        /// Key id, key_…
        id: ApiKeyId,
    },
    /// Revoke an API key immediately, with the account tokens and link tokens created with it
    Revoke {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Also revoke the keys created with it, and the keys and tokens of environments created with it
        #[arg(long)]
        end_made: bool,
        /// Key id, key_…
        id: ApiKeyId,
    },
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: KeysCommand) -> anyhow::Result<()> {
    with_database(config, async |_, store| execute(config, store, command).await).await
}

async fn execute(config: &Config, store: &Store, command: KeysCommand) -> anyhow::Result<()> {
    match command {
        KeysCommand::Create {
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
            let id = find_or_create_environment(store, &named, &SystemClock, &SystemEntropy).await;
            let id = id.map_err(|error| match error {
                StoreError::Conflict(_) => anyhow::anyhow!(ambiguous_name(&named)),
                other @ (StoreError::Inconsistent { .. }
                | StoreError::QuotaExceeded { .. }
                | StoreError::Unavailable(_)
                | StoreError::Busy(_)
                | StoreError::Rejected(_)) => other.into(),
            })?;
            let permits = KeyRestrictions {
                scopes: &scopes,
                allowed_methods: allowed_methods.as_ref(),
                allowed_addresses: allowed_addresses.as_ref(),
            };
            let expires_at = lifetime.map(|lifetime| SystemClock.now() + lifetime);
            let db = store.tenant(id);
            let request = CreateKey { name: &name, permits, expires_at, created_by: None };
            print_line(
                administrator(&db).create_key(&issuer(config)?, &request).await?.secret.reveal(),
            )?;
        }
        KeysCommand::List { environment } => {
            for key in find_environment(store, &environment).await?.api_keys().await? {
                print_line(line(&key))?;
            }
        }
        KeysCommand::Rotate { environment, overlap_s, end_made, id } => {
            let db = find_environment(store, &environment).await?;
            let overlap = Duration::seconds(overlap_s.into());
            let (by_us, issuer) = (administrator(&db), issuer(config)?);
            let rotated = by_us.rotate_key(&issuer, id, overlap, end_made).await;
            let rotated = rotated.with_context(|| format!("{id} of {environment:?}"))?;
            print_line(rotated.secret.reveal())?;
        }
        KeysCommand::Revoke { environment, end_made, id } => {
            let db = find_environment(store, &environment).await?;
            let what = if end_made { RevocationScope::All } else { RevocationScope::Tokens };
            let is_revoked = administrator(&db).revoke_key(id, what).await?;
            if !is_revoked && !end_made {
                bail!("no valid key {id} in the environment {environment:?}");
            }
        }
    }
    Ok(())
}

/// Returns the issuer of keys, which needs the master keys of the gateways.
fn issuer(config: &Config) -> anyhow::Result<KeyIssuer> {
    Ok(KeyIssuer::derive(&config.vault.master_keys().map_err(anyhow::Error::msg)?))
}

/// Returns a key as a line: id, status, scopes, name, last use, expiry.
fn line(key: &ApiKey) -> String {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
    let is_over = key.expires_at.is_some_and(|end| end <= SystemClock.now());
    let state = match (key.revoked_at.is_some(), is_over) {
        (true, _) => "revoked",
        (false, true) => "expired",
        (false, false) => "valid",
    };
    let (id, name, scopes) = (key.id, &key.name, scopes.join(","));
    let (used, end) = (format_time(key.last_used_at), format_time(key.expires_at));
    format!("{id}\t{state}\t{scopes}\t{name}\tlast used {used}\texpires {end}")
}
