//! `[slack_enterprise]`: where Slack is. Another address is the government's Slack, or a sandbox.

use serde::Deserialize;

/// Where Slack is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackEnterprise {
    /// The base of `/api/…` and of `/oauth/v2/authorize`.
    pub web_url: String,
    /// The base of `/scim/…` and `/audit/…`.
    pub api_url: String,
}

impl SlackEnterprise {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        super::check_base_url("slack_enterprise.web_url", &self.web_url, mistakes);
        super::check_base_url("slack_enterprise.api_url", &self.api_url, mistakes);
    }
}
