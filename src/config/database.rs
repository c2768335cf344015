//! `[database]`: an external PostgreSQL, or the embedded one.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

/// Settings of PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    /// PostgreSQL URL; empty with `embedded`. It may contain a password, so it is never printed.
    pub url: String,
    /// File with the URL.
    pub url_file: PathBuf,
    /// Whether to run a private server from the installed binaries.
    pub embedded: bool,
    /// Data directory of the embedded server.
    pub data_dir: PathBuf,
    /// Maximum number of connections.
    pub max_connections: u32,
    /// Seconds to wait for a connection.
    pub acquire_timeout_s: f64,
    /// Maximum seconds of a statement.
    pub statement_timeout_s: f64,
    /// Maximum seconds to wait for a lock.
    pub lock_timeout_s: f64,
    /// Days to retain expired or revoked keys and tokens.
    pub ended_retention_days: u16,
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url_file", &self.url_file)
            .field("embedded", &self.embedded)
            .field("data_dir", &self.data_dir)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout_s", &self.acquire_timeout_s)
            .field("statement_timeout_s", &self.statement_timeout_s)
            .field("lock_timeout_s", &self.lock_timeout_s)
            .field("ended_retention_days", &self.ended_retention_days)
            .finish_non_exhaustive()
    }
}

impl DatabaseSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        match self.url() {
            Err(error) => errors.push(error),
            Ok(url) if self.embedded && !url.is_empty() => errors.push(
                "database.embedded: is true although database.url is set; remove one of them"
                    .to_owned(),
            ),
            Ok(_) if self.embedded => {}
            Ok(url) if url.is_empty() => errors.push(
                "database.url: is empty; set a PostgreSQL URL or database.embedded = true"
                    .to_owned(),
            ),
            Ok(url) => {
                let scheme = url::Url::parse(&url).map(|url| url.scheme().to_owned());
                if !scheme.is_ok_and(|scheme| matches!(&*scheme, "postgres" | "postgresql")) {
                    errors.push(
                        "database.url: is not a PostgreSQL URL; use \
                         postgres://USER:PASSWORD@HOST:5432/DATABASE, with %40 for an @ in the password"
                            .to_owned(),
                    );
                }
            }
        }
        if self.max_connections < 4 {
            errors.push("database.max_connections: must be 4 or more".to_owned());
        }
        for (name, seconds) in [
            ("acquire_timeout_s", self.acquire_timeout_s),
            ("statement_timeout_s", self.statement_timeout_s),
            ("lock_timeout_s", self.lock_timeout_s),
        ] {
            if !(0.1..=3600.0).contains(&seconds) {
                errors.push(format!("database.{name}: must be between 0.1 and 3600"));
            }
        }
        if !(2..=3650).contains(&self.ended_retention_days) {
            errors.push("database.ended_retention_days: must be between 2 and 3650".to_owned());
        }
        if self.lock_timeout_s > self.statement_timeout_s {
            errors.push(
                "database.lock_timeout_s: exceeds database.statement_timeout_s, which would end the wait first; \
                 lower it"
                    .to_owned(),
            );
        }
    }

    /// Returns the retention of expired or revoked keys and tokens.
    #[must_use]
    pub fn ended_retention(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.ended_retention_days))
    }

    /// Returns the PostgreSQL URL; empty with `embedded`.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, if its file is unreadable.
    pub fn url(&self) -> Result<Zeroizing<String>, String> {
        super::secret::read("database.url", &self.url, &self.url_file)
    }
}
