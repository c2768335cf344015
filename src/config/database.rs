//! `[database]`: a PostgreSQL of your own, or the embedded one.

use std::path::PathBuf;

use serde::Deserialize;

/// PostgreSQL.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// A PostgreSQL URL; empty with `embedded`. It may hold a password, so it is never printed.
    pub url: String,
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
            .field("embedded", &self.embedded)
            .field("data_dir", &self.data_dir)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

impl Database {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if self.url.is_empty() && !self.embedded {
            mistakes.push(
                "database.url: is empty; give a PostgreSQL URL or set database.embedded = true"
                    .to_owned(),
            );
        }
        if !self.url.is_empty() && self.embedded {
            mistakes.push(
                "database.embedded: is true although database.url is set; keep one of them"
                    .to_owned(),
            );
        }
        if self.max_connections < 4 {
            mistakes.push("database.max_connections: must be 4 or more".to_owned());
        }
    }
}
