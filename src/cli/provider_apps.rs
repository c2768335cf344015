//! `switchboard provider-apps`: an environment's OAuth clients at providers. Works beside a running gateway.

use std::io::Read as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output::say;
use super::scene::{administrator, known, moment, on_database};
use crate::admin::NewApp;
use crate::config::Config;
use crate::connectors::Registry;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::ProviderAppId;
use crate::domain::provider::Provider;
use crate::store::Store;
use crate::upstream::{HttpClient, Reach, Timeouts};
use crate::vault::secret::{ClientSecret, SigningSecret};
use crate::vault::{MasterKeys, Vault};

/// How the secrets come in: not on the command line, which everybody on the machine can read.
const SECRETS: &str = "The client secret is the first line of standard input; a second line, if there \
is one, is the signing secret.";

/// What to do with OAuth clients.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add an OAuth client and print its id; its secret comes by standard input
    #[command(after_help = SECRETS)]
    Create {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// The provider it is registered with
        #[arg(long, default_value = "slack_enterprise")]
        provider: Provider,
        /// Its id at the provider
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// The scopes a link asks for, comma-separated; what the unified API needs when left out
        #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Option<Vec<String>>,
        /// The app is registered for PKCE at the provider: a public client
        #[arg(long)]
        pkce: bool,
    },
    /// List the OAuth clients of an environment, without their secrets
    List {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
    },
    /// Remove an OAuth client that no account was linked through
    Delete {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// Its id, app_…
        id: ProviderAppId,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    on_database(config, async |_, store| obey(config, store, command).await).await
}

async fn obey(config: &Config, store: &Store, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { environment, provider, client_id, scopes, pkce } => {
            let db = known(store, &environment).await?;
            let (client_secret, signing_secret) = secrets()?;
            let keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
            let vault = Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy));
            let new = NewApp { provider, client_id, client_secret, signing_secret, scopes, pkce };
            let app = administrator(&db).create_app(new, &vault, &registry(config)?).await?;
            say(app.id)?;
        }
        Command::List { environment } => {
            for app in known(store, &environment).await?.provider_apps().await? {
                let (id, provider, client) = (app.id, app.provider.name(), &app.client_id);
                say(format!("{id}\t{provider}\t{client}\t{}", moment(Some(app.updated_at))))?;
            }
        }
        Command::Delete { environment, id } => {
            administrator(&known(store, &environment).await?).delete_app(id).await?;
        }
    }
    Ok(())
}

/// The two lines of standard input.
fn secrets() -> anyhow::Result<(ClientSecret, Option<SigningSecret>)> {
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).context("standard input can't be read")?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(client_secret) = lines.next() else {
        bail!("the client secret is missing: it is the first line of standard input");
    };
    let signing_secret = lines.next().map(|line| SigningSecret::from(line.to_owned()));
    Ok((ClientSecret::from(client_secret.to_owned()), signing_secret))
}

/// What the providers can do; nothing is asked of them.
fn registry(config: &Config) -> anyhow::Result<Registry> {
    let timeouts = Timeouts {
        connect: config.upstream.connect_timeout(),
        read: config.upstream.response_timeout(),
        whole: config.upstream.whole_response_timeout(),
    };
    let http = HttpClient::new(timeouts, Reach::Public)?;
    Ok(Registry::new(config, http, Arc::new(SystemClock))?)
}
