//! `[log]`: format and filter of logs.

use serde::Deserialize;

/// Settings of logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// The format.
    pub format: LogFormat,
    /// The `tracing` filter.
    pub filter: String,
}

/// The format of logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text for people.
    Pretty,
    /// One JSON object per line.
    Json,
}

impl LogSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if let Err(error) = tracing_subscriber::EnvFilter::try_new(&self.filter) {
            errors.push(format!("log.filter: {:?} is not a valid filter: {error}", self.filter));
        }
    }
}
