//! The resources of the unified API and the facet that serves each.

use serde::Serialize;

use crate::connectors::{Connector, Reads};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::Filtered;
use crate::domain::group::Group;
use crate::domain::role::Role;
use crate::domain::user::{Reference, User};
use crate::domain::workspace::Workspace;

/// A resource of the unified API.
pub trait Resource: Filtered + Serialize + 'static {
    /// Its name in paths.
    const NAME: &'static str;
    /// One of it, in sentences.
    const SINGULAR: &'static str;

    /// The field with the workspaces that it refers to.
    const WORKSPACES: &'static str = "workspaces";

    /// Its id.
    fn id(&self) -> &str;

    /// The workspaces that it refers to.
    fn workspaces(&mut self) -> &mut [Reference] {
        &mut []
    }

    /// What serves it, when the provider has it.
    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>>;
}

impl Resource for User {
    const NAME: &'static str = "users";
    const SINGULAR: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [Reference] {
        &mut self.workspaces
    }

    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>> {
        connector.users()
    }
}

impl Resource for Role {
    const NAME: &'static str = "roles";
    const SINGULAR: &'static str = "role";

    fn id(&self) -> &str {
        &self.id
    }

    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>> {
        connector.roles()
    }
}

impl Resource for RoleAssignment {
    const NAME: &'static str = "role-assignments";
    const SINGULAR: &'static str = "role assignment";
    const WORKSPACES: &'static str = "workspace";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [Reference] {
        &mut self.workspace
    }

    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>> {
        connector.role_assignments()
    }
}

impl Resource for Group {
    const NAME: &'static str = "groups";
    const SINGULAR: &'static str = "group";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [Reference] {
        self.workspaces.as_deref_mut().unwrap_or_default()
    }

    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>> {
        connector.groups()
    }
}

impl Resource for Workspace {
    const NAME: &'static str = "workspaces";
    const SINGULAR: &'static str = "workspace";

    fn id(&self) -> &str {
        &self.id
    }

    fn facet(connector: &dyn Connector) -> Option<&dyn Reads<Self>> {
        connector.workspaces()
    }
}
