//! The connector of SCIM 2.0 servers: RFC 7643 (schemas), RFC 7644 (protocol).
//!
//! Each account has its own base URL and token, which the customer entered in a form.

mod api;
mod classify;
mod groups;
mod link;
mod map;
mod passthrough;
mod users;
mod wire;

use super::{
    AssignmentWrites, Connector, GroupWrites, Linking, MembershipWrites, Passthrough, ReadIdentity,
    ReadResource, UserWrites, WorkspaceWrites,
};
use crate::config;
use crate::domain::assignment::RoleAssignment;
use crate::domain::group::Group;
use crate::domain::provider::Provider;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::limit::Rate;
use crate::upstream::{ProviderBucket, ResponseClassifier};

/// The only budget of a customer's server.
const BUDGET: &str = "scim";

/// The connector of SCIM 2.0 servers.
pub(super) struct ScimConnector {
    rate: Rate,
}

impl ScimConnector {
    /// Builds the connector with the rate in `config`.
    pub(super) fn new(config: &config::ScimSettings) -> Self {
        Self { rate: Rate { per_minute: config.per_minute, burst: config.burst } }
    }

    /// Returns the method names of its calls, including those through the proxy.
    pub(super) fn known_methods() -> impl Iterator<Item = String> {
        let verbs = ["list", "get", "post", "put", "patch", "delete"];
        let kinds =
            ["users", "groups", "serviceproviderconfig", "resourcetypes", "schemas", "me", "bulk"];
        kinds.into_iter().flat_map(move |kind| verbs.map(|verb| format!("scim.{kind}.{verb}")))
    }

    /// Returns the budgets of every call.
    fn budgets(&self) -> Vec<ProviderBucket> {
        vec![ProviderBucket { name: BUDGET.into(), rate: self.rate, per_app: false }]
    }
}

impl Connector for ScimConnector {
    fn provider(&self) -> Provider {
        Provider::Scim
    }

    fn response_classifier(&self) -> &dyn ResponseClassifier {
        &classify::ScimClassifier
    }

    fn has_budget(&self, name: &str) -> bool {
        name == BUDGET
    }

    fn budget_names(&self) -> &'static str {
        "its only one is `scim`"
    }

    fn linking(&self) -> Linking<'_> {
        Linking::Form(self)
    }

    fn passthrough(&self) -> &dyn Passthrough {
        self
    }

    fn users(&self) -> Option<&dyn ReadResource<User>> {
        Some(self)
    }

    fn roles(&self) -> Option<&dyn ReadResource<Role>> {
        None
    }

    fn role_assignments(&self) -> Option<&dyn ReadResource<RoleAssignment>> {
        None
    }

    fn workspaces(&self) -> Option<&dyn ReadResource<Workspace>> {
        None
    }

    fn groups(&self) -> Option<&dyn ReadResource<Group>> {
        Some(self)
    }

    fn identity(&self) -> Option<&dyn ReadIdentity> {
        None
    }

    fn user_writes(&self) -> Option<&dyn UserWrites> {
        None
    }

    fn membership_writes(&self) -> Option<&dyn MembershipWrites> {
        None
    }

    fn assignment_writes(&self) -> Option<&dyn AssignmentWrites> {
        None
    }

    fn workspace_writes(&self) -> Option<&dyn WorkspaceWrites> {
        None
    }

    fn group_writes(&self) -> Option<&dyn GroupWrites> {
        None
    }
}
