//! What a path and a verb of SCIM ask for, what that is called, and what it costs.

use http::Method;

use super::version::{Trouble, Version};
use crate::sandbox::Pace;
use crate::sandbox::limits::Budget;

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// All users, or the one with an id.
    Users(Option<String>),
    /// All groups, or the one with an id.
    Groups(Option<String>),
    /// What the server says about itself.
    About(About),
}

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    /// What it can do.
    Config,
    /// Users and groups.
    ResourceTypes,
    /// One of the two.
    ResourceType(String),
    /// All attributes there are.
    Schemas,
    /// Those of users.
    UserSchema,
    /// Those of groups.
    GroupSchema,
    /// Those of the schema with an URN.
    Schema(String),
}

/// What a verb does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Read,
    Create,
    Replace,
    Change,
    Delete,
}

impl Endpoint {
    /// What a path names; none for one that leads nowhere.
    pub(super) fn of(version: Version, path: &str) -> Option<Self> {
        let path = path.trim_matches('/');
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let id = Some(rest.to_owned()).filter(|rest| !rest.is_empty());
        match (first, version) {
            ("Users", _) => Some(Self::Users(id)),
            ("Groups", _) => Some(Self::Groups(id)),
            _ => About::of(version, first, id).map(Self::About),
        }
    }

    /// The user or group that it names.
    pub(super) fn object(&self) -> Option<&str> {
        match self {
            Self::Users(id) | Self::Groups(id) => id.as_deref(),
            Self::About(_) => None,
        }
    }

    /// Whether a verb can be used here.
    pub(super) fn check(&self, action: Option<Action>) -> Result<Action, Trouble> {
        let action = action.ok_or_else(Trouble::method)?;
        let fits = match (self, action) {
            (_, Action::Read) => true,
            (Self::About(_), _) => false,
            (_, Action::Create) => self.object().is_none(),
            (_, Action::Replace | Action::Change | Action::Delete) => self.object().is_some(),
        };
        match self {
            _ if fits => Ok(action),
            Self::Users(None) => Err(Trouble::bad("missing_user_id")),
            Self::Groups(None) => Err(Trouble::bad("missing_group_id")),
            Self::Users(Some(_)) | Self::Groups(Some(_)) | Self::About(_) => Err(Trouble::method()),
        }
    }
}

impl About {
    fn of(version: Version, first: &str, rest: Option<String>) -> Option<Self> {
        let two = version == Version::Two;
        match (first, rest) {
            // Slack's own clients use the plural with version 2 as well.
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

impl Action {
    /// What a verb does; none for one that Slack does not know.
    pub(super) fn of(verb: &Method) -> Option<Self> {
        match verb.as_str() {
            "GET" => Some(Self::Read),
            "POST" => Some(Self::Create),
            "PUT" => Some(Self::Replace),
            "PATCH" => Some(Self::Change),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }
}

/// The name of a call in the journal and for faults.
pub(super) fn name(endpoint: Option<&Endpoint>, action: Option<Action>) -> String {
    let single = endpoint.and_then(Endpoint::object).is_some();
    let action = match action {
        Some(Action::Read) if single => "get",
        Some(Action::Read) => "list",
        Some(Action::Create) => "create",
        Some(Action::Replace) => "replace",
        Some(Action::Change) => "update",
        Some(Action::Delete) => "delete",
        None => "other",
    };
    let resource = match endpoint {
        Some(Endpoint::Users(_)) => "users",
        Some(Endpoint::Groups(_)) => "groups",
        Some(Endpoint::About(About::Config)) => return "scim.config.get".to_owned(),
        Some(Endpoint::About(About::ResourceTypes | About::ResourceType(_))) => "resource_types",
        Some(Endpoint::About(_)) => "schemas",
        None => "unknown",
    };
    format!("scim.{resource}.{action}")
}

/// The organization's budgets, shared by all apps: one for all calls of a sort, and one for the
/// endpoint where Slack names one: <https://docs.slack.dev/admins/scim-api>.
pub(super) fn budgets(name: &str, action: Option<Action>) -> Vec<Budget> {
    let (sort, all) = if action == Some(Action::Read) {
        ("scim reads", Pace::new(1_000, 1_000))
    } else {
        ("scim writes", Pace::new(600, 180))
    };
    let own = match name {
        "scim.users.get" | "scim.groups.get" => Some((name, Pace::new(300, 300))),
        "scim.users.create" | "scim.users.delete" | "scim.groups.create" | "scim.groups.delete" => {
            Some((name, Pace::new(180, 20)))
        }
        "scim.users.replace" | "scim.users.update" => {
            Some(("scim.users.update", Pace::new(180, 20)))
        }
        "scim.groups.replace" | "scim.groups.update" => {
            Some(("scim.groups.update", Pace::new(180, 80)))
        }
        _ => None,
    };
    let budget = |(key, pace): (&str, Pace)| Budget { key: key.to_owned(), pace };
    std::iter::once((sort, all)).chain(own).map(budget).collect()
}
