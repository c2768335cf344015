//! `[scim]`: servers of SCIM 2.0, each at its customer's own address.

use serde::Deserialize;

/// How fast one customer's server is called.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scim {
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls that may come at once after a rest.
    pub burst: u32,
}

impl Scim {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(1.0..=1_000_000.0).contains(&self.per_minute) {
            mistakes.push("scim.per_minute: must be between 1 and 1000000".to_owned());
        }
        if self.burst == 0 {
            mistakes.push("scim.burst: must be at least 1".to_owned());
        }
    }
}
