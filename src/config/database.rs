//! `[database]`: a PostgreSQL of your own, or the embedded one.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use zeroize::Zeroizing;

/// PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// A PostgreSQL URL; empty with `embedded`. It may hold a password, so it is never printed.
    pub url: String,
    /// A file that holds the URL.
    pub url_file: PathBuf,
    /// Runs a private server from the installed binaries.
    pub embedded: bool,
    /// Where the embedded server keeps its data.
    pub data_dir: PathBuf,
    /// The most connections at once.
    pub max_connections: u32,
    /// How long a statement waits for a connection, in seconds.
    pub acquire_timeout_s: f64,
    /// How long a statement may run, in seconds.
    pub statement_timeout_s: f64,
    /// How long a statement may wait for a lock, in seconds.
    pub lock_timeout_s: f64,
    /// How long link tokens and account tokens stay after their end, in days.
    pub ended_retention_days: u16,
}

impl std::fmt::Debug for Database {
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

impl Database {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        match self.url() {
            Err(mistake) => mistakes.push(mistake),
            Ok(url) if self.embedded && !url.is_empty() => mistakes.push(
                "database.embedded: is true although database.url is set; keep one of them"
                    .to_owned(),
            ),
            Ok(_) if self.embedded => {}
            Ok(url) if url.is_empty() => mistakes.push(
                "database.url: is empty; give a PostgreSQL URL or set database.embedded = true"
                    .to_owned(),
            ),
            Ok(url) => {
                let scheme = url::Url::parse(&url).map(|url| url.scheme().to_owned());
                if !scheme.is_ok_and(|scheme| matches!(&*scheme, "postgres" | "postgresql")) {
                    mistakes.push(
                        "database.url: is no PostgreSQL URL; write \
                         postgres://USER:PASSWORD@HOST:5432/DATABASE, with %40 for an @ in the password"
                            .to_owned(),
                    );
                }
            }
        }
        if self.max_connections < 4 {
            mistakes.push("database.max_connections: must be 4 or more".to_owned());
        }
        for (name, seconds) in [
            ("acquire_timeout_s", self.acquire_timeout_s),
            ("statement_timeout_s", self.statement_timeout_s),
            ("lock_timeout_s", self.lock_timeout_s),
        ] {
            if !(0.1..=3600.0).contains(&seconds) {
                mistakes.push(format!("database.{name}: must be between 0.1 and 3600"));
            }
        }
        if !(2..=3650).contains(&self.ended_retention_days) {
            mistakes.push("database.ended_retention_days: must be between 2 and 3650".to_owned());
        }
        if self.lock_timeout_s > self.statement_timeout_s {
            mistakes.push(
                "database.lock_timeout_s: is above database.statement_timeout_s, which ends the wait before; \
                 lower it"
                    .to_owned(),
            );
        }
    }

    /// How long link tokens and account tokens stay after their end.
    #[must_use]
    pub fn ended_retention(&self) -> Duration {
        Duration::from_hours(24 * u64::from(self.ended_retention_days))
    }

    /// The PostgreSQL URL; empty with `embedded`.
    ///
    /// # Errors
    ///
    /// A sentence that names the setting and the fix, when its file can't be read.
    pub fn url(&self) -> Result<Zeroizing<String>, String> {
        super::secret::read("database.url", &self.url, &self.url_file)
    }
}
