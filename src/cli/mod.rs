//! The commands of the program, one file each.

mod accounts;
mod audit;
mod context;
mod demo;
mod doctor;
mod environments;
mod events;
mod gateway_client;
mod healthcheck;
mod keys;
mod migrate;
mod openapi;
mod output;
mod provider_apps;
mod reconcile;
mod rlimit;
mod sandbox;
mod secrets;
mod serve;
mod signals;
mod sync;
mod webhooks;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Make a plan from a file that brings a directory to a desired state, and print it. Exit codes: 0 no changes, 2
    /// changes, 1 error
    Plan(reconcile::PlanArguments),
    /// Apply a plan, and follow it. Exit codes: 0 applied, 1 error
    Apply(reconcile::ApplyArguments),
    /// Print the events of a running gateway as JSON lines, and follow new ones
    Events(events::EventsArguments),
    /// Receive webhooks of a running gateway on this machine; list and test its endpoints
    #[command(subcommand)]
    Webhooks(webhooks::WebhooksCommand),
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
    /// Parses the command line.
    ///
    /// # Errors
    ///
    /// The exit code, after what is wrong was printed: 2, but 1 for `plan`, whose exit code 2 has a meaning.
    pub fn from_command_line() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // A failure to write can't be reported.
            let _ = error.print();
            let is_plan = std::env::args_os().skip(1).any(|argument| argument == "plan");
            match error.exit_code() {
                0 => ExitCode::SUCCESS,
                _ if is_plan => ExitCode::FAILURE,
                code => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            }
        })
    }

    /// Runs the command.
    ///
    /// # Errors
    ///
    /// If the command fails; the message is for people.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.config.as_deref();
        let ended = match self.command {
            Command::Plan(arguments) => return reconcile::plan(arguments).await,
            Command::Apply(arguments) => return reconcile::apply(arguments).await,
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
            Command::Events(arguments) => events::run(arguments).await,
            Command::Webhooks(command) => webhooks::run(command).await,
            Command::Audit(command) => audit::run(&Config::load(config)?, &command).await,
            Command::Secrets(command) => secrets::run(&Config::load(config)?, &command).await,
            Command::Doctor(arguments) => doctor::run(Config::load(config), &arguments).await,
            Command::Healthcheck(arguments) => {
                healthcheck::run(&Config::load(config)?, arguments).await
            }
            Command::Openapi => openapi::run(),
        };
        ended.map(|()| ExitCode::SUCCESS)
    }
}
