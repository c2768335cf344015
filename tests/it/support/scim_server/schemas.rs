//! The schemas of the server (RFC 7643 §7, §8.7), shortened to what tests need.

use serde_json::{Value, json};

/// Schema of users.
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Schema of groups.
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// Schema of the enterprise extension.
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Returns an attribute with this type and mutability; `sub` are the sub-attributes of a complex one.
pub(crate) fn attribute(name: &str, kind: &str, mutability: &str, sub: &[Value]) -> Value {
    let is_multi = matches!(
        name,
        "emails"
            | "phoneNumbers"
            | "photos"
            | "addresses"
            | "groups"
            | "entitlements"
            | "roles"
            | "members"
    );
    json!({
        "name": name, "type": kind, "multiValued": is_multi, "required": false, "caseExact": false,
        "mutability": mutability, "returned": "default", "uniqueness": "none",
        "subAttributes": sub,
    })
}

/// Returns a schema with these attributes.
pub(crate) fn schema(id: &str, attributes: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": id, "name": id.rsplit(':').next(), "attributes": attributes,
    })
}

/// Returns the schemas of users, groups and the enterprise extension.
pub(super) fn standard_schemas() -> Vec<Value> {
    let text = |name: &str| attribute(name, "string", "readWrite", &[]);
    let complex = |name: &str, sub: &[&str]| {
        let sub: Vec<Value> = sub.iter().map(|name| text(name)).collect();
        attribute(name, "complex", "readWrite", &sub)
    };
    let multi = |name: &str| complex(name, &["value", "display", "type", "primary"]);
    let required = |mut attribute: Value| {
        if let Some(required) = attribute.get_mut("required") {
            *required = true.into();
        }
        attribute
    };
    let read_only = |mut attribute: Value| {
        if let Some(mutability) = attribute.get_mut("mutability") {
            *mutability = "readOnly".into();
        }
        attribute
    };
    let user = [
        required(text("userName")),
        complex("name", &["formatted", "familyName", "givenName", "middleName"]),
        text("displayName"),
        text("nickName"),
        text("profileUrl"),
        text("title"),
        text("userType"),
        text("preferredLanguage"),
        text("locale"),
        text("timezone"),
        attribute("active", "boolean", "readWrite", &[]),
        multi("emails"),
        multi("phoneNumbers"),
        multi("photos"),
        complex(
            "addresses",
            &["formatted", "streetAddress", "locality", "region", "postalCode", "country", "type"],
        ),
        read_only(multi("groups")),
        multi("entitlements"),
        multi("roles"),
    ];
    let group = [required(text("displayName")), complex("members", &["value", "display", "type"])];
    let extension = [
        text("employeeNumber"),
        text("costCenter"),
        text("organization"),
        text("division"),
        text("department"),
        complex("manager", &["value", "displayName"]),
    ];
    vec![schema(USER, &user), schema(GROUP, &group), schema(ENTERPRISE, &extension)]
}

/// Returns the attribute with this name in a schema, or in any with `None`.
pub(super) fn find<'s>(schemas: &'s [Value], urn: Option<&str>, name: &str) -> Option<&'s Value> {
    let is_named = |value: &Value, field: &str, name: &str| {
        value.get(field).and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(name))
    };
    let wanted = schemas.iter().filter(|schema| urn.is_none_or(|urn| is_named(schema, "id", urn)));
    let mut attributes =
        wanted.filter_map(|schema| schema.get("attributes").and_then(Value::as_array)).flatten();
    attributes.find(|attribute| is_named(attribute, "name", name))
}
