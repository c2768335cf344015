//! The columns of a CSV upload: how their cells become the fields of a person.

use serde_json::{Map, Value, json};

/// The cell that clears a field.
const CLEAR: &str = "null";
/// Separates the elements of a list.
const LIST_SEPARATOR: char = ';';
/// Separates a role from its workspace.
const ROLE_SEPARATOR: char = '@';

/// The columns whose cells are texts.
const TEXTS: [&str; 17] = [
    "email",
    "username",
    "external_id",
    "first_name",
    "last_name",
    "name",
    "title",
    "department",
    "division",
    "organization",
    "cost_center",
    "employee_number",
    "timezone",
    "locale",
    "status",
    "user_type",
    "expires_at",
];
/// The columns whose cells are lists, with the field of each element.
const LISTS: [(&str, &str); 3] = [("emails", "email"), ("phones", "number"), ("photos", "url")];
/// The parts of a postal address.
const ADDRESS: [&str; 5] = ["street", "city", "region", "postal_code", "country"];

/// What a column has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Column {
    /// A text.
    Text(&'static str),
    /// A list of objects with one field.
    Objects(&'static str, &'static str),
    /// A list of ids or names.
    Names(&'static str),
    /// Roles.
    Roles,
    /// The channels of a guest in the only workspace.
    Channels,
    /// The manager's id.
    Manager,
    /// A part of the postal address.
    Address(&'static str),
    /// A custom field.
    Custom(String),
}

impl Column {
    /// Returns the column of a name.
    ///
    /// # Errors
    ///
    /// What is wrong with the name.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        Self::find(name).ok_or_else(|| {
            let likely = name.to_lowercase().replace([' ', '-'], "_");
            let hint = match Self::find(&likely) {
                Some(_) => format!("; did you mean `{likely}`?"),
                None => format!(
                    "; the columns are {}, phones, photos, emails, workspaces, roles, groups, channel_ids, \
                     manager.id, addresses.city (street, region, postal_code, country) and custom_fields.NAME",
                    TEXTS.join(", "),
                ),
            };
            format!("is not a field of a person{hint}")
        })
    }

    fn find(name: &str) -> Option<Self> {
        let among = |names: &'static [&'static str], name: &str| {
            names.iter().copied().find(|one| *one == name)
        };
        if let Some(name) = among(&TEXTS, name) {
            return Some(Self::Text(name));
        }
        if let Some((list, field)) = LISTS.iter().find(|(list, _)| *list == name) {
            return Some(Self::Objects(list, field));
        }
        match name {
            "workspaces" => Some(Self::Names("workspaces")),
            "groups" => Some(Self::Names("groups")),
            "roles" => Some(Self::Roles),
            "channel_ids" => Some(Self::Channels),
            "manager.id" => Some(Self::Manager),
            _ => match name.split_once('.')? {
                ("addresses", part) => among(&ADDRESS, part).map(Self::Address),
                ("custom_fields", field) if !field.is_empty() => {
                    Some(Self::Custom(field.to_owned()))
                }
                _ => None,
            },
        }
    }

    /// Returns the field of a person, as `DesiredUser` reports it, that this column has.
    pub(super) fn has(&self, field: &str) -> bool {
        let first = field.split('.').next().unwrap_or_default();
        match self {
            Self::Text(name) | Self::Objects(name, _) | Self::Names(name) => *name == first,
            Self::Roles => first == "roles",
            Self::Channels => first == "workspaces" && field.contains("channel_ids"),
            Self::Manager => first == "manager",
            Self::Address(part) => first == "addresses" && field.ends_with(part),
            Self::Custom(name) => field.strip_prefix("custom_fields.") == Some(name),
        }
    }

    /// Sets the field of a person from a cell that is not empty.
    ///
    /// # Errors
    ///
    /// What is wrong with the cell.
    pub(super) fn set(&self, cell: &str, person: &mut Map<String, Value>) -> Result<(), String> {
        let is_clear = cell == CLEAR;
        let scalar = || if is_clear { Value::Null } else { Value::from(cell) };
        let (field, value) = match self {
            Self::Text(name) => (*name, scalar()),
            Self::Objects(name, _) if is_clear => (*name, Value::Null),
            Self::Objects(name, field) => {
                (*name, elements(cell)?.iter().map(|text| json!({*field: text})).collect())
            }
            // A person who is to have none.
            Self::Names(name) if is_clear => (*name, json!([])),
            Self::Names(name) => (*name, elements(cell)?.into()),
            Self::Roles if is_clear => ("roles", json!([])),
            Self::Roles => ("roles", elements(cell)?.into_iter().map(role).collect()),
            Self::Manager if is_clear => ("manager", Value::Null),
            Self::Manager => ("manager", json!({"id": cell})),
            Self::Channels => return set_channels(&elements(cell)?, person),
            Self::Address(part) => {
                let addresses = person.entry("addresses").or_insert_with(|| json!([{}]));
                if let Some(address) = addresses.pointer_mut("/0").and_then(Value::as_object_mut) {
                    address.insert((*part).to_owned(), scalar());
                }
                return Ok(());
            }
            Self::Custom(name) => {
                let fields = person.entry("custom_fields").or_insert_with(|| json!({}));
                if let Some(fields) = fields.as_object_mut() {
                    fields.insert(name.clone(), scalar());
                }
                return Ok(());
            }
        };
        person.insert(field.to_owned(), value);
        Ok(())
    }
}

fn elements(cell: &str) -> Result<Vec<&str>, String> {
    let elements: Vec<&str> = cell.split(LIST_SEPARATOR).map(str::trim).collect();
    if elements.iter().any(|element| element.is_empty()) {
        return Err(format!("has an empty element: write a list as A{LIST_SEPARATOR}B"));
    }
    Ok(elements)
}

fn role(text: &str) -> Value {
    match text.split_once(ROLE_SEPARATOR) {
        Some((id, workspace)) => json!({"id": id.trim(), "workspace_id": workspace.trim()}),
        None => json!({"id": text}),
    }
}

/// Adds channels to the only workspace.
fn set_channels(channels: &[&str], person: &mut Map<String, Value>) -> Result<(), String> {
    let workspaces = person.get_mut("workspaces").and_then(Value::as_array_mut);
    let Some([workspace]) = workspaces.map(Vec::as_mut_slice) else {
        return Err("needs exactly one workspace in the column `workspaces`; write people with channels in \
                    several workspaces as NDJSON"
            .to_owned());
    };
    *workspace = json!({"id": workspace.take(), "channel_ids": channels});
    Ok(())
}
