//! The resources of the unified API, and the connector capability that reads each.

use serde::Serialize;

use crate::connectors::{Connector, ReadResource};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::Filterable;
use crate::domain::group::Group;
use crate::domain::role::Role;
use crate::domain::user::{ResourceRef, User};
use crate::domain::workspace::Workspace;

/// A resource of the unified API.
pub trait Resource: Filterable + Serialize + 'static {
    /// The name in paths.
    const NAME: &'static str;
    /// The singular, for messages.
    const SINGULAR: &'static str;

    /// The field with references to workspaces.
    const WORKSPACES_FIELD: &'static str = "workspaces";

    /// Returns the id.
    fn id(&self) -> &str;

    /// Returns the references to workspaces.
    fn workspaces(&mut self) -> &mut [ResourceRef] {
        &mut []
    }

    /// Returns the reader of the resource, when the provider supports it.
    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>>;
}

impl Resource for User {
    const NAME: &'static str = "users";
    const SINGULAR: &'static str = "user";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [ResourceRef] {
        &mut self.workspaces
    }

    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>> {
        connector.users()
    }
}

impl Resource for Role {
    const NAME: &'static str = "roles";
    const SINGULAR: &'static str = "role";

    fn id(&self) -> &str {
        &self.id
    }

    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>> {
        connector.roles()
    }
}

impl Resource for RoleAssignment {
    const NAME: &'static str = "role-assignments";
    const SINGULAR: &'static str = "role assignment";
    const WORKSPACES_FIELD: &'static str = "workspace";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [ResourceRef] {
        &mut self.workspace
    }

    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>> {
        connector.role_assignments()
    }
}

impl Resource for Group {
    const NAME: &'static str = "groups";
    const SINGULAR: &'static str = "group";

    fn id(&self) -> &str {
        &self.id
    }

    fn workspaces(&mut self) -> &mut [ResourceRef] {
        self.workspaces.as_deref_mut().unwrap_or_default()
    }

    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>> {
        connector.groups()
    }
}

impl Resource for Workspace {
    const NAME: &'static str = "workspaces";
    const SINGULAR: &'static str = "workspace";

    fn id(&self) -> &str {
        &self.id
    }

    fn reader(connector: &dyn Connector) -> Option<&dyn ReadResource<Self>> {
        connector.workspaces()
    }
}
