//! What a provider can do, in general or for one account: resources with their methods, fields, filters and expansions.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::filter::Expansion;

/// A resource of the unified API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// `/users`.
    Users,
    /// `/groups`.
    Groups,
    /// `/groups/{id}/members`.
    GroupMembers,
    /// `/roles`.
    Roles,
    /// `/role-assignments`.
    RoleAssignments,
    /// `/workspaces`.
    Workspaces,
    /// `/workspaces/{id}/members`.
    WorkspaceMembers,
    /// `/me`.
    Me,
}

impl ResourceKind {
    /// Every resource, in display order.
    pub const ALL: [Self; 8] = [
        Self::Users,
        Self::Groups,
        Self::GroupMembers,
        Self::Roles,
        Self::RoleAssignments,
        Self::Workspaces,
        Self::WorkspaceMembers,
        Self::Me,
    ];
}

/// A method of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResourceMethod {
    /// List.
    List,
    /// Get one by its id.
    Get,
    /// Create, or add.
    Create,
    /// Update.
    Update,
    /// Delete, deactivate, or remove.
    Delete,
}

/// Where a filter of a list is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FilterPlace {
    /// The provider returns matching rows only, or few others.
    Provider,
    /// The gateway reads all rows and returns those that match.
    Gateway,
}

/// A method of a resource, and whether it works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MethodCapability {
    /// The method.
    pub method: ResourceMethod,
    /// Whether it works. Otherwise it returns 501 `unsupported_by_provider`, before anything is sent.
    pub is_supported: bool,
    /// The provider's scopes that it needs, as far as known.
    #[schema(example = json!(["admin.users:read"]))]
    pub scopes: Vec<String>,
    /// Why it does not work, or what restricts it.
    pub reason: Option<String>,
    /// What works in its place.
    pub alternative: Option<String>,
}

/// A field of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldCapability {
    /// The name in the unified API.
    #[schema(example = "emails")]
    pub name: String,
    /// Whether the provider can have a value; otherwise the field is always empty.
    pub is_readable: bool,
    /// Whether a request can set it.
    pub is_writable: bool,
    /// Whether a new resource needs it.
    pub is_required: bool,
    /// The values that the provider suggests; empty for any.
    #[schema(example = json!(["work", "home"]))]
    pub values: Vec<String>,
}

/// A filter of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FilterCapability {
    /// The parameter of the list.
    #[schema(example = "email")]
    pub name: String,
    /// Where it is applied.
    pub applied_by: FilterPlace,
}

/// What works of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ResourceCapabilities {
    /// The resource.
    pub resource: ResourceKind,
    /// Its methods.
    pub methods: Vec<MethodCapability>,
    /// Its fields.
    pub fields: Vec<FieldCapability>,
    /// The filters of its list.
    pub filters: Vec<FilterCapability>,
    /// The values of `expand[]` of its list.
    pub expansions: Vec<Expansion>,
}

impl ResourceCapabilities {
    /// Returns a method.
    pub fn method_mut(&mut self, method: ResourceMethod) -> Option<&mut MethodCapability> {
        self.methods.iter_mut().find(|known| known.method == method)
    }

    /// Marks all methods among `methods` as not supported.
    pub fn reject(&mut self, methods: &[ResourceMethod], reason: &str, alternative: Option<&str>) {
        for known in &mut self.methods {
            if methods.contains(&known.method) {
                known.is_supported = false;
                known.reason = Some(reason.to_owned());
                known.alternative = alternative.map(str::to_owned);
            }
        }
    }
}

/// What works of a provider, or of one account of it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Capabilities {
    /// The resources of the unified API.
    pub resources: Vec<ResourceCapabilities>,
    /// Features of the provider's protocol, by name, such as `patch` and `filter_max_results` of SCIM.
    #[schema(value_type = Object, example = json!({"patch": true, "filter": false}))]
    pub features: BTreeMap<String, Value>,
}

impl Capabilities {
    /// Returns what works of a resource.
    pub fn resource_mut(&mut self, resource: ResourceKind) -> Option<&mut ResourceCapabilities> {
        self.resources.iter_mut().find(|known| known.resource == resource)
    }
}
