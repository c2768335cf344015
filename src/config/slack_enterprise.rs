//! `[slack_enterprise]`: the URLs of Slack, of its government edition, or of a sandbox.

use serde::Deserialize;

/// Settings of Slack's URLs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlackSettings {
    /// Base URL of `/api/…` and of `/oauth/v2/authorize`.
    pub web_url: String,
    /// Base URL of `/scim/…` and `/audit/…`.
    pub api_url: String,
}

impl SlackSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        super::check_base_url("slack_enterprise.web_url", &self.web_url, errors);
        super::check_base_url("slack_enterprise.api_url", &self.api_url, errors);
    }
}
