//! Describes what works for a SCIM account: by what its server announced, and by the account's settings.

use serde_json::Value;

use super::features::{
    DeleteUser, ENTERPRISE_SCHEMA, ResourceFeatures, RoleSource, ScimFeatures, ScimSettings,
    WorkspaceSource,
};
use super::unsupported::{NO_ACTIVE, NO_GROUPS, NO_ME, NO_ROLES, NO_WORKSPACES, ROLES_READ_ONLY};
use crate::connectors::{Connector, general_capabilities};
use crate::domain::account::IntegratedAccount;
use crate::domain::capabilities::{
    Capabilities, FieldCapability, FilterPlace, ResourceCapabilities, ResourceKind, ResourceMethod,
};

/// Every method of a resource.
const ALL: &[ResourceMethod] = &[
    ResourceMethod::List,
    ResourceMethod::Get,
    ResourceMethod::Create,
    ResourceMethod::Update,
    ResourceMethod::Delete,
];

/// The methods of a resource that change it.
const CHANGES: [ResourceMethod; 3] =
    [ResourceMethod::Create, ResourceMethod::Update, ResourceMethod::Delete];

/// Fields of users with the paths of their SCIM attributes: one of them suffices. Those of the enterprise extension begin
/// with a colon.
const USER_FIELDS: &[(&str, &[&str])] = &[
    ("id", &["id"]),
    ("external_id", &["externalId"]),
    ("first_name", &["name.givenName"]),
    ("last_name", &["name.familyName"]),
    ("name", &["name.formatted", "displayName", "name.givenName"]),
    ("username", &["userName"]),
    ("title", &["title"]),
    ("department", &[":department"]),
    ("division", &[":division"]),
    ("organization", &[":organization"]),
    ("cost_center", &[":costCenter"]),
    ("employee_number", &[":employeeNumber"]),
    ("emails", &["emails"]),
    ("phones", &["phoneNumbers"]),
    ("photos", &["photos"]),
    ("addresses", &["addresses"]),
    ("status", &["active"]),
    ("groups", &["groups"]),
    ("manager", &[":manager"]),
    ("timezone", &["timezone"]),
    ("locale", &["locale"]),
    ("custom_fields", &["nickName", "preferredLanguage", "profileUrl", "userType"]),
    ("created_at", &["meta"]),
    ("updated_at", &["meta"]),
];
/// Fields of groups, likewise.
const GROUP_FIELDS: &[(&str, &[&str])] = &[
    ("id", &["id"]),
    ("name", &["displayName"]),
    ("member_count", &["members"]),
    ("members", &["members"]),
    ("created_at", &["meta"]),
];
/// Filters that a server with filters applies.
const USER_FILTERS: [&str; 5] = ["email", "username", "role[id]", "updated_at[gt]", "search"];
const GROUP_FILTERS: [&str; 2] = ["name", "user[id]"];

/// Returns what works for an account.
pub(super) fn describe(connector: &dyn Connector, account: &IntegratedAccount) -> Capabilities {
    let (features, settings) = (ScimFeatures::of(account), ScimSettings::of(account));
    let mut all = general_capabilities(connector);
    for resource in &mut all.resources {
        match resource.resource {
            ResourceKind::Users => describe_users(resource, &features, &settings),
            ResourceKind::Groups => describe_groups(resource, &features),
            ResourceKind::GroupMembers => {
                if features.group.is_none() {
                    reject(resource, "The server announced no groups.", NO_GROUPS);
                }
            }
            ResourceKind::Roles | ResourceKind::RoleAssignments => {
                describe_roles(resource, &features, &settings);
            }
            ResourceKind::Workspaces | ResourceKind::WorkspaceMembers => {
                if settings.workspaces_from == WorkspaceSource::None {
                    reject(resource, "No groups are workspaces.", NO_WORKSPACES);
                } else if features.group.is_none() {
                    reject(resource, "The server announced no groups.", NO_GROUPS);
                } else if features.filter {
                    apply_at_provider(resource, &["name"]);
                }
            }
            ResourceKind::Me => {
                if !features.has_me {
                    reject(resource, "The server has no `/Me`.", NO_ME);
                }
            }
        }
    }
    let max = features.filter_max.map_or(Value::Null, Value::from);
    all.features = [
        ("announced", features.announced.into()),
        ("patch", features.patch.into()),
        ("filter", features.filter.into()),
        ("filter_max_results", max),
        ("bulk", features.bulk.into()),
        ("sort", features.sort.into()),
        ("etag", features.etag.into()),
        ("me", features.has_me.into()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    all
}

fn describe_users(
    resource: &mut ResourceCapabilities,
    features: &ScimFeatures,
    settings: &ScimSettings,
) {
    let user = &features.user;
    for field in &mut resource.fields {
        let by_settings = match field.name.as_str() {
            "roles" => Some(!settings.roles_from.is_empty()),
            "workspaces" => Some(settings.workspaces_from != WorkspaceSource::None),
            _ => None,
        };
        match by_settings {
            Some(is_there) => {
                field.is_readable &= is_there;
                field.is_writable &= is_there;
            }
            None => describe_field(field, user, USER_FIELDS),
        }
    }
    if features.filter {
        apply_at_provider(resource, &USER_FILTERS);
    }
    match settings.delete_user {
        DeleteUser::Deactivate if !user.can_write("active") => {
            let reason = "The server's schema of users has no writable attribute `active`.";
            resource.reject(&[ResourceMethod::Delete], reason, Some(NO_ACTIVE));
        }
        DeleteUser::Deactivate => note(
            resource,
            ResourceMethod::Delete,
            "Deactivates the user; `sign_out` is not supported.",
        ),
        DeleteUser::Delete => {
            note(
                resource,
                ResourceMethod::Delete,
                "Deletes the user; `sign_out` is not supported.",
            );
        }
    }
}

fn describe_groups(resource: &mut ResourceCapabilities, features: &ScimFeatures) {
    let Some(group) = &features.group else {
        return reject(resource, "The server announced no groups.", NO_GROUPS);
    };
    for field in &mut resource.fields {
        describe_field(field, group, GROUP_FIELDS);
    }
    if features.filter {
        apply_at_provider(resource, &GROUP_FILTERS);
    }
}

fn describe_roles(
    resource: &mut ResourceCapabilities,
    features: &ScimFeatures,
    settings: &ScimSettings,
) {
    for field in &mut resource.fields {
        // Roles of SCIM apply to the whole organization.
        field.is_writable &= !matches!(field.name.as_str(), "workspace_id" | "channel_id");
    }
    let exists = |source: &RoleSource| match source {
        RoleSource::Roles => features.user.has("roles"),
        RoleSource::Entitlements => features.user.has("entitlements"),
        RoleSource::Groups => features.group.is_some(),
    };
    let is_writable = |source: &RoleSource| match source {
        RoleSource::Roles => features.user.can_write("roles"),
        RoleSource::Entitlements => features.user.can_write("entitlements"),
        RoleSource::Groups => features.group.is_some(),
    };
    if settings.roles_from.is_empty() {
        reject(resource, "The account has no source of roles.", NO_ROLES);
    } else if !settings.roles_from.iter().any(exists) {
        // Lists are empty; there is nothing to assign.
        let reason = "The server has none of the account's sources of roles.";
        resource.reject(&CHANGES, reason, Some(NO_ROLES));
    } else if !settings.roles_from.iter().any(is_writable) {
        let reason = "The server's schema does not let the account's roles be written.";
        resource.reject(&CHANGES, reason, Some(ROLES_READ_ONLY));
    }
}

/// Sets whether the server has a field and lets it be written.
fn describe_field(
    field: &mut FieldCapability,
    features: &ResourceFeatures,
    attributes: &[(&str, &[&str])],
) {
    let full = |path: &str| match path.strip_prefix(':') {
        Some(_) => format!("{ENTERPRISE_SCHEMA}{path}"),
        None => path.to_owned(),
    };
    let known = attributes.iter().find(|(name, _)| *name == field.name);
    let paths = known.map(|(_, paths)| *paths).unwrap_or_default();
    let paths: Vec<String> = paths.iter().map(|path| full(path)).collect();
    field.is_readable &= paths.iter().any(|path| features.has(path));
    field.is_writable &= paths.iter().any(|path| features.can_write(path));
    if let Some(announced) = paths.iter().find_map(|path| features.attribute(path)) {
        field.is_required = announced.is_required && announced.is_writable;
        field.values.clone_from(&announced.canonical);
    }
}

fn apply_at_provider(resource: &mut ResourceCapabilities, names: &[&str]) {
    for filter in &mut resource.filters {
        if names.contains(&filter.name.as_str()) {
            filter.applied_by = FilterPlace::Provider;
        }
    }
}

fn note(resource: &mut ResourceCapabilities, method: ResourceMethod, reason: &str) {
    if let Some(method) = resource.method_mut(method).filter(|method| method.is_supported) {
        method.reason = Some(reason.to_owned());
    }
}

/// Marks every method as not supported.
fn reject(resource: &mut ResourceCapabilities, reason: &str, alternative: &str) {
    resource.reject(ALL, reason, Some(alternative));
}

#[cfg(test)]
mod tests {
    use crate::connectors::capabilities::general_capabilities;
    use crate::connectors::scim::ScimConnector;
    use crate::domain::capabilities::ResourceKind;

    #[test]
    fn names_only_fields_and_filters_of_the_unified_api() {
        let scim = ScimConnector::new(&crate::config::ScimSettings { per_minute: 1.0, burst: 1 });
        let mut all = general_capabilities(&scim);
        for (kind, fields, filters) in [
            (ResourceKind::Users, super::USER_FIELDS, &super::USER_FILTERS[..]),
            (ResourceKind::Groups, super::GROUP_FIELDS, &super::GROUP_FILTERS[..]),
        ] {
            let resource = all.resource_mut(kind).unwrap();
            for (name, _) in fields {
                assert!(resource.fields.iter().any(|field| field.name == *name), "{name}");
            }
            for name in filters {
                assert!(resource.filters.iter().any(|filter| filter.name == *name), "{name}");
            }
        }
    }
}
