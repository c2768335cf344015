//! Any server of SCIM 2.0 at its customer's own address: RFC 7643 (what people and groups are), RFC 7644 (how
//! they are asked for).
//!
//! An account brings the address and the token that its customer gave in a form.

mod api;
mod dialect;
mod groups;
mod link;
mod map;
mod passthrough;
mod users;
mod wire;

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
use crate::limit::Rate;
use crate::upstream::{Budget, Dialect};

/// The one budget of a customer's server: whoever calls it calls the same machine.
const BUDGET: &str = "scim";

/// The connector of SCIM 2.0.
pub(super) struct Scim {
    rate: Rate,
}

impl Scim {
    /// The connector with the pace in `config`.
    pub(super) fn new(config: &config::Scim) -> Self {
        Self { rate: Rate { per_minute: config.per_minute, burst: config.burst } }
    }

    /// The names of its calls, as metrics have them: the proxy's too.
    pub(super) fn known_methods() -> impl Iterator<Item = String> {
        let verbs = ["list", "get", "post", "put", "patch", "delete"];
        let kinds =
            ["users", "groups", "serviceproviderconfig", "resourcetypes", "schemas", "me", "bulk"];
        kinds.into_iter().flat_map(move |kind| verbs.map(|verb| format!("scim.{kind}.{verb}")))
    }

    /// What every call takes from.
    fn budgets(&self) -> Vec<Budget> {
        vec![Budget { bucket: BUDGET.into(), rate: self.rate, per_app: false }]
    }
}

impl Connector for Scim {
    fn provider(&self) -> Provider {
        Provider::Scim
    }

    fn dialect(&self) -> &dyn Dialect {
        &dialect::ScimDialect
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

    fn users(&self) -> Option<&dyn Reads<User>> {
        Some(self)
    }

    fn roles(&self) -> Option<&dyn Reads<Role>> {
        None
    }

    fn role_assignments(&self) -> Option<&dyn Reads<RoleAssignment>> {
        None
    }

    fn workspaces(&self) -> Option<&dyn Reads<Workspace>> {
        None
    }

    fn groups(&self) -> Option<&dyn Reads<Group>> {
        Some(self)
    }

    fn identity(&self) -> Option<&dyn Identity> {
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
