//! The commands of the program, one file each.

mod accounts;
mod audit;
mod context;
mod demo;
mod doctor;
mod environments;
mod healthcheck;
mod keys;
mod migrate;
mod openapi;
mod output;
mod provider_apps;
mod rlimit;
mod sandbox;
mod secrets;
mod serve;
mod signals;
mod sync;
mod worker;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// One API for every customer's workforce directory: a self-hosted gateway
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about, max_term_width = 100)]
pub struct Cli {
    /// TOML file with settings; variables named `SWITCHBOARD__SECTION__KEY` override it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(serve::ServeArguments),
    /// Run background jobs without serving requests
    Worker,
    /// Run a demo: database, sandbox provider and gateway in one process, with a linked account
    Demo(demo::DemoArguments),
    /// Run the sandbox provider: a Slack Enterprise Grid organization in memory
    Sandbox(sandbox::SandboxArguments),
    /// Apply database migrations
    Migrate,
    /// Create, list and rename environments
    #[command(subcommand)]
    Environments(environments::EnvironmentsCommand),
    /// Create, list, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Create, list and delete OAuth clients at providers
    #[command(subcommand)]
    ProviderApps(provider_apps::ProviderAppsCommand),
    /// List accounts, refresh their tokens, disconnect them
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// Copy an account's directory now, and follow the run
    Sync(sync::SyncArguments),
    /// Manage audit log retention
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Manage encryption of stored secrets
    #[command(subcommand)]
    Secrets(secrets::SecretsCommand),
    /// Check settings, database, Redis and providers, and print fixes
    Doctor(doctor::DoctorArguments),
    /// Check whether a running gateway is ready; fails if it is not
    Healthcheck(healthcheck::HealthcheckArguments),
    /// Print the OpenAPI document
    Openapi,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// If the command fails; the message is for people.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = self.config.as_deref();
        match self.command {
            Command::Serve(arguments) => serve::run(Config::load(config)?, arguments).await,
            Command::Worker => worker::run(Config::load(config)?).await,
            Command::Demo(arguments) => demo::run(Config::load(config)?, arguments).await,
            Command::Sandbox(arguments) => sandbox::run(&Config::load(config)?, arguments).await,
            Command::Migrate => migrate::run(&Config::load(config)?).await,
            Command::Environments(command) => {
                environments::run(&Config::load(config)?, command).await
            }
            Command::Keys(command) => keys::run(&Config::load(config)?, command).await,
            Command::ProviderApps(command) => {
                provider_apps::run(&Config::load(config)?, command).await
            }
            Command::Accounts(command) => accounts::run(&Config::load(config)?, command).await,
            Command::Sync(arguments) => sync::run(&Config::load(config)?, &arguments).await,
            Command::Audit(command) => audit::run(&Config::load(config)?, &command).await,
            Command::Secrets(command) => secrets::run(&Config::load(config)?, &command).await,
            Command::Doctor(arguments) => doctor::run(Config::load(config), &arguments).await,
            Command::Healthcheck(arguments) => {
                healthcheck::run(&Config::load(config)?, arguments).await
            }
            Command::Openapi => openapi::run(),
        }
    }
}
