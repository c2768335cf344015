//! `switchboard accounts`: lists accounts, refreshes their tokens, disconnects them. Works beside running gateways.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;

use super::context::{administrator, find_environment, format_time, with_database};
use super::output::print_line;
use super::serve::public_url;
use crate::admin::{RefreshFrequency, RevocationPolicy};
use crate::app::{Database, Gateway, GatewayParts};
use crate::config::Config;
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::IntegratedAccountId;
use crate::expressions::WorkerProgram;
use crate::http::AppState;
use crate::store::{AccountFilter, Store, TenantDb};

/// Accounts per database query.
const PAGE_SIZE: i64 = 500;

/// The subcommands of `accounts`.
#[derive(Debug, Subcommand)]
pub(super) enum AccountsCommand {
    /// List the accounts of an environment, oldest first
    List {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Only accounts of this tenant
        #[arg(long, value_name = "ID")]
        tenant_id: Option<String>,
    },
    /// Refresh the tokens of an account, whatever their age
    Refresh {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Account id, acc_…
        id: IntegratedAccountId,
    },
    /// Disconnect an account permanently: revoke its token at the provider and erase it here
    Disconnect {
        /// Name or id of the environment
        #[arg(long, value_name = "NAME", default_value = "default")]
        environment: String,
        /// Erase the token even if the provider does not revoke it
        #[arg(long)]
        force: bool,
        /// Account id, acc_…
        id: IntegratedAccountId,
    },
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: AccountsCommand) -> anyhow::Result<()> {
    with_database(config, async |database, store| execute(config, database, store, command).await)
        .await
}

async fn execute(
    config: &Config,
    database: &Database,
    store: &Store,
    command: AccountsCommand,
) -> anyhow::Result<()> {
    match command {
        AccountsCommand::List { environment, tenant_id } => {
            list(&find_environment(store, &environment).await?, tenant_id).await
        }
        AccountsCommand::Refresh { environment, id } => {
            let db = find_environment(store, &environment).await?;
            let (account, state) = (find(&db, id).await?, gateway(config, database)?);
            let paced = (RefreshFrequency::Unlimited, state.max_wait);
            let done = administrator(&db).refresh_account(&account, &state.tokens, paced).await;
            state.uses.finish().await;
            Ok(done?)
        }
        AccountsCommand::Disconnect { environment, force, id } => {
            let db = find_environment(store, &environment).await?;
            let (account, state) = (find(&db, id).await?, gateway(config, database)?);
            let revoking =
                if force { RevocationPolicy::BestEffort } else { RevocationPolicy::Required };
            let ways = state.provider_services();
            let done = administrator(&db).disconnect_account(&account, &ways, revoking).await;
            state.uses.finish().await;
            Ok(done?)
        }
    }
}

async fn list(db: &TenantDb, tenant_id: Option<String>) -> anyhow::Result<()> {
    let filter = AccountFilter { tenant_id, ..AccountFilter::default() };
    let mut after = None;
    loop {
        let accounts = db.accounts(&filter, after, PAGE_SIZE).await?;
        for account in &accounts {
            print_line(line(account))?;
        }
        after = accounts.last().map(|account| account.id);
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Returns an account as a line: id, status, tenant, provider, organization, expiry of its token.
fn line(account: &IntegratedAccount) -> String {
    let (id, status, tenant) = (account.id, account.status.name(), &account.tenant_id);
    let (provider, organization) = (account.provider.name(), &account.organization.id);
    let end = format_time(account.token_expires_at);
    format!("{id}\t{status}\t{tenant}\t{provider}\t{organization}\ttoken expires {end}")
}

async fn find(db: &TenantDb, id: IntegratedAccountId) -> anyhow::Result<IntegratedAccount> {
    db.account(id).await?.with_context(|| format!("no account {id} in this environment"))
}

/// Builds the services of a gateway, for a command that calls a provider, with its own rate limiter.
fn gateway(config: &Config, database: &Database) -> anyhow::Result<AppState> {
    config.validate()?;
    let listen = config.server.listen.parse().context("server.listen")?;
    let gateway = Gateway::build(GatewayParts {
        config,
        pool: database.pool.clone(),
        public_url: public_url(config, listen)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker_program: WorkerProgram::current(),
    })?;
    Ok(gateway.state)
}
