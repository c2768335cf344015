//! The connector of SCIM 2.0 servers: RFC 7643 (schemas), RFC 7644 (protocol).
//!
//! Each account has its own base URL and token, which the customer entered in a form.

mod announcement;
mod api;
mod attribute;
mod attribute_change;
mod change_log;
mod classify;
mod complex_type;
mod created_id;
mod describe;
mod discovery;
mod features;
mod filters;
mod group_changes;
mod group_members;
mod group_writes;
mod groups;
mod held_roles;
mod ignored_changes;
mod link;
mod list;
mod list_call;
mod list_step;
mod map;
mod me;
mod membership_writes;
mod memberships;
mod pages;
mod passthrough;
mod patch;
mod position;
mod rejection;
mod remote_data;
mod resource_writes;
mod role_assignments;
mod role_id;
mod role_writes;
mod roles;
mod settings;
mod unsupported;
mod url_encoding;
mod user_bodies;
mod user_emails;
mod user_names;
mod user_schema;
mod user_validation;
mod user_writes;
mod users;
mod values;
mod wire;
mod workspaces;

use super::{
    AssignmentWrites, Connector, Discover, GroupWrites, Linking, MembershipWrites, Passthrough,
    ReadChangeLog, ReadIdentity, ReadResource, UserWrites, WorkspaceWrites,
};
use super::{PlannedCall, PlannedWork};
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

    fn planned_calls(&self, work: &PlannedWork<'_>) -> Vec<PlannedCall> {
        let count = match work {
            // A patch is sent after a read where the server requires whole values.
            PlannedWork::Operation(_) => 2,
            PlannedWork::ReadProfile => 0,
            PlannedWork::ReadUser | PlannedWork::ReadRoles(_) | PlannedWork::ReadGroup => 1,
        };
        vec![PlannedCall { buckets: self.budgets(), count }]
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

    fn discovery(&self) -> Option<&dyn Discover> {
        Some(self)
    }

    fn users(&self) -> Option<&dyn ReadResource<User>> {
        Some(self)
    }

    fn roles(&self) -> Option<&dyn ReadResource<Role>> {
        Some(self)
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

    fn change_log(&self) -> Option<&dyn ReadChangeLog> {
        Some(self)
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
        None
    }

    fn group_writes(&self) -> Option<&dyn GroupWrites> {
        Some(self)
    }
}
