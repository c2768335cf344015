//! `switchboard accounts`: lists accounts, renews their tokens, disconnects them. Works beside a running gateway.

use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;

use super::output::say;
use super::scene::{administrator, known, moment, on_database};
use super::serve::public_url;
use crate::admin::{RefreshPace, Revoking};
use crate::app::{Database, Gateway, Parts};
use crate::config::Config;
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::IntegratedAccountId;
use crate::expressions::WorkerProgram;
use crate::http::AppState;
use crate::store::{AccountFilter, Store, TenantDb};

/// So many accounts are read at once.
const AT_ONCE: i64 = 500;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the accounts of an environment, the oldest first
    List {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// Those of this tenant alone
        #[arg(long, value_name = "ID")]
        tenant_id: Option<String>,
    },
    /// Renew the tokens of an account now, whatever their age
    Refresh {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// The account's id, acc_…
        id: IntegratedAccountId,
    },
    /// Disconnect an account for good: its token is revoked at the provider and erased here
    Disconnect {
        /// The environment's name
        #[arg(long, default_value = "default")]
        environment: String,
        /// Erase the token even when the provider doesn't revoke it
        #[arg(long)]
        force: bool,
        /// The account's id, acc_…
        id: IntegratedAccountId,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    on_database(config, async |database, store| obey(config, database, store, command).await).await
}

async fn obey(
    config: &Config,
    database: &Database,
    store: &Store,
    command: Command,
) -> anyhow::Result<()> {
    match command {
        Command::List { environment, tenant_id } => {
            list(&known(store, &environment).await?, tenant_id).await
        }
        Command::Refresh { environment, id } => {
            let db = known(store, &environment).await?;
            let (account, state) = (find(&db, id).await?, gateway(config, database)?);
            let paced = (RefreshPace::Unlimited, state.max_wait);
            let done = administrator(&db).refresh_account(&account, &state.tokens, paced).await;
            state.uses.finish().await;
            Ok(done?)
        }
        Command::Disconnect { environment, force, id } => {
            let db = known(store, &environment).await?;
            let (account, state) = (find(&db, id).await?, gateway(config, database)?);
            let revoking = if force { Revoking::Tried } else { Revoking::Needed };
            let ways = state.ways();
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
        let accounts = db.accounts(&filter, after, AT_ONCE).await?;
        for account in &accounts {
            say(line(account))?;
        }
        after = accounts.last().map(|account| account.id);
        if after.is_none() {
            return Ok(());
        }
    }
}

/// An account as a line: id, status, tenant, provider, organization, end of its token.
fn line(account: &IntegratedAccount) -> String {
    let (id, status, tenant) = (account.id, account.status.name(), &account.tenant_id);
    let (provider, organization) = (account.provider.name(), &account.organization.id);
    let end = moment(account.token_expires_at);
    format!("{id}\t{status}\t{tenant}\t{provider}\t{organization}\ttoken ends {end}")
}

async fn find(db: &TenantDb, id: IntegratedAccountId) -> anyhow::Result<IntegratedAccount> {
    db.account(id).await?.with_context(|| format!("there is no account {id} in this environment"))
}

/// The services of a gateway, for a command that calls a provider. It takes turns of its own.
fn gateway(config: &Config, database: &Database) -> anyhow::Result<AppState> {
    config.validate()?;
    let listen = config.server.listen.parse().context("server.listen")?;
    let gateway = Gateway::build(Parts {
        config,
        pool: database.pool.clone(),
        public_url: public_url(config, listen)?,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        worker_program: WorkerProgram::this(),
    })?;
    Ok(gateway.state)
}
