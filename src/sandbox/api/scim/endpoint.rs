//! SCIM endpoints and actions: their names, and the rate limits that apply.

use http::Method;

use super::version::{ScimError, ScimVersion};
use crate::sandbox::RateLimit;
use crate::sandbox::limits::RateBucket;

/// The endpoint of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScimEndpoint {
    /// All users, or one by id.
    Users(Option<String>),
    /// All groups, or one by id.
    Groups(Option<String>),
    /// A discovery endpoint.
    Discovery(DiscoveryEndpoint),
}

/// Discovery endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DiscoveryEndpoint {
    /// `ServiceProviderConfigs`.
    Config,
    /// All resource types.
    ResourceTypes,
    /// One resource type by name.
    ResourceType(String),
    /// All schemas.
    Schemas,
    /// The user schema.
    UserSchema,
    /// The group schema.
    GroupSchema,
    /// A schema by URN.
    Schema(String),
}

/// Action of an HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScimAction {
    Read,
    Create,
    Replace,
    Patch,
    Delete,
}

impl ScimEndpoint {
    /// Parses a path; `None` for an unknown one.
    pub(super) fn parse(version: ScimVersion, path: &str) -> Option<Self> {
        let path = path.trim_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let id = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
        match (first, version) {
            ("Users", _) => Some(Self::Users(id)),
            ("Groups", _) => Some(Self::Groups(id)),
            _ => DiscoveryEndpoint::parse(version, first, id).map(Self::Discovery),
        }
    }

    /// Returns the id of the user or group in the path.
    pub(super) fn resource_id(&self) -> Option<&str> {
        match self {
            Self::Users(id) | Self::Groups(id) => id.as_deref(),
            Self::Discovery(_) => None,
        }
    }

    /// Checks whether the endpoint supports the action.
    pub(super) fn check(&self, action: Option<ScimAction>) -> Result<ScimAction, ScimError> {
        let action = action.ok_or_else(ScimError::method_not_allowed)?;
        let fits = match (self, action) {
            (_, ScimAction::Read) => true,
            (Self::Discovery(_), _) => false,
            (_, ScimAction::Create) => self.resource_id().is_none(),
            (_, ScimAction::Replace | ScimAction::Patch | ScimAction::Delete) => {
                self.resource_id().is_some()
            }
        };
        match self {
            _ if fits => Ok(action),
            Self::Users(None) => Err(ScimError::bad_request("missing_user_id")),
            Self::Groups(None) => Err(ScimError::bad_request("missing_group_id")),
            Self::Users(Some(_)) | Self::Groups(Some(_)) | Self::Discovery(_) => {
                Err(ScimError::method_not_allowed())
            }
        }
    }
}

impl DiscoveryEndpoint {
    fn parse(version: ScimVersion, first: &str, rest: Option<String>) -> Option<Self> {
        let two = version == ScimVersion::Two;
        match (first, rest) {
            // Slack's own clients use the plural with version 2 too.
            ("ServiceProviderConfig" | "ServiceProviderConfigs", None) => Some(Self::Config),
            ("ResourceTypes", None) if two => Some(Self::ResourceTypes),
            ("ResourceTypes", Some(id)) if two => Some(Self::ResourceType(id)),
            ("Schemas", None) if two => Some(Self::Schemas),
            ("Schemas", Some(name)) if name == "Users" => Some(Self::UserSchema),
            ("Schemas", Some(name)) if name == "Groups" => Some(Self::GroupSchema),
            ("Schemas", Some(urn)) if two => Some(Self::Schema(urn)),
            _ => None,
        }
    }
}

impl ScimAction {
    /// Returns the action of an HTTP method, or `None` for an unsupported one.
    pub(super) fn from_http_method(method: &Method) -> Option<Self> {
        match method.as_str() {
            "GET" => Some(Self::Read),
            "POST" => Some(Self::Create),
            "PUT" => Some(Self::Replace),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// Returns the method name for the request log and for faults.
pub(super) fn method_name(endpoint: Option<&ScimEndpoint>, action: Option<ScimAction>) -> String {
    let single = endpoint.and_then(ScimEndpoint::resource_id).is_some();
    let action = match action {
        Some(ScimAction::Read) if single => "get",
        Some(ScimAction::Read) => "list",
        Some(ScimAction::Create) => "create",
        Some(ScimAction::Replace) => "replace",
        Some(ScimAction::Patch) => "update",
        Some(ScimAction::Delete) => "delete",
        None => "other",
    };
    let resource = match endpoint {
        Some(ScimEndpoint::Users(_)) => "users",
        Some(ScimEndpoint::Groups(_)) => "groups",
        Some(ScimEndpoint::Discovery(DiscoveryEndpoint::Config)) => {
            return "scim.config.get".to_owned();
        }
        Some(ScimEndpoint::Discovery(
            DiscoveryEndpoint::ResourceTypes | DiscoveryEndpoint::ResourceType(_),
        )) => "resource_types",
        Some(ScimEndpoint::Discovery(_)) => "schemas",
        None => "unknown",
    };
    format!("scim.{resource}.{action}")
}

/// Returns the rate limit buckets of the organization, shared by all apps: one for all reads or
/// writes, and one for the endpoint if Slack limits it: <https://docs.slack.dev/admins/scim-api>.
pub(super) fn rate_buckets(name: &str, action: Option<ScimAction>) -> Vec<RateBucket> {
    let (sort, all) = if action == Some(ScimAction::Read) {
        ("scim reads", RateLimit::new(1_000, 1_000))
    } else {
        ("scim writes", RateLimit::new(600, 180))
    };
    let own = match name {
        "scim.users.get" | "scim.groups.get" => Some((name, RateLimit::new(300, 300))),
        "scim.users.create" | "scim.users.delete" | "scim.groups.create" | "scim.groups.delete" => {
            Some((name, RateLimit::new(180, 20)))
        }
        "scim.users.replace" | "scim.users.update" => {
            Some(("scim.users.update", RateLimit::new(180, 20)))
        }
        "scim.groups.replace" | "scim.groups.update" => {
            Some(("scim.groups.update", RateLimit::new(180, 80)))
        }
        _ => None,
    };
    let bucket =
        |(key, pace): (&str, RateLimit)| RateBucket { key: key.to_owned(), rate_limit: pace };
    std::iter::once((sort, all)).chain(own).map(bucket).collect()
}
