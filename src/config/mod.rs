//! The settings: one section a file, typed and documented, validated as a whole before anything starts.
//!
//! `config/default.toml` documents every key and is what the program parses first; then comes the file
//! given with `--config`, then variables named `SWITCHBOARD__SECTION__KEY`.

mod cache;
mod database;
mod limits;
mod log;
mod refresh;
mod scim;
mod server;
mod slack_enterprise;
mod upstream;
mod vault;

use std::path::Path;

pub use cache::Cache;
pub use database::Database;
pub use limits::{LimitBackend, Limits, Override, Pace};
pub use log::{Log, LogFormat};
pub use refresh::Refresh;
pub use scim::Scim;
pub use server::Server;
pub use slack_enterprise::SlackEnterprise;
pub use upstream::Upstream;
pub use vault::{KeyList, Vault};

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
    /// Calls to providers.
    pub upstream: Upstream,
    /// Where Slack is.
    pub slack_enterprise: SlackEnterprise,
    /// The pace of SCIM servers.
    pub scim: Scim,
    /// Logs.
    pub log: Log,
}

/// Settings that the program can't start with.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read, or a value has the wrong type or name.
    #[error("the settings can't be read")]
    Unreadable(#[from] config::ConfigError),
    /// Values that make no sense, all of them, each with its fix.
    #[error("{} setting(s) need a change:\n{}", .0.len(), .0.join("\n"))]
    Invalid(Vec<String>),
}

impl Config {
    /// The defaults, then `file`, then the environment. Not yet validated.
    ///
    /// # Errors
    ///
    /// When the file can't be read, or a value has an unknown name or the wrong type.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut sources = config::Config::builder()
            .add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        if let Some(file) = file {
            sources = sources.add_source(config::File::from(file).format(config::FileFormat::Toml));
        }
        let variables = config::Environment::with_prefix("SWITCHBOARD")
            .prefix_separator("__")
            .separator("__")
            .try_parsing(true);
        Ok(sources.add_source(variables).build()?.try_deserialize()?)
    }

    /// Checks every section and lists all mistakes at once.
    ///
    /// # Errors
    ///
    /// `Invalid` with a line for each mistake: the key, what is wrong, how to fix it.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut mistakes = Vec::new();
        self.server.validate(&mut mistakes);
        self.database.validate(&mut mistakes);
        self.cache.validate(&mut mistakes);
        self.vault.validate(&mut mistakes);
        self.refresh.validate(&mut mistakes);
        self.limits.validate(&mut mistakes);
        self.upstream.validate(&mut mistakes);
        self.slack_enterprise.validate(&mut mistakes);
        self.scim.validate(&mut mistakes);
        self.log.validate(&mut mistakes);
        verdict(mistakes)
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
        verdict(mistakes)
    }
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
mod tests {
    use super::*;

    #[test]
    fn the_compiled_in_defaults_name_every_setting() {
        let config = Config::load(None).unwrap();
        assert_eq!(config.server.max_body_bytes, 1_048_576);
        assert_eq!(config.slack_enterprise.web_url, "https://slack.com");
    }

    #[test]
    fn all_mistakes_are_listed_at_once() {
        let mut config = Config::load(None).unwrap();
        config.server.listen = "nowhere".to_owned();
        config.limits.time_scale = -1.0;
        config.slack_enterprise.web_url = "slack".to_owned();
        let text = config.validate().unwrap_err().to_string();
        for key in [
            "server.listen",
            "limits.time_scale",
            "slack_enterprise.web_url",
            "database.url",
            "vault.keys",
        ] {
            assert!(text.contains(key), "{key} is missing in: {text}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error() {
        let file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        std::fs::write(file.path(), "[server]\nlisten_on = 1\n").unwrap();
        let error = Config::load(Some(file.path())).unwrap_err();
        let text = std::error::Error::source(&error).unwrap().to_string();
        assert!(text.contains("listen_on"), "{text}");
    }
}
