//! Capabilities of a provider in general, by its facets.

use std::collections::BTreeMap;

use super::Connector;
use crate::domain::assignment::RoleAssignment;
use crate::domain::capabilities::{
    Capabilities, FieldCapability, FilterCapability, FilterPlace, MethodCapability,
    ResourceCapabilities, ResourceKind, ResourceMethod,
};
use crate::domain::filter::{Expansion, Filterable};
use crate::domain::group::Group;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;

/// Why a method does not work, where the provider lacks the facet.
const NO_FACET: &str = "The provider has no such operation.";

/// A resource in general: its methods, and the names of its fields and filters.
struct ResourceOutline {
    methods: &'static [ResourceMethod],
    /// Fields that no request sets.
    read_only: &'static [&'static str],
    /// Fields that requests set.
    writable: &'static [&'static str],
    /// Those that a new resource needs.
    required: &'static [&'static str],
    filters: &'static [&'static str],
    expansions: &'static [Expansion],
}

const ALL_METHODS: &[ResourceMethod] = &[
    ResourceMethod::List,
    ResourceMethod::Get,
    ResourceMethod::Create,
    ResourceMethod::Update,
    ResourceMethod::Delete,
];
const READ_METHODS: &[ResourceMethod] = &[ResourceMethod::List, ResourceMethod::Get];
const MEMBER_METHODS: &[ResourceMethod] =
    &[ResourceMethod::List, ResourceMethod::Create, ResourceMethod::Delete];

const NONE: ResourceOutline = ResourceOutline {
    methods: ALL_METHODS,
    read_only: &[],
    writable: &[],
    required: &[],
    filters: &[],
    expansions: &[],
};
const USERS: ResourceOutline = ResourceOutline {
    read_only: &[
        "id",
        "identifiers",
        "is_email_verified",
        "is_2fa_enabled",
        "is_sso_enabled",
        "groups",
        "created_at",
        "updated_at",
        "last_activity_at",
        "deactivated_at",
    ],
    writable: &[
        "external_id",
        "first_name",
        "last_name",
        "name",
        "username",
        "title",
        "department",
        "division",
        "organization",
        "cost_center",
        "employee_number",
        "emails",
        "phones",
        "photos",
        "addresses",
        "status",
        "user_type",
        "roles",
        "workspaces",
        "manager",
        "timezone",
        "locale",
        "expires_at",
        "custom_fields",
    ],
    required: &["emails"],
    filters: &[
        "email",
        "username",
        "status",
        "user_type",
        "workspace[id]",
        "role[id]",
        "updated_at[gt]",
        "search",
    ],
    expansions: User::EXPANSIONS,
    ..NONE
};
const GROUPS: ResourceOutline = ResourceOutline {
    read_only: &["id", "description", "member_count", "workspaces", "created_at"],
    writable: &["name", "members"],
    required: &["name"],
    filters: &["name", "user[id]"],
    expansions: Group::EXPANSIONS,
    ..NONE
};
const GROUP_MEMBERS: ResourceOutline =
    ResourceOutline { methods: MEMBER_METHODS, read_only: &["id", "name"], ..NONE };
const ROLES: ResourceOutline = ResourceOutline {
    methods: READ_METHODS,
    read_only: &[
        "id",
        "name",
        "description",
        "scope",
        "kind",
        "is_assignable",
        "is_privileged",
        "applicable_in",
    ],
    filters: &["scope", "workspace[id]"],
    expansions: Role::EXPANSIONS,
    ..NONE
};
const ROLE_ASSIGNMENTS: ResourceOutline = ResourceOutline {
    methods: &[
        ResourceMethod::List,
        ResourceMethod::Get,
        ResourceMethod::Create,
        ResourceMethod::Delete,
    ],
    read_only: &[
        "id",
        "role_name",
        "scope",
        "workspace",
        "organization_id",
        "group_id",
        "group_type",
        "is_privileged",
        "granted_by",
        "created_at",
        "updated_at",
    ],
    writable: &["user_id", "role_id", "workspace_id", "channel_id"],
    required: &["user_id", "role_id"],
    filters: &["role[id]", "user[id]", "workspace[id]"],
    expansions: RoleAssignment::EXPANSIONS,
};
const WORKSPACES: ResourceOutline = ResourceOutline {
    methods: &[
        ResourceMethod::List,
        ResourceMethod::Get,
        ResourceMethod::Create,
        ResourceMethod::Update,
    ],
    read_only: &[
        "id",
        "url",
        "primary_owner",
        "owner_ids",
        "admin_ids",
        "member_count",
        "created_at",
    ],
    writable: &["name", "description", "domain", "discoverability", "icon_url", "default_channels"],
    required: &["name", "domain"],
    filters: &["name", "discoverability"],
    expansions: Workspace::EXPANSIONS,
};
const WORKSPACE_MEMBERS: ResourceOutline =
    ResourceOutline { methods: MEMBER_METHODS, filters: &["status", "user_type"], ..NONE };
const ME: ResourceOutline = ResourceOutline { methods: &[ResourceMethod::Get], ..NONE };

impl ResourceOutline {
    fn of(resource: ResourceKind) -> Self {
        match resource {
            ResourceKind::Users => USERS,
            ResourceKind::Groups => GROUPS,
            ResourceKind::GroupMembers => GROUP_MEMBERS,
            ResourceKind::Roles => ROLES,
            ResourceKind::RoleAssignments => ROLE_ASSIGNMENTS,
            ResourceKind::Workspaces => WORKSPACES,
            ResourceKind::WorkspaceMembers => WORKSPACE_MEMBERS,
            ResourceKind::Me => ME,
        }
    }
}

/// Returns what works of a provider in general: what its facets offer. An account may have less of it.
#[must_use]
pub fn general_capabilities(connector: &dyn Connector) -> Capabilities {
    let resource = |kind| {
        let outline = ResourceOutline::of(kind);
        let has = |method| has_method(connector, kind, method);
        let method = |method: &ResourceMethod| MethodCapability {
            method: *method,
            is_supported: has(*method),
            scopes: connector.scopes(kind, *method).iter().map(|&name| name.to_owned()).collect(),
            reason: (!has(*method)).then(|| NO_FACET.to_owned()),
            alternative: None,
        };
        let is_read =
            outline.methods.iter().any(|method| READ_METHODS.contains(method) && has(*method));
        let is_written = has(ResourceMethod::Create) || has(ResourceMethod::Update);
        let field = |name: &'static str, is_writable| FieldCapability {
            name: name.to_owned(),
            is_readable: is_read,
            is_writable: is_writable && is_written,
            is_required: outline.required.contains(&name),
            values: Vec::new(),
        };
        let read_only = outline.read_only.iter().map(|name| field(name, false));
        let fields = read_only.chain(outline.writable.iter().map(|name| field(name, true)));
        let by_provider = connector.provider_filters(kind);
        let filter = |name: &&'static str| FilterCapability {
            name: (*name).to_owned(),
            applied_by: if by_provider.contains(name) {
                FilterPlace::Provider
            } else {
                FilterPlace::Gateway
            },
        };
        ResourceCapabilities {
            resource: kind,
            methods: outline.methods.iter().map(method).collect(),
            fields: fields.collect(),
            filters: outline.filters.iter().map(filter).collect(),
            expansions: outline.expansions.to_vec(),
        }
    };
    Capabilities {
        resources: ResourceKind::ALL.into_iter().map(resource).collect(),
        features: BTreeMap::new(),
    }
}

/// Whether the connector has the facet of a method.
fn has_method(connector: &dyn Connector, kind: ResourceKind, method: ResourceMethod) -> bool {
    let is_read = matches!(method, ResourceMethod::List | ResourceMethod::Get);
    match kind {
        ResourceKind::Users if is_read => connector.users().is_some(),
        ResourceKind::Users => connector.user_writes().is_some(),
        ResourceKind::Groups | ResourceKind::GroupMembers if is_read => {
            connector.groups().is_some()
        }
        ResourceKind::Groups | ResourceKind::GroupMembers => connector.group_writes().is_some(),
        ResourceKind::Roles => is_read && connector.roles().is_some(),
        ResourceKind::RoleAssignments if is_read => connector.role_assignments().is_some(),
        ResourceKind::RoleAssignments => connector.assignment_writes().is_some(),
        ResourceKind::Workspaces if is_read => connector.workspaces().is_some(),
        ResourceKind::Workspaces => connector.workspace_writes().is_some(),
        ResourceKind::WorkspaceMembers if is_read => {
            connector.workspaces().is_some() && connector.users().is_some()
        }
        ResourceKind::WorkspaceMembers => connector.membership_writes().is_some(),
        ResourceKind::Me => connector.identity().is_some(),
    }
}
