//! Settings of a sandbox.

use std::path::PathBuf;

/// Settings of a sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxOptions {
    /// Number of accounts, bots included; at least 1.
    pub users: usize,
    /// Number of workspaces; at least 1.
    pub workspaces: usize,
    /// Seed of the generated data; the same seed gives the same organization.
    pub seed: u64,
    /// Factor by which rate limits refill faster than Slack's. Token lifetimes do not change.
    pub time_scale: f64,
    /// File that stores grants between runs; `None` stores none.
    pub grants_file: Option<PathBuf>,
    /// Whether requests beyond a method's tier get 429.
    pub enforce_limits: bool,
    /// Public base URL of the sandbox, for URLs in SCIM responses.
    pub base_url: Option<String>,
    /// Seconds after its first use in which a refresh token is accepted again.
    pub refresh_grace_s: i64,
    /// Lifetime of Web API cursors in seconds.
    pub cursor_lifetime_s: i64,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            users: 200,
            workspaces: 5,
            seed: 1,
            time_scale: 1.0,
            grants_file: None,
            enforce_limits: true,
            base_url: None,
            refresh_grace_s: 60,
            cursor_lifetime_s: 3_600,
        }
    }
}

/// Reasons why a sandbox cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The grants file exists but is unreadable or invalid.
    #[error("the grants in {path} cannot be read")]
    Grants {
        /// Path of the grants file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}
