//! The supported providers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of directory.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Slack Enterprise Grid: the admin Web API and SCIM.
    SlackEnterprise,
    /// Any SCIM 2.0 server (RFC 7644), by its base URL and credentials.
    Scim,
}

impl Provider {
    /// Every provider, in display order.
    pub const ALL: &[Self] = &[Self::SlackEnterprise, Self::Scim];

    /// Returns the name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SlackEnterprise => "slack_enterprise",
            Self::Scim => "scim",
        }
    }

    /// Returns the display name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::SlackEnterprise => "Slack Enterprise Grid",
            Self::Scim => "SCIM 2.0",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown provider name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown provider; the known ones are: {}", known())]
pub struct UnknownProvider;

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.iter().copied().find(|provider| provider.name() == name).ok_or(UnknownProvider)
    }
}

fn known() -> String {
    Provider::ALL.iter().map(|provider| provider.name()).collect::<Vec<_>>().join(", ")
}
