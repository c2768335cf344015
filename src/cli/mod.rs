//! The commands of the program, a file each.

mod accounts;
mod audit;
mod demo;
mod doctor;
mod environments;
mod files;
mod healthcheck;
mod keys;
mod migrate;
mod openapi;
mod output;
mod provider_apps;
mod sandbox;
mod scene;
mod secrets;
mod serve;
mod signals;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::config::Config;

/// One integration, every customer's directory: a self-hosted unified-API gateway.
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, about, max_term_width = 100)]
pub struct Cli {
    /// A TOML file with settings. Variables named `SWITCHBOARD__SECTION__KEY`
    /// override it; without either the defaults hold.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the gateway
    Serve(serve::Arguments),
    /// Try everything: database, sandbox provider and gateway in one process, with a linked account
    Demo(demo::Arguments),
    /// Run the sandbox alone: a Slack Enterprise Grid organization in memory
    Sandbox(sandbox::Arguments),
    /// Bring the database up to date
    Migrate,
    /// Make, list and rename environments
    #[command(subcommand)]
    Environments(environments::Command),
    /// Make, list, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Add, list and remove OAuth clients at providers
    #[command(subcommand)]
    ProviderApps(provider_apps::Command),
    /// List accounts, renew their tokens, disconnect them
    #[command(subcommand)]
    Accounts(accounts::Command),
    /// Look after the audit log
    #[command(subcommand)]
    Audit(audit::Command),
    /// Look after what is stored encrypted
    #[command(subcommand)]
    Secrets(secrets::Command),
    /// Check the settings and what they lead to, and say what to fix
    Doctor(doctor::Arguments),
    /// Ask a running gateway whether it is ready; fails when it isn't
    Healthcheck(healthcheck::Arguments),
    /// Print the OpenAPI document
    Openapi,
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// With the reason that a person can read.
    pub async fn run(self) -> anyhow::Result<()> {
        let config = self.config.as_deref();
        match self.command {
            Command::Serve(arguments) => serve::run(Config::load(config)?, arguments).await,
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
