//! `switchboard doctor`: checks the settings and the services they refer to. Changes nothing, prints no secrets, and
//! prints a fix for each problem.

mod address;
mod database;
mod machine;
mod providers;
mod redis;
mod report;
mod vault;

use anyhow::ensure;
use clap::Args;

use self::report::DoctorReport;
use crate::config::{Config, ConfigError};

/// The arguments of `doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArguments {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Runs all checks. Fails if a check fails; warnings do not.
pub(super) async fn run(
    config: Result<Config, ConfigError>,
    arguments: &DoctorArguments,
) -> anyhow::Result<()> {
    let mut report = DoctorReport::default();
    match config {
        Ok(config) => run_checks(&config, &mut report).await,
        Err(error) => {
            let error = anyhow::Error::from(error);
            report.fail("settings", format!("{error:#}"), "pass a TOML file with settings");
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

async fn run_checks(config: &Config, report: &mut DoctorReport) {
    let errors = config.validation_errors();
    if errors.is_empty() {
        let changed = config.changed_settings().count();
        report.ok("settings", format!("valid; {changed} differ from the defaults"));
    }
    let is_valid = |section: &str| !errors.iter().any(|error| error.starts_with(section));
    for error in &errors {
        report.fail("settings", error, "correct it; config/default.toml documents every setting");
    }
    machine::check(config, report);
    address::check(&config.server, report);
    address::check_proxies(&config.server, report);
    let of_database = async {
        let mut report = DoctorReport::default();
        // Invalid settings are reported above; the service cannot be checked with them.
        if is_valid("database.") {
            database::check(config, is_valid("vault."), &mut report).await;
        }
        report
    };
    let of_redis = async {
        let mut report = DoctorReport::default();
        if is_valid("limits.") {
            redis::check(&config.limits, &mut report).await;
        }
        report
    };
    let of_providers = async {
        let mut report = DoctorReport::default();
        if is_valid("slack_enterprise.") && is_valid("upstream.") {
            providers::check(config, &mut report).await;
        }
        report
    };
    let (database, redis, providers) = tokio::join!(of_database, of_redis, of_providers);
    for part in [database, redis, providers] {
        report.append(part);
    }
}
