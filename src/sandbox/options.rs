//! How a sandbox is set up.

use std::path::PathBuf;

/// The settings of a sandbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// How many accounts there are, bots included; at least one.
    pub users: usize,
    /// How many workspaces there are; at least one.
    pub workspaces: usize,
    /// The same seed makes the same organization.
    pub seed: u64,
    /// The limits refill so many times as fast as Slack's. Token lifetimes stay as they are.
    pub time_scale: f64,
    /// Where grants are kept from one run to the next; nowhere when absent.
    pub grants_file: Option<PathBuf>,
    /// Whether calls beyond a method's tier are answered 429.
    pub enforce_limits: bool,
    /// Where this sandbox is reached, for the addresses in SCIM answers.
    pub base_url: Option<String>,
    /// Seconds after its first use in which a refresh token is taken again.
    pub refresh_grace_s: i64,
    /// Seconds that a cursor of the Web API holds.
    pub cursor_life_s: i64,
}

impl Default for Options {
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
            cursor_life_s: 3_600,
        }
    }
}

/// What keeps a sandbox from starting.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The grants of an earlier run are there and cannot be used.
    #[error("the grants in {path} cannot be read")]
    Grants {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
