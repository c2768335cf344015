//! The settings: one file per section, typed, documented and validated as a whole at startup.
//!
//! `config/default.toml` documents every setting and is parsed first; then the file of `--config`, then variables named
//! `SWITCHBOARD__SECTION__KEY`.
//!
//! Each secret has a second setting with the suffix `_file`, for secrets that are mounted as files.

mod cache;
mod database;
mod limits;
mod loader;
mod log;
mod mappings;
mod quotas;
mod refresh;
mod scim;
mod secret;
mod server;
mod slack_enterprise;
mod sync;
mod traces;
mod upstream;
mod vault;
mod webhooks;

use std::ffi::OsString;
use std::path::Path;

use toml::Table;

pub use cache::CacheSettings;
pub use database::DatabaseSettings;
pub use limits::{LimitBackend, LimitSettings, OverrideEntry, RateOverride};
pub use log::{LogFormat, LogSettings};
pub use mappings::MappingSettings;
pub use quotas::QuotaSettings;
pub use refresh::RefreshSettings;
pub use scim::ScimSettings;
pub use server::ServerSettings;
pub use slack_enterprise::SlackSettings;
pub use sync::SyncWorkerSettings;
pub use traces::TraceSettings;
pub use upstream::UpstreamSettings;
pub use vault::{MasterKeyList, VaultSettings};
pub use webhooks::WebhookSettings;

use self::loader::{LoadReport, SettingsLoader};

/// The default settings.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// All settings of the program.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerSettings,
    /// The database.
    pub database: DatabaseSettings,
    /// The row caches.
    pub cache: CacheSettings,
    /// The master keys.
    pub vault: VaultSettings,
    /// Proactive token refresh.
    pub refresh: RefreshSettings,
    /// Background jobs and the directory sync.
    pub sync: SyncWorkerSettings,
    /// Deliveries of events to webhooks.
    pub webhooks: WebhookSettings,
    /// Rate limits of providers.
    pub limits: LimitSettings,
    /// Quotas per environment.
    pub quotas: QuotaSettings,
    /// The workers of mapping expressions.
    pub mappings: MappingSettings,
    /// Calls to providers.
    pub upstream: UpstreamSettings,
    /// The URLs of Slack.
    pub slack_enterprise: SlackSettings,
    /// The rates of SCIM servers.
    pub scim: ScimSettings,
    /// Logs.
    pub log: LogSettings,
    /// Traces.
    pub traces: TraceSettings,
    #[serde(skip)]
    report: LoadReport,
}

/// An error that prevents startup.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is unreadable.
    #[error("{file} is not readable")]
    Unreadable {
        /// The file.
        file: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not valid TOML. The line itself is not shown: it may contain a secret.
    #[error("{file} is not valid TOML: line {line}: {reason}")]
    InvalidToml {
        /// The file.
        file: String,
        /// The line number.
        line: usize,
        /// The error of the parser.
        reason: String,
    },
    /// Unknown names and invalid values: all of them, each with its fix.
    #[error("{} invalid setting(s):\n{}", .0.len(), .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// Loads the defaults, then `file`, then the environment. Not yet validated: unknown names and wrong types are
    /// reported by [`Config::validate`] with all other errors.
    ///
    /// # Errors
    ///
    /// `Unreadable` or `InvalidToml`.
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

    /// Loads the defaults, then the text of a named file, then variables.
    ///
    /// # Errors
    ///
    /// `InvalidToml`.
    pub fn assemble(
        file: Option<(&str, &str)>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut reading = SettingsLoader::new(parse("the defaults", DEFAULTS)?);
        if let Some((name, text)) = file {
            reading.add_file(name, parse(name, text)?);
        }
        reading.add_variables(variables.into_iter());
        match reading.finish::<Self>() {
            Some((config, given)) => Ok(Self { report: given, ..config }),
            None => Err(ConfigError::Invalid(vec!["the defaults are incomplete".to_owned()])),
        }
    }

    /// Validates every section and lists all errors together.
    ///
    /// # Errors
    ///
    /// `Invalid` with a line for each error: the key, the violated rule, the fix.
    pub fn validate(&self) -> Result<(), ConfigError> {
        into_result(self.validation_errors())
    }

    /// Validates the settings of commands that use only the database: no master key, no URLs.
    ///
    /// # Errors
    ///
    /// As for [`Config::validate`].
    pub fn validate_database(&self) -> Result<(), ConfigError> {
        let mut errors = Vec::new();
        self.database.validate(&mut errors);
        self.log.validate(&mut errors);
        into_result(self.with_load_errors(errors))
    }

    /// Validates the settings of commands that only write logs.
    ///
    /// # Errors
    ///
    /// As for [`Config::validate`].
    pub fn validate_log(&self) -> Result<(), ConfigError> {
        let mut errors = Vec::new();
        self.log.validate(&mut errors);
        into_result(self.with_load_errors(errors))
    }

    /// Returns all errors, one per line: the key, the violated rule, the fix. Never contains a secret.
    #[must_use]
    pub fn validation_errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        self.server.validate(&mut errors);
        self.database.validate(&mut errors);
        self.cache.validate(&mut errors);
        self.vault.validate(&mut errors);
        self.refresh.validate(&mut errors);
        self.sync.validate(&mut errors);
        self.webhooks.validate(&mut errors);
        self.limits.validate(&mut errors);
        self.quotas.validate(&mut errors);
        self.mappings.validate(&mut errors);
        self.upstream.validate(&mut errors);
        self.slack_enterprise.validate(&mut errors);
        self.scim.validate(&mut errors);
        self.log.validate(&mut errors);
        self.traces.validate(&mut errors);
        self.with_load_errors(errors)
    }

    /// Returns the settings that differ from their defaults.
    pub fn changed_settings(&self) -> impl Iterator<Item = &str> {
        self.report.origins.keys().map(String::as_str)
    }

    /// Returns wrong names and types, then invalid values, each with the place where it was set.
    fn with_load_errors(&self, wrong_values: Vec<String>) -> Vec<String> {
        let LoadReport { errors, origins } = &self.report;
        let key_of = |error: &str| error.split(':').next().unwrap_or_default().to_owned();
        let is_reported = |key: &str| {
            let variable = loader::variable(key);
            errors.iter().any(|(reported, _)| reported == key || *reported == variable)
        };
        let values = wrong_values.into_iter().filter(|error| !is_reported(&key_of(error)));
        let values = values.map(|error| match origins.get(&key_of(&error)) {
            Some(origin) => format!("{error} ({origin})"),
            None => error,
        });
        errors.iter().map(|(_, error)| error.clone()).chain(values).collect()
    }
}

fn parse(name: &str, text: &str) -> Result<Table, ConfigError> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        ConfigError::InvalidToml {
            file: name.to_owned(),
            line: before.matches('\n').count() + 1,
            reason: error.message().to_owned(),
        }
    })
}

fn into_result(errors: Vec<String>) -> Result<(), ConfigError> {
    if errors.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(errors)) }
}

/// Adds an error if `url` is not an http(s) base URL.
fn check_base_url(key: &str, url: &str, errors: &mut Vec<String>) {
    match url::Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {}
        _ => errors
            .push(format!("{key}: {url:?} is not a base URL; use https://HOST without a query")),
    }
}

#[cfg(test)]
mod tests;
