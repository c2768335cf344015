//! `[database]`: a PostgreSQL of your own, or the embedded one.

use std::path::PathBuf;

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
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url_file", &self.url_file)
            .field("embedded", &self.embedded)
            .field("data_dir", &self.data_dir)
            .field("max_connections", &self.max_connections)
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
