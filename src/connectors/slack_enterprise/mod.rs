//! Slack Enterprise Grid: the admin Web API, and SCIM for what the Web API doesn't tell.
//!
//! The provider's own shapes live in `wire` and become ours in `map`. Which method costs what is data:
//! `config/slack_enterprise.toml`.

mod api;
mod assignments;
mod dialect;
mod error;
mod group_writes;
mod groups;
mod holdings;
mod levels;
mod map;
mod me;
mod memberships;
mod methods;
pub mod notices;
mod oauth;
mod pages;
mod passthrough;
mod ranks;
mod remote_data;
mod roles;
mod scim_user;
mod user_writes;
mod users;
mod walk;
mod wire;
mod workspace_writes;
mod workspaces;

use std::sync::Arc;

use url::Url;

use self::dialect::SlackDialect;
use self::methods::Methods;
use super::path::Base;
use super::{
    AssignmentWrites, Connector, GroupWrites, Identity, Linking, MembershipWrites, Passthrough,
    Reads, UserWrites, WorkspaceWrites,
};
use crate::config;
use crate::domain::assignment::RoleAssignment;
use crate::domain::group::Group;
use crate::domain::provider::Provider;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::upstream::{Dialect, OAuthEndpoints};

/// The connector of Slack Enterprise Grid.
pub struct SlackEnterprise {
    /// Where `/api/…` is.
    web: Base,
    /// Where `/scim/…` and `/audit/…` are.
    api: Base,
    methods: Methods,
    oauth: OAuthEndpoints,
    dialect: SlackDialect,
}

/// The connector can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// An address is none.
    #[error("a base URL can't be read: {0}")]
    Url(#[from] url::ParseError),
    /// The table of methods can't be read.
    #[error("the table of methods can't be read: {0}")]
    Methods(#[from] methods::TableError),
}

impl SlackEnterprise {
    /// The connector for the Slack at these addresses.
    ///
    /// # Errors
    ///
    /// When an address is none, or the table of methods can't be read.
    pub fn new(config: &config::SlackEnterprise) -> Result<Self, BuildError> {
        let (web_url, api_url) = (base(&config.web_url)?, base(&config.api_url)?);
        let base = |url: &Url| Base::of(url).ok_or(url::ParseError::EmptyHost);
        let oauth = oauth::endpoints(&web_url)?;
        Ok(Self {
            dialect: SlackDialect { trial_url: oauth.trial_url.clone() },
            oauth,
            web: base(&web_url)?,
            api: base(&api_url)?,
            methods: Methods::load()?,
        })
    }

    /// The names of the methods that are documented.
    pub(super) fn known_methods(&self) -> impl Iterator<Item = String> {
        self.methods.names()
    }
}

/// A base URL that paths can be joined to.
fn base(url: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}/", url.trim_end_matches('/')))
}

impl Connector for SlackEnterprise {
    fn provider(&self) -> Provider {
        Provider::SlackEnterprise
    }

    fn dialect(&self) -> &dyn Dialect {
        &self.dialect
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

    fn users(&self) -> Option<&dyn Reads<User>> {
        Some(self)
    }

    fn roles(&self) -> Option<&dyn Reads<Role>> {
        Some(self)
    }

    fn role_assignments(&self) -> Option<&dyn Reads<RoleAssignment>> {
        Some(self)
    }

    fn workspaces(&self) -> Option<&dyn Reads<Workspace>> {
        Some(self)
    }

    fn groups(&self) -> Option<&dyn Reads<Group>> {
        Some(self)
    }

    fn identity(&self) -> Option<&dyn Identity> {
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

/// The unified user of a row of `admin.users.list`, as the whole organization sees it.
///
/// # Errors
///
/// When the row can't be read.
pub fn read_listed_user(row: &str, organization: &Arc<str>) -> serde_json::Result<User> {
    let row = serde_json::from_str(row)?;
    Ok(map::listed_user(row, true, map::View::Organization, organization))
}
