//! Changes of attributes: which of them a resource needs, and the resource with them.

use serde_json::Value;

use super::attribute::{AttributePath, Resource, holds, without_null_members, without_nulls};
use super::features::ResourceFeatures;
use crate::domain::patch::PatchField;

/// The change of one attribute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AttributeChange {
    /// The attribute.
    pub(super) path: AttributePath,
    /// The new value; `None` removes the attribute.
    pub(super) value: Option<Value>,
    /// PATCH operations with the same result that leave the other elements of the attribute alone; none where the whole
    /// value is sent.
    pub(super) element_operations: Vec<Value>,
}

impl AttributeChange {
    /// Returns the change of a whole attribute.
    pub(super) fn whole(path: AttributePath, value: Option<Value>) -> Self {
        Self { path, value, element_operations: Vec::new() }
    }

    /// Whether the resource differs from the new value.
    pub(super) fn is_pending(&self, resource: &Resource) -> bool {
        let is = self.path.get(resource);
        match &self.value {
            Some(value) => !holds(is, value),
            None => !holds(is, &Value::Null) && !holds(is, &Value::Array(Vec::new())),
        }
    }
}

/// Returns the change of an attribute; `None` when the field is absent.
pub(super) fn change_of(path: AttributePath, value: PatchField<Value>) -> Option<AttributeChange> {
    match value {
        PatchField::Absent => None,
        PatchField::Clear => Some(AttributeChange::whole(path, None)),
        PatchField::Set(value) => Some(AttributeChange::whole(path, Some(value))),
    }
}

/// Converts a field of text.
pub(super) fn text(field: &PatchField<String>) -> PatchField<Value> {
    convert(field, |text| text.as_str().into())
}

/// Converts the value of a field.
pub(super) fn convert<T>(
    field: &PatchField<T>,
    value: impl FnOnce(&T) -> Value,
) -> PatchField<Value> {
    match field {
        PatchField::Absent => PatchField::Absent,
        PatchField::Clear => PatchField::Clear,
        PatchField::Set(set) => PatchField::Set(value(set)),
    }
}

/// Returns the changes that a resource does not have yet.
pub(super) fn pending(changes: Vec<AttributeChange>, resource: &Resource) -> Vec<AttributeChange> {
    changes.into_iter().filter(|change| change.is_pending(resource)).collect()
}

/// Applies changes to a resource. New values have no parts and elements that are null.
pub(super) fn apply(changes: &[AttributeChange], resource: &mut Resource) {
    for AttributeChange { path, value, .. } in changes {
        match value {
            Some(value) => path.set(resource, without_nulls(value.clone())),
            None => path.remove(resource),
        }
    }
}

/// Returns the body of a PUT: the resource with the changes, without attributes that the server sets itself.
pub(super) fn replacement(
    resource: &Resource,
    changes: &[AttributeChange],
    features: &ResourceFeatures,
) -> Value {
    let mut new = resource.clone();
    apply(changes, &mut new);
    let used = changes.iter().filter(|change| change.value.is_some());
    add_schemas(&mut new, used.filter_map(|change| change.path.schema()));
    new.retain(|name, _| !is_read_only(features, name));
    without_null_members(Value::Object(new))
}

/// Whether an attribute of a resource is set by the server. The id is sent: some servers compare it with the path.
fn is_read_only(features: &ResourceFeatures, name: &str) -> bool {
    let key = name.to_lowercase();
    match &*key {
        "id" | "schemas" | "externalid" => false,
        "meta" | "groups" => true,
        key => features.attributes.get(key).is_some_and(|attribute| !attribute.is_writable),
    }
}

/// Adds schemas to the list in a resource.
pub(super) fn add_schemas<'s>(resource: &mut Resource, schemas: impl Iterator<Item = &'s str>) {
    let path = AttributePath::core("schemas");
    let listed = path.get(resource).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = listed.clone();
    for schema in schemas {
        let is_listed =
            |one: &Value| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(schema));
        if !all.iter().any(is_listed) {
            all.push(schema.into());
        }
    }
    if all.len() > listed.len() {
        path.set(resource, Value::Array(all));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::features::USER_SCHEMA;
    use super::*;

    #[test]
    fn a_replacement_leaves_the_elements_of_other_attributes_as_they_were_read() {
        let user = json!({"title": null, "phoneNumbers": [{"type": "work", "primary": true}],
            "emails": [{"value": "a@b.c"}, {"type": "home"}]});
        let user: Resource = serde_json::from_value(user).unwrap();
        let emails = json!([{"value": "d@e.f", "type": null}, {"value": null, "type": "home"}]);
        let change = AttributeChange::whole(AttributePath::core("emails"), Some(emails));
        let features = ResourceFeatures::unknown("Users", USER_SCHEMA);
        let expected = json!({"phoneNumbers": [{"type": "work", "primary": true}],
            "emails": [{"value": "d@e.f"}]});
        assert_eq!(replacement(&user, &[change], &features), expected);
    }
}
