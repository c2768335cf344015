//! `switchboard provider-apps`: creates, lists and deletes OAuth clients at providers. Works beside running gateways.

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::context::{administrator, find_environment, format_time, with_database};
use super::output::print_line;
use crate::admin::CreateProviderApp;
use crate::config::Config;
use crate::connectors::Registry;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;
use crate::store::Store;
use crate::upstream::{AddressPolicy, HttpClient, Timeouts};
use crate::vault::secret::{ClientSecret, SigningSecret};
use crate::vault::{MasterKeys, Vault};

/// How secrets are read: not from the command line, which other users of the machine can see.
const CREATE_HELP: &str = "Standard input: the client secret on the first line, and optionally the signing \
secret on the second.";

/// The subcommands of `provider-apps`.
#[derive(Debug, Subcommand)]
pub(super) enum ProviderAppsCommand {
    /// Create an OAuth client and print its id; reads its secret from standard input
    #[command(after_help = CREATE_HELP)]
    Create {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Provider of the OAuth client
        #[arg(long, value_name = "PROVIDER", default_value = "slack_enterprise")]
        provider: Provider,
        /// OAuth client id
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// Scopes to request, comma-separated (default: those that the unified API needs)
        #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Option<Vec<String>>,
        /// Use PKCE: the app is registered as a public client at the provider
        #[arg(long)]
        pkce: bool,
    },
    /// List the OAuth clients of an environment, without their secrets
    List {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
    },
    /// Delete an OAuth client without linked accounts
    Delete {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// OAuth client id in the gateway, app_…
        id: ProviderAppId,
    },
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: ProviderAppsCommand) -> anyhow::Result<()> {
    with_database(config, async |_, store| execute(config, store, command).await).await
}

async fn execute(
    config: &Config,
    store: &Store,
    command: ProviderAppsCommand,
) -> anyhow::Result<()> {
    match command {
        ProviderAppsCommand::Create { environment, provider, client_id, scopes, pkce } => {
            let db = find_environment(store, &environment).await?;
            let (client_secret, signing_secret) = read_secrets()?;
            let keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
            let vault = Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy));
            let new = CreateProviderApp {
                provider,
                client_id,
                client_secret,
                signing_secret,
                scopes,
                pkce,
            };
            let app =
                administrator(&db).create_provider_app(new, &vault, &registry(config)?).await?;
            print_line(app.id)?;
        }
        ProviderAppsCommand::List { environment } => {
            for app in find_environment(store, &environment).await?.provider_apps().await? {
                let (id, provider, client) = (app.id, app.provider.name(), &app.client_id);
                print_line(format!(
                    "{id}\t{provider}\t{client}\t{}",
                    format_time(Some(app.updated_at))
                ))?;
            }
        }
        ProviderAppsCommand::Delete { environment, id } => {
            administrator(&find_environment(store, &environment).await?)
                .delete_provider_app(id)
                .await?;
        }
    }
    Ok(())
}

/// Reads the secrets from standard input.
fn read_secrets() -> anyhow::Result<(ClientSecret, Option<SigningSecret>)> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).context("standard input is not readable")?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(client_secret) = lines.next() else {
        bail!("the client secret is missing on the first line of standard input");
    };
    let signing_secret = lines.next().map(|line| SigningSecret::from(line.to_owned()));
    Ok((ClientSecret::from(client_secret.to_owned()), signing_secret))
}

/// Builds the connectors; no provider is called.
fn registry(config: &Config) -> anyhow::Result<Registry> {
    let timeouts = Timeouts {
        connect: config.upstream.connect_timeout(),
        read: config.upstream.response_timeout(),
        buffered: config.upstream.whole_response_timeout(),
    };
    let http = HttpClient::new(timeouts, AddressPolicy::PublicOnly)?;
    Ok(Registry::new(config, http, Arc::new(SystemClock))?)
}
