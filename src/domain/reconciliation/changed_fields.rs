//! The fields of a person that differ from the desired ones.

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use crate::domain::patch::Comparison;
use crate::domain::user::{User, UserStatus};
use crate::domain::user_input::UserInput;

/// Fields that providers store in a form of their own.
const UNCERTAIN_FIELDS: [&str; 3] = ["username", "emails", "photos"];

/// Returns the named fields that differ from those of a user.
pub(super) fn changed_fields(user: &User, desired: &Map<String, Value>) -> Map<String, Value> {
    let mut fields = desired.clone();
    // The provider may split a name in another way.
    if fields.get("name").and_then(Value::as_str) == user.name.as_deref() {
        fields.remove("name");
    }
    if user.status == UserStatus::Invited {
        fields.remove("status");
    }
    let differs = |fields: &Map<String, Value>| {
        input_of(fields).is_some_and(|input| input.differs_in_every_form(user))
    };
    if !differs(&fields) {
        return Map::new();
    }
    let of_custom = fields.remove("custom_fields");
    let mut changes: Map<String, Value> = Map::new();
    for (name, value) in fields {
        let single = Map::from_iter([(name.clone(), value.clone())]);
        if differs(&single) {
            changes.insert(name, value);
        }
    }
    if let Some(Value::Object(custom)) = of_custom {
        let differing: Map<String, Value> = custom
            .into_iter()
            .filter(|(name, value)| {
                let field = Map::from_iter([(name.clone(), value.clone())]);
                differs(&Map::from_iter([("custom_fields".to_owned(), Value::Object(field))]))
            })
            .collect();
        if !differing.is_empty() {
            changes.insert("custom_fields".to_owned(), Value::Object(differing));
        }
    }
    changes
}

/// Returns the named fields of which it is unknown whether they differ: the provider stores them in a form of its own.
pub(super) fn uncertain_fields(user: &User, desired: &Map<String, Value>) -> Map<String, Value> {
    let is_uncertain = |name: &str, value: &Value| {
        let single = Map::from_iter([(name.to_owned(), value.clone())]);
        input_of(&single).is_some_and(|input| input.compare(user) == Comparison::Unknown)
    };
    let uncertain = UNCERTAIN_FIELDS.iter().filter_map(|name| {
        let value = desired.get(*name)?;
        is_uncertain(name, value).then(|| ((*name).to_owned(), value.clone()))
    });
    uncertain.collect()
}

/// Whether a user has the values of these fields, as far as that can be known.
#[must_use]
pub fn has_values(user: &User, fields: &Map<String, Value>) -> bool {
    input_of(fields).is_some_and(|input| !input.differs_in_every_form(user))
}

fn input_of(fields: &Map<String, Value>) -> Option<UserInput> {
    UserInput::deserialize(fields).ok()
}

/// Returns a field of a user in the form of input.
#[must_use]
pub fn present_value(user: &User, name: &str) -> Value {
    match name {
        "email" => {
            let primary = user.emails.iter().find(|one| one.is_primary).or(user.emails.first());
            primary.map_or(Value::Null, |one| one.email.clone().into())
        }
        "manager" => user.manager.as_ref().map_or(Value::Null, |one| json!({"id": one.id})),
        "phones" => {
            let phones = user.phones.iter();
            phones.map(|phone| json!({"number": phone.number, "type": phone.kind})).collect()
        }
        "photos" => user.photos.iter().map(|photo| json!({"url": photo.url})).collect(),
        _ => {
            let json = serde_json::to_value(user).unwrap_or_default();
            json.get(name).cloned().unwrap_or_default()
        }
    }
}

/// Returns a field of a user in the form of input, as another value of it is compared: of custom fields those that the
/// other value names.
#[must_use]
pub fn present_part(user: &User, (name, other): (&str, &Value)) -> Value {
    match (name, other) {
        ("custom_fields", Value::Object(other)) => {
            let value = |name: &String| user.custom_fields.get(name).cloned().unwrap_or_default();
            other.keys().map(|name| (name.clone(), value(name))).collect()
        }
        _ => present_value(user, name),
    }
}
