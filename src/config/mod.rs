//! The settings: one section a file, typed and documented, validated as a whole before anything starts.
//!
//! `config/default.toml` documents every key and is what the program parses first; then comes the file
//! given with `--config`, then variables named `SWITCHBOARD__SECTION__KEY`.
//!
//! A setting that is a secret has a twin with `_file` behind its name, for secrets that are mounted as files.

mod cache;
mod database;
mod limits;
mod log;
mod mappings;
mod quotas;
mod reading;
mod refresh;
mod scim;
mod secret;
mod server;
mod slack_enterprise;
mod traces;
mod upstream;
mod vault;

use std::ffi::OsString;
use std::path::Path;

use toml::Table;

pub use cache::Cache;
pub use database::Database;
pub use limits::{LimitBackend, Limits, Override, Pace};
pub use log::{Log, LogFormat};
pub use mappings::Mappings;
pub use quotas::Quotas;
pub use refresh::Refresh;
pub use scim::Scim;
pub use server::Server;
pub use slack_enterprise::SlackEnterprise;
pub use traces::Traces;
pub use upstream::Upstream;
pub use vault::{KeyList, Vault};

use self::reading::{Given, Reading};

/// The settings that hold when nothing else is said.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Every setting of the program.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// PostgreSQL.
    pub database: Database,
    /// What is kept in memory.
    pub cache: Cache,
    /// The master keys.
    pub vault: Vault,
    /// Renewing tokens.
    pub refresh: Refresh,
    /// Waiting for turns.
    pub limits: Limits,
    /// How much one environment may use.
    pub quotas: Quotas,
    /// The workers of expressions.
    pub mappings: Mappings,
    /// Calls to providers.
    pub upstream: Upstream,
    /// Where Slack is.
    pub slack_enterprise: SlackEnterprise,
    /// The pace of SCIM servers.
    pub scim: Scim,
    /// Logs.
    pub log: Log,
    /// Traces.
    pub traces: Traces,
    #[serde(skip)]
    given: Given,
}

/// Settings that the program can't start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file} can't be read")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML. The line itself is not told: it may hold a secret.
    #[error("{file} is no TOML: line {line}: {reason}")]
    NoToml {
        /// The file.
        file: String,
        /// Which line.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Names that nobody knows and values that make no sense, all of them, each with its fix.
    #[error("{} setting(s) need a change:\n{}", .0.len(), .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// The defaults, then `file`, then the environment. Not yet validated: an unknown name or a wrong type is
    /// a mistake that [`Config::validate`] tells with all others.
    ///
    /// # Errors
    ///
    /// When the file can't be read or is no TOML.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let read = file.map(|path| {
            let file = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => Ok((file, text)),
                Err(source) => Err(ConfigError::Unreadable { file, source }),
            }
        });
        let read = read.transpose()?;
        let file = read.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
        Self::assemble(file, std::env::vars_os())
    }

    /// The defaults, then the text of a file with its name, then variables.
    ///
    /// # Errors
    ///
    /// When the file is no TOML.
    pub fn assemble(
        file: Option<(&str, &str)>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut reading = Reading::new(parse("the defaults", DEFAULTS)?);
        if let Some((name, text)) = file {
            reading.add_file(name, parse(name, text)?);
        }
        reading.add_variables(variables.into_iter());
        match reading.finish::<Self>() {
            Some((config, given)) => Ok(Self { given, ..config }),
            None => Err(ConfigError::Invalid(vec!["the defaults are no settings".to_owned()])),
        }
    }

    /// Checks every section and lists all mistakes at once.
    ///
    /// # Errors
    ///
    /// `Invalid` with a line for each mistake: the key, what is wrong, how to fix it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        verdict(self.mistakes())
    }

    /// Checks what a command needs that only works on the database: no master key, no addresses.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`].
    pub fn validate_database(&self) -> Result<(), ConfigError> {
        let mut mistakes = Vec::new();
        self.database.validate(&mut mistakes);
        self.log.validate(&mut mistakes);
        verdict(self.with_names(mistakes))
    }

    /// Checks what a command needs that only writes logs.
    ///
    /// # Errors
    ///
    /// As [`Config::validate`].
    pub fn validate_log(&self) -> Result<(), ConfigError> {
        let mut mistakes = Vec::new();
        self.log.validate(&mut mistakes);
        verdict(self.with_names(mistakes))
    }

    /// All that is wrong, a line each: the key, what is wrong, how to fix it. Never holds a secret.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        self.server.validate(&mut mistakes);
        self.database.validate(&mut mistakes);
        self.cache.validate(&mut mistakes);
        self.vault.validate(&mut mistakes);
        self.refresh.validate(&mut mistakes);
        self.limits.validate(&mut mistakes);
        self.quotas.validate(&mut mistakes);
        self.mappings.validate(&mut mistakes);
        self.upstream.validate(&mut mistakes);
        self.slack_enterprise.validate(&mut mistakes);
        self.scim.validate(&mut mistakes);
        self.log.validate(&mut mistakes);
        self.traces.validate(&mut mistakes);
        self.with_names(mistakes)
    }

    /// Which settings are not at their defaults.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        self.given.origins.keys().map(String::as_str)
    }

    /// Wrong names and types, then what is wrong with the values, with the place where they were set.
    fn with_names(&self, wrong_values: Vec<String>) -> Vec<String> {
        let Given { mistakes, origins } = &self.given;
        let key_of = |mistake: &str| mistake.split(':').next().unwrap_or_default().to_owned();
        let is_told = |key: &str| {
            let variable = reading::variable(key);
            mistakes.iter().any(|(told, _)| told == key || *told == variable)
        };
        let values = wrong_values.into_iter().filter(|mistake| !is_told(&key_of(mistake)));
        let values = values.map(|mistake| match origins.get(&key_of(&mistake)) {
            Some(origin) => format!("{mistake} ({origin})"),
            None => mistake,
        });
        mistakes.iter().map(|(_, mistake)| mistake.clone()).chain(values).collect()
    }
}

fn parse(name: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::NoToml {
            file: name.to_owned(),
            line: before.matches('\n').count() + 1,
            reason: error.message().to_owned(),
        }
    })
}

fn verdict(mistakes: Vec<String>) -> Result<(), ConfigError> {
    if mistakes.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(mistakes)) }
}

/// Adds a mistake when `url` is no http(s) base URL.
fn check_base_url(key: &str, url: &str, mistakes: &mut Vec<String>) {
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {}
        _ => mistakes
            .push(format!("{key}: {url:?} is no base URL; write https://host without a query")),
    }
}

#[cfg(test)]
mod tests;
