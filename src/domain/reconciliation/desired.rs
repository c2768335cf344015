//! The desired state: people with the attributes, workspaces, roles and groups that they are to have.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::names::names;
use crate::domain::patch::json_pointer;
use crate::domain::user_input::UserInput;

/// Maximum number of workspaces, of roles and of groups of one person.
const MAX_LISTED: usize = 200;
/// The fields that are lists of what a person has.
const LISTS: [&str; 3] = ["workspaces", "roles", "groups"];
/// The fields of a user's input that a desired state can't have.
const REJECTED: [&str; 2] = ["invite", "remote_data"];

/// The field by which people of the desired state are matched with people of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchBy {
    /// The primary e-mail address, without regard to case.
    #[default]
    Email,
    /// The id of the customer's identity provider.
    ExternalId,
    /// The employee number.
    EmployeeNumber,
    /// The username, without regard to case.
    Username,
}

names! { MatchBy, UnknownMatchBy, "must be one of: email, external_id, employee_number, username",
    Email = "email",
    ExternalId = "external_id",
    EmployeeNumber = "employee_number",
    Username = "username",
}

impl MatchBy {
    /// Returns a value in the form in which values are compared.
    #[must_use]
    pub fn normalize(self, value: &str) -> String {
        match self {
            Self::Email | Self::Username => value.trim().to_lowercase(),
            Self::ExternalId | Self::EmployeeNumber => value.trim().to_owned(),
        }
    }
}

/// A workspace that a person is to be a member of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct DesiredWorkspace {
    /// The workspace's id or name.
    #[schema(example = "T0EXAMPLE")]
    pub id: String,
    /// The channels of a guest who is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channel_ids: Vec<String>,
}

/// A role that a person is to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, ToSchema)]
pub struct DesiredRole {
    /// The role's id, as in `/roles`.
    #[schema(example = "ws:admin")]
    pub id: String,
    /// The id or name of the workspace; absent for the organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
}

impl<'de> Deserialize<'de> for DesiredWorkspace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            id: String,
            #[serde(default)]
            channel_ids: Vec<String>,
        }
        match Value::deserialize(deserializer)? {
            Value::String(id) => Ok(Self { id, channel_ids: Vec::new() }),
            entry @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => {
                let Entry { id, channel_ids } =
                    serde_json::from_value(entry).map_err(D::Error::custom)?;
                Ok(Self { id, channel_ids })
            }
        }
    }
}

impl<'de> Deserialize<'de> for DesiredRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Entry {
            id: String,
            #[serde(default)]
            workspace_id: Option<String>,
        }
        match Value::deserialize(deserializer)? {
            Value::String(id) => Ok(Self { id, workspace_id: None }),
            entry @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => {
                let Entry { id, workspace_id } =
                    serde_json::from_value(entry).map_err(D::Error::custom)?;
                Ok(Self { id, workspace_id })
            }
        }
    }
}

/// A workspace that is to exist. One that has this name is taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DesiredNewWorkspace)]
pub struct NewWorkspace {
    /// The name, by which people of the desired state refer to it.
    #[schema(example = "Sales EMEA")]
    pub name: String,
    /// The domain; derived from the name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// A person of the desired state. Only what is named is compared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DesiredUser {
    /// The attributes, as in the body of a user's creation.
    pub fields: Map<String, Value>,
    /// The workspaces; `None` leaves them as they are.
    pub workspaces: Option<Vec<DesiredWorkspace>>,
    /// The roles; `None` leaves them as they are.
    pub roles: Option<Vec<DesiredRole>>,
    /// The groups, by their id or name; `None` leaves them as they are.
    pub groups: Option<Vec<String>>,
}

/// Why a person of a desired state can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDesired {
    /// The field, as a JSON pointer into the person.
    pub pointer: String,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl InvalidDesired {
    fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

impl DesiredUser {
    /// Reads a person.
    ///
    /// # Errors
    ///
    /// The first field that can't be read.
    pub fn parse(mut person: Map<String, Value>) -> Result<Self, InvalidDesired> {
        for name in REJECTED {
            if person.contains_key(name) {
                return Err(InvalidDesired::at(
                    format!("/{name}"),
                    "is not allowed in a desired state",
                ));
            }
        }
        let mut lists = LISTS.map(|name| person.remove(name).filter(|list| !list.is_null()));
        let [workspaces, roles, groups] = &mut lists;
        let desired = Self {
            workspaces: list("workspaces", workspaces.take())?,
            roles: list("roles", roles.take())?,
            groups: list("groups", groups.take())?,
            fields: person,
        };
        desired.input()?;
        Ok(desired)
    }

    /// Returns the attributes as input of a user.
    ///
    /// # Errors
    ///
    /// The first field that can't be read.
    pub fn input(&self) -> Result<UserInput, InvalidDesired> {
        serde_path_to_error::deserialize(&self.fields).map_err(|error| {
            InvalidDesired::at(json_pointer(error.path()), error.inner().to_string())
        })
    }

    /// Returns the value by which the person is matched, in the form in which values are compared.
    ///
    /// # Errors
    ///
    /// When the person has no such value.
    pub fn key(&self, match_by: MatchBy) -> Result<String, InvalidDesired> {
        let of_emails = || {
            let emails = self.fields.get("emails")?.as_array()?;
            let is_primary = |one: &&Value| one.get("is_primary") == Some(&Value::Bool(true));
            emails.iter().find(is_primary).or(emails.first())?.get("email")?.as_str()
        };
        let field = self.fields.get(match_by.name()).and_then(Value::as_str);
        let value = match match_by {
            MatchBy::Email => field.or_else(of_emails),
            MatchBy::ExternalId | MatchBy::EmployeeNumber | MatchBy::Username => field,
        };
        let key = value.map(|value| match_by.normalize(value)).unwrap_or_default();
        if key.is_empty() {
            let message = "is required: people are matched by it";
            return Err(InvalidDesired::at(format!("/{match_by}"), message));
        }
        Ok(key)
    }

    /// Returns the person as JSON, as it was read.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut person = self.fields.clone();
        let lists = [
            ("workspaces", self.workspaces.as_ref().map(|list| serde_json::json!(list))),
            ("roles", self.roles.as_ref().map(|list| serde_json::json!(list))),
            ("groups", self.groups.as_ref().map(|list| serde_json::json!(list))),
        ];
        for (name, list) in lists {
            person.extend(list.map(|list| (name.to_owned(), list)));
        }
        Value::Object(person)
    }
}

fn list<T: serde::de::DeserializeOwned>(
    name: &str,
    value: Option<Value>,
) -> Result<Option<Vec<T>>, InvalidDesired> {
    let Some(value) = value else { return Ok(None) };
    let list: Vec<T> = serde_path_to_error::deserialize(&value).map_err(|error| {
        let pointer = format!("/{name}{}", json_pointer(error.path()));
        InvalidDesired::at(pointer, error.inner().to_string())
    })?;
    if list.len() > MAX_LISTED {
        let message = format!("must have at most {MAX_LISTED} entries");
        return Err(InvalidDesired::at(format!("/{name}"), message));
    }
    Ok(Some(list))
}

/// A row of a desired state that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    /// The number of the line in an uploaded file, or of the person in `desired.users`, from 1.
    #[schema(example = 17)]
    pub row: u64,
    /// The column or field.
    #[schema(example = "user_type")]
    pub column: Option<String>,
    /// What is wrong, and how to fix it.
    #[schema(example = "must be one of: member, guest_multi_channel, guest_single_channel, bot")]
    pub message: String,
}
