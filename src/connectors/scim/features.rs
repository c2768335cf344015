//! What a SCIM server announced, as stored in the account's row, and the account's settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::account::IntegratedAccount;

/// The schema of users (RFC 7643 §4.1).
pub(super) const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of groups (RFC 7643 §4.2).
pub(super) const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The schema of the enterprise extension (RFC 7643 §4.3).
pub(super) const ENTERPRISE_SCHEMA: &str =
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What a server announced. Parsing it takes some time: do it once per request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a feature of its own (RFC 7643 §5)")]
pub(super) struct ScimFeatures {
    /// Whether it announced anything. Otherwise all other fields have their defaults.
    pub(super) announced: bool,
    /// Whether resources can be changed by PATCH.
    pub(super) patch: bool,
    /// Whether lists can be filtered.
    pub(super) filter: bool,
    /// The maximum number of results of a filter.
    pub(super) filter_max: Option<u32>,
    /// Whether it has bulk operations.
    pub(super) bulk: bool,
    /// Whether lists can be sorted.
    pub(super) sort: bool,
    /// Whether resources have versions that `If-Match` checks.
    pub(super) etag: bool,
    /// Whether it has `/Me`.
    pub(super) has_me: bool,
    /// Users.
    pub(super) user: ResourceFeatures,
    /// Groups; `None` when the server announced that it has none.
    pub(super) group: Option<ResourceFeatures>,
    /// Whether the server announced that it has groups. Otherwise it may have none, all the same.
    pub(super) has_announced_groups: bool,
}

/// What a server announced about a type of resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ResourceFeatures {
    /// The path below the base URL: one segment, such as `Users`.
    pub(super) endpoint: String,
    /// The schema and its extensions.
    pub(super) schemas: Vec<String>,
    /// The attributes by path in lower case, such as `name.givenname`; those of an extension begin with its schema:
    /// `urn:…:user:department`. Empty when unknown.
    pub(super) attributes: BTreeMap<String, AttributeFeatures>,
}

/// What a server announced about an attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AttributeFeatures {
    /// Whether every resource has a value.
    #[serde(rename = "r", default, skip_serializing_if = "is_false")]
    pub(super) is_required: bool,
    /// Whether clients set it: it is not `readOnly`.
    #[serde(rename = "w", default = "yes", skip_serializing_if = "is_true")]
    pub(super) is_writable: bool,
    /// The suggested values (`canonicalValues`); empty for any.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) canonical: Vec<String>,
    /// Whether it is announced to be in every response: `returned` is `always` or `default`.
    #[serde(rename = "v", default, skip_serializing_if = "is_false")]
    pub(super) is_returned: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
fn is_true(value: &bool) -> bool {
    *value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde requires")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl Default for ScimFeatures {
    /// The features of a server that announces nothing: PATCH, and groups.
    fn default() -> Self {
        Self {
            announced: false,
            patch: true,
            filter: false,
            filter_max: None,
            bulk: false,
            sort: false,
            etag: false,
            has_me: false,
            user: ResourceFeatures::unknown("Users", USER_SCHEMA),
            group: Some(ResourceFeatures::unknown("Groups", GROUP_SCHEMA)),
            has_announced_groups: false,
        }
    }
}

impl ScimFeatures {
    /// Returns what the account's server announced, with defaults for what it did not.
    pub(super) fn of(account: &IntegratedAccount) -> Self {
        let stored = account.discovery.as_deref();
        stored.and_then(|stored| Self::deserialize(stored).ok()).unwrap_or_default()
    }
}

impl ResourceFeatures {
    /// Returns a type of resource without announced attributes.
    pub(super) fn unknown(endpoint: &str, schema: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            schemas: vec![schema.to_owned()],
            attributes: BTreeMap::new(),
        }
    }

    /// Returns the attribute with this path; `None` when there is none or the attributes are unknown. The schema of the
    /// resource itself may stand before the path.
    pub(super) fn attribute(&self, path: &str) -> Option<&AttributeFeatures> {
        self.attributes.get(&self.normalized(path))
    }

    /// Whether the resource has the attribute; `true` when the attributes are unknown.
    pub(super) fn has(&self, path: &str) -> bool {
        self.is_unknown(path) || is_common(path) || self.nearest(path).is_some()
    }

    /// Whether clients set the attribute; `true` when the attributes are unknown.
    pub(super) fn can_write(&self, path: &str) -> bool {
        if self.is_unknown(path) || path.eq_ignore_ascii_case("externalId") {
            return true;
        }
        let parent = self.parent(path).and_then(|parent| self.attributes.get(&parent));
        let is_fixed = parent.is_some_and(|parent| !parent.is_writable);
        !is_fixed && self.nearest(path).is_some_and(|attribute| attribute.is_writable)
    }

    /// Whether nothing is known about the attribute: the server announced no attributes, or none of its extension.
    fn is_unknown(&self, path: &str) -> bool {
        let path = self.normalized(path);
        self.attributes.is_empty()
            || self.schemas.iter().skip(1).any(|extension| {
                let prefix = format!("{}:", extension.to_lowercase());
                path.starts_with(&prefix)
                    && !self.attributes.keys().any(|known| known.starts_with(&prefix))
            })
    }

    /// Returns the attribute, or its parent where the server announced no sub-attributes of it.
    fn nearest(&self, path: &str) -> Option<&AttributeFeatures> {
        let path = self.normalized(path);
        if let Some(found) = self.attributes.get(&path) {
            return Some(found);
        }
        let parent = self.parent(&path)?;
        let below = format!("{parent}.");
        let has_parts = self.attributes.range(below.clone()..).next();
        let has_parts = has_parts.is_some_and(|(name, _)| name.starts_with(&below));
        self.attributes.get(&parent).filter(|_| !has_parts)
    }

    /// Returns the path of the attribute that this one is a part of.
    fn parent(&self, path: &str) -> Option<String> {
        let path = self.normalized(path);
        // Versions in the name of a schema have points, too.
        let start = path.rfind(':').map_or(0, |colon| colon + 1);
        let point = path.get(start..)?.find('.')?;
        path.get(..start + point).map(str::to_owned)
    }

    /// Returns a path in lower case, without a filter in brackets and without the schema of the resource itself.
    fn normalized(&self, path: &str) -> String {
        let path = path.to_lowercase();
        let path = match (path.find('['), path.rfind(']')) {
            (Some(start), Some(end)) if start < end => {
                let (head, tail) = (path.get(..start), path.get(end + 1..));
                format!("{}{}", head.unwrap_or_default(), tail.unwrap_or_default())
            }
            _ => path,
        };
        let own = self.schemas.first().map(|schema| format!("{}:", schema.to_lowercase()));
        match own.and_then(|own| path.strip_prefix(&own).map(str::to_owned)) {
            Some(short) => short,
            None => path,
        }
    }
}

/// Whether all resources have the attribute, and schemas do not list it (RFC 7643 §3.1).
fn is_common(path: &str) -> bool {
    let name = path.split('.').next().unwrap_or_default();
    ["id", "externalId", "meta", "schemas"].iter().any(|common| name.eq_ignore_ascii_case(common))
}

/// Where roles come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RoleSource {
    /// The attribute `roles` of users.
    Roles,
    /// The attribute `entitlements` of users.
    Entitlements,
    /// Groups: those of `role_group_prefix` and `role_group_ids`, or all.
    Groups,
}

/// Which groups are workspaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WorkspaceSource {
    /// None: the account has no workspaces.
    #[default]
    None,
    /// All groups.
    AllGroups,
    /// Groups whose name begins with this text.
    Prefix(String),
    /// Groups with these ids.
    Ids(BTreeSet<String>),
}

/// What deleting a user does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DeleteUser {
    /// Sets `active` to false.
    #[default]
    Deactivate,
    /// Deletes the user from the directory.
    Delete,
}

/// The settings of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ScimSettings {
    /// Where roles come from.
    pub(super) roles_from: BTreeSet<RoleSource>,
    /// Groups whose name begins with this text are roles.
    pub(super) role_group_prefix: Option<String>,
    /// Groups with these ids are roles.
    pub(super) role_group_ids: BTreeSet<String>,
    /// Which groups are workspaces.
    pub(super) workspaces_from: WorkspaceSource,
    /// What deleting a user does.
    pub(super) delete_user: DeleteUser,
}

impl Default for ScimSettings {
    fn default() -> Self {
        Self {
            roles_from: BTreeSet::from([RoleSource::Roles, RoleSource::Entitlements]),
            role_group_prefix: None,
            role_group_ids: BTreeSet::new(),
            workspaces_from: WorkspaceSource::None,
            delete_user: DeleteUser::Deactivate,
        }
    }
}

impl ScimSettings {
    /// Returns the account's settings, with defaults for those that it does not set.
    pub(super) fn of(account: &IntegratedAccount) -> Self {
        let stored = account.provider_settings.as_deref();
        stored.and_then(|stored| Self::deserialize(stored).ok()).unwrap_or_default()
    }

    /// Whether a group with this id and name is a role.
    pub(super) fn is_role_group(&self, id: &str, name: &str) -> bool {
        let is_all = self.role_group_prefix.is_none() && self.role_group_ids.is_empty();
        let has_prefix =
            self.role_group_prefix.as_deref().is_some_and(|prefix| name.starts_with(prefix));
        let is_named = is_all || has_prefix || self.role_group_ids.contains(id);
        self.roles_from.contains(&RoleSource::Groups) && is_named
    }

    /// Whether a group with this id and name is a workspace.
    pub(super) fn is_workspace(&self, id: &str, name: &str) -> bool {
        match &self.workspaces_from {
            WorkspaceSource::None => false,
            WorkspaceSource::AllGroups => true,
            WorkspaceSource::Prefix(prefix) => name.starts_with(prefix.as_str()),
            WorkspaceSource::Ids(ids) => ids.contains(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(attributes: &[(&str, bool)]) -> ResourceFeatures {
        let feature = |is_writable| AttributeFeatures {
            is_required: false,
            is_writable,
            canonical: Vec::new(),
            is_returned: true,
        };
        let attributes = attributes
            .iter()
            .map(|(path, is_writable)| ((*path).to_owned(), feature(*is_writable)))
            .collect();
        let schemas = vec![USER_SCHEMA.to_owned(), ENTERPRISE_SCHEMA.to_owned()];
        ResourceFeatures { endpoint: "Users".to_owned(), schemas, attributes }
    }

    #[test]
    fn finds_attributes_in_any_case_and_with_their_schema() {
        let department = format!("{}:department", ENTERPRISE_SCHEMA.to_lowercase());
        let manager = format!("{}:manager", ENTERPRISE_SCHEMA.to_lowercase());
        let users = users(&[
            ("username", true),
            ("name", true),
            ("name.givenname", true),
            ("emails", true),
            ("groups", false),
            ("groups.value", true),
            (&department, true),
            (&manager, true),
        ]);
        for (path, expected) in [
            ("userName", true),
            ("name.givenName", true),
            ("name.middleName", false),
            ("emails.value", true),
            ("emails[type eq \"work\"].value", true),
            ("groups", false),
            ("groups.value", false),
            ("nickName", false),
            ("externalId", true),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value", true),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", false),
        ] {
            assert_eq!(users.can_write(path), expected, "{path}");
        }
        assert!(users.has("groups.value") && users.has("id") && !users.has("title"));
        let unknown = ResourceFeatures::unknown("Users", USER_SCHEMA);
        assert!(unknown.can_write("anything") && unknown.has("anything"));
    }

    #[test]
    fn stored_features_survive_and_odd_ones_are_defaults() {
        let features = ScimFeatures { filter: true, announced: true, ..ScimFeatures::default() };
        let stored = serde_json::to_value(&features).unwrap();
        assert_eq!(ScimFeatures::deserialize(&stored).unwrap(), features);
        let partial = serde_json::json!({"filter": true, "user": null});
        assert!(ScimFeatures::deserialize(&partial).is_err());
        let settings = serde_json::json!({"workspaces_from": {"prefix": "ws-"}});
        let settings = ScimSettings::deserialize(&settings).unwrap();
        assert!(settings.is_workspace("1", "ws-a") && !settings.is_workspace("1", "a"));
        assert!(!settings.is_role_group("1", "a"), "not from groups by default");
    }
}
