//! The fields of a person that differ from the desired ones.

use serde_json::{Map, Value};

use crate::domain::patch::Comparison;
use crate::domain::user::{User, UserStatus};
use crate::domain::user_input::UserInput;

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
        let input: Result<UserInput, _> = serde_json::from_value(Value::Object(fields.clone()));
        input.is_ok_and(|input| input.compare(user) == Comparison::Different)
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

/// Returns a field of a user in the form of input.
#[must_use]
pub fn present_value(user: &User, name: &str) -> Value {
    if name == "email" {
        let primary = user.emails.iter().find(|one| one.is_primary).or(user.emails.first());
        return primary.map_or(Value::Null, |one| one.email.clone().into());
    }
    let json = serde_json::to_value(user).unwrap_or_default();
    json.get(name).cloned().unwrap_or_default()
}
