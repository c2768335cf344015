//! The connector of Slack Enterprise Grid: the admin Web API, and SCIM for data that the Web API lacks.
//!
//! Slack's wire types are in `wire` and are mapped to unified objects in `map`. Rates of methods are data:
//! `config/slack_enterprise.toml`.

mod api;
mod assignments;
mod audit_log;
mod capabilities;
mod classify;
mod error;
pub mod events;
mod group_writes;
mod groups;
mod level_writes;
mod map;
mod me;
mod memberships;
mod methods;
mod oauth;
mod other_organizations;
mod passthrough;
mod planned_calls;
mod profiles;
mod raw_pages;
mod remote_data;
mod role_writes;
mod roles;
mod scim_pages;
mod scim_user_bodies;
mod user_writes;
mod users;
mod wire;
mod workspace_admins;
mod workspace_scan;
mod workspace_writes;
mod workspaces;

use std::sync::Arc;

use url::Url;

use self::classify::SlackClassifier;
use self::methods::MethodTable;
use super::path::BaseUrl;
use super::{
    AssignmentWrites, Connector, GroupWrites, Linking, MembershipWrites, Passthrough,
    ReadChangeLog, ReadIdentity, ReadProfiles, ReadResource, UserWrites, WorkspaceWrites,
};
use super::{PlannedCall, PlannedWork};
use crate::config;
use crate::domain::assignment::RoleAssignment;
use crate::domain::capabilities::{ResourceKind, ResourceMethod};
use crate::domain::group::Group;
use crate::domain::provider::Provider;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::upstream::{OAuthEndpoints, ResponseClassifier};

/// The connector of Slack Enterprise Grid.
pub struct SlackConnector {
    /// The base URL of `/api/…`.
    web: BaseUrl,
    /// The base URL of `/scim/…` and `/audit/…`.
    api: BaseUrl,
    methods: MethodTable,
    oauth: OAuthEndpoints,
    classifier: SlackClassifier,
}

/// Why the connector can't be built.
#[derive(Debug, thiserror::Error)]
pub enum SlackBuildError {
    /// A base URL is invalid.
    #[error("invalid base URL: {0}")]
    Url(#[from] url::ParseError),
    /// The table of methods is invalid.
    #[error("invalid table of methods: {0}")]
    Methods(#[from] methods::MethodTableError),
}

impl SlackConnector {
    /// Builds the connector for the base URLs in `config`.
    ///
    /// # Errors
    ///
    /// When a base URL or the table of methods is invalid.
    pub fn new(config: &config::SlackSettings) -> Result<Self, SlackBuildError> {
        let (web_url, api_url) = (base(&config.web_url)?, base(&config.api_url)?);
        let base = |url: &Url| BaseUrl::from_url(url).ok_or(url::ParseError::EmptyHost);
        let oauth = oauth::endpoints(&web_url)?;
        Ok(Self {
            classifier: SlackClassifier { trial_url: oauth.token_check_url.clone() },
            oauth,
            web: base(&web_url)?,
            api: base(&api_url)?,
            methods: MethodTable::load()?,
        })
    }

    /// Returns the names of documented methods.
    pub(super) fn known_methods(&self) -> impl Iterator<Item = String> {
        self.methods.names()
    }
}

/// Parses a base URL, with a trailing slash added.
fn base(url: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}/", url.trim_end_matches('/')))
}

impl Connector for SlackConnector {
    fn provider(&self) -> Provider {
        Provider::SlackEnterprise
    }

    fn response_classifier(&self) -> &dyn ResponseClassifier {
        &self.classifier
    }

    fn planned_calls(&self, work: &PlannedWork<'_>) -> Vec<PlannedCall> {
        self.calls_of(work)
    }

    fn has_budget(&self, name: &str) -> bool {
        self.methods.has_budget(name)
    }

    fn budget_names(&self) -> &'static str {
        "the names are those of config/slack_enterprise.toml"
    }

    fn linking(&self) -> Linking<'_> {
        Linking::OAuth(self)
    }

    fn passthrough(&self) -> &dyn Passthrough {
        self
    }

    fn scopes(&self, resource: ResourceKind, method: ResourceMethod) -> &'static [&'static str] {
        capabilities::scopes(resource, method)
    }

    fn provider_filters(&self, resource: ResourceKind) -> &'static [&'static str] {
        capabilities::provider_filters(resource)
    }

    fn users(&self) -> Option<&dyn ReadResource<User>> {
        Some(self)
    }

    fn roles(&self) -> Option<&dyn ReadResource<Role>> {
        Some(self)
    }

    fn has_role(&self, id: &str) -> Option<bool> {
        Some(roles::can_be_held(id))
    }

    fn role_assignments(&self) -> Option<&dyn ReadResource<RoleAssignment>> {
        Some(self)
    }

    fn workspaces(&self) -> Option<&dyn ReadResource<Workspace>> {
        Some(self)
    }

    fn groups(&self) -> Option<&dyn ReadResource<Group>> {
        Some(self)
    }

    fn profiles(&self) -> Option<&dyn ReadProfiles> {
        Some(self)
    }

    fn change_log(&self) -> Option<&dyn ReadChangeLog> {
        Some(self)
    }

    fn sends_events(&self) -> bool {
        true
    }

    fn identity(&self) -> Option<&dyn ReadIdentity> {
        Some(self)
    }

    fn user_writes(&self) -> Option<&dyn UserWrites> {
        Some(self)
    }

    fn membership_writes(&self) -> Option<&dyn MembershipWrites> {
        Some(self)
    }

    fn assignment_writes(&self) -> Option<&dyn AssignmentWrites> {
        Some(self)
    }

    fn workspace_writes(&self) -> Option<&dyn WorkspaceWrites> {
        Some(self)
    }

    fn group_writes(&self) -> Option<&dyn GroupWrites> {
        Some(self)
    }
}

/// Maps a row of `admin.users.list`, requested for the whole organization, to a unified user.
///
/// # Errors
///
/// When the row can't be parsed.
pub fn parse_admin_list_user(row: &str, organization: &Arc<str>) -> serde_json::Result<User> {
    let row = serde_json::from_str(row)?;
    Ok(map::user_from_admin_list(row, true, map::RowScope::Organization, organization))
}
