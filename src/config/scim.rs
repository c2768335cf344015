//! `[scim]`: rates of SCIM 2.0 servers, which each customer hosts.

use serde::Deserialize;

/// Rate of calls to one customer's server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScimSettings {
    /// Calls per minute.
    pub per_minute: f64,
    /// Calls in a burst.
    pub burst: u32,
}

impl ScimSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !(1.0..=1_000_000.0).contains(&self.per_minute) {
            errors.push("scim.per_minute: must be between 1 and 1000000".to_owned());
        }
        if self.burst == 0 {
            errors.push("scim.burst: must be at least 1".to_owned());
        }
    }
}
