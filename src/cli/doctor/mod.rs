//! `switchboard doctor`: checks the settings and what they lead to. It changes nothing, prints no secret, and
//! says for all that isn't well how to fix it.

mod address;
mod database;
mod machine;
mod providers;
mod redis;
mod report;
mod vault;

use anyhow::ensure;
use clap::Args;

use self::report::Report;
use crate::config::{Config, ConfigError};

/// How to tell.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Checks everything. It fails when a check does; a warning is no failure.
pub(super) async fn run(
    config: Result<Config, ConfigError>,
    arguments: &Arguments,
) -> anyhow::Result<()> {
    let mut report = Report::default();
    match config {
        Ok(config) => examine(&config, &mut report).await,
        Err(error) => {
            let error = anyhow::Error::from(error);
            report.fail("settings", format!("{error:#}"), "name a TOML file of settings");
        }
    }
    if arguments.json {
        report.print_json()?;
    } else {
        report.print()?;
    }
    let failures = report.failures();
    ensure!(failures == 0, "{failures} check(s) failed");
    Ok(())
}

async fn examine(config: &Config, report: &mut Report) {
    let mistakes = config.mistakes();
    if mistakes.is_empty() {
        let changed = config.changed().count();
        report.ok("settings", format!("valid; {changed} are not at their defaults"));
    }
    let is_well = |section: &str| !mistakes.iter().any(|mistake| mistake.starts_with(section));
    for mistake in &mistakes {
        report.fail("settings", mistake, "correct it; config/default.toml explains every setting");
    }
    machine::check(config, report);
    address::check(&config.server, report);
    address::check_proxies(&config.server, report);
    let of_database = async {
        let mut report = Report::default();
        // What is wrong with these settings is told above; what they lead to can't be asked.
        if is_well("database.") {
            database::check(config, is_well("vault."), &mut report).await;
        }
        report
    };
    let of_redis = async {
        let mut report = Report::default();
        if is_well("limits.") {
            redis::check(&config.limits, &mut report).await;
        }
        report
    };
    let of_providers = async {
        let mut report = Report::default();
        if is_well("slack_enterprise.") && is_well("upstream.") {
            providers::check(config, &mut report).await;
        }
        report
    };
    let (database, redis, providers) = tokio::join!(of_database, of_redis, of_providers);
    for part in [database, redis, providers] {
        report.append(part);
    }
}
