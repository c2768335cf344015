//! Condenses what a server announces (RFC 7643 §5 to §7) to the features that are stored. Names are case-insensitive,
//! and values of unexpected types count as absent.

use std::collections::BTreeMap;

use serde_json::Value;

use super::features::{
    AttributeFeatures, ENTERPRISE_SCHEMA, GROUP_SCHEMA, ResourceFeatures, ScimFeatures, USER_SCHEMA,
};
use super::link::field;

/// The maximum size of stored features, in bytes of JSON.
const MAX_BYTES: usize = 16_000;
/// The maximum length of a name, in bytes.
const MAX_NAME_BYTES: usize = 200;
/// The maximum number of suggested values of an attribute.
pub(super) const MAX_CANONICAL: usize = 20;
/// Features of a `ServiceProviderConfig`. A body without any of them is something else.
const CONFIG_FIELDS: [&str; 5] = ["patch", "bulk", "filter", "sort", "etag"];

/// Sets the features of a `ServiceProviderConfig`. Returns whether it is one.
pub(super) fn read_config(features: &mut ScimFeatures, body: &Value) -> bool {
    let Some(config) = single(body).filter(|config| {
        CONFIG_FIELDS.iter().any(|name| field(config, name).is_some_and(|value| !value.is_null()))
    }) else {
        return false;
    };
    let supported = |name: &str| {
        let value = field(config, name)?;
        boolean(value).or_else(|| boolean(field(value, "supported")?))
    };
    let defaults = ScimFeatures::default();
    features.patch = supported("patch").unwrap_or(defaults.patch);
    features.bulk = supported("bulk").unwrap_or(defaults.bulk);
    features.filter = supported("filter").unwrap_or(defaults.filter);
    features.sort = supported("sort").unwrap_or(defaults.sort);
    features.etag = supported("etag").unwrap_or(defaults.etag);
    let max = field(config, "filter").and_then(|filter| field(filter, "maxResults"));
    features.filter_max = max.and_then(number).filter(|max| *max > 0);
    true
}

/// Sets the types of resources: their paths and schemas. Returns whether users are among them.
pub(super) fn read_resource_types(features: &mut ScimFeatures, body: &Value) -> bool {
    let types = rows(body);
    let find = |schema: &str, name: &str| {
        types.iter().copied().find(|one| {
            let is = |attribute: &str, text: &str| {
                text_of(one, attribute).is_some_and(|own| own.eq_ignore_ascii_case(text))
            };
            is("schema", schema) || is("name", name) || is("id", name)
        })
    };
    let Some(user) = find(USER_SCHEMA, "User") else { return false };
    read_type(&mut features.user, user, USER_SCHEMA);
    features.group = find(GROUP_SCHEMA, "Group").map(|group| {
        let mut features = ResourceFeatures::unknown("Groups", GROUP_SCHEMA);
        read_type(&mut features, group, GROUP_SCHEMA);
        features
    });
    features.has_announced_groups = features.group.is_some();
    true
}

fn read_type(features: &mut ResourceFeatures, announced: &Value, schema: &str) {
    if let Some(endpoint) = text_of(announced, "endpoint").and_then(last_segment) {
        endpoint.clone_into(&mut features.endpoint);
    }
    features.schemas = vec![text_of(announced, "schema").unwrap_or(schema).to_owned()];
    let extensions = field(announced, "schemaExtensions");
    let extensions = extensions.map(list).unwrap_or_default();
    let names = extensions
        .into_iter()
        .filter_map(|extension| extension.as_str().or_else(|| text_of(extension, "schema")));
    features.schemas.extend(names.filter(|name| is_name(name)).map(str::to_owned));
}

/// Sets the attributes of users and groups. `has_types` is whether their schemas are known; otherwise a server with a
/// schema of users and none of groups has no groups. Returns whether there is a schema of users.
pub(super) fn read_schemas(features: &mut ScimFeatures, body: &Value, has_types: bool) -> bool {
    let schemas = rows(body);
    let find = |id: &str| {
        schemas.iter().copied().find(|schema| {
            let is = |text: &str| text.eq_ignore_ascii_case(id);
            text_of(schema, "id").is_some_and(is) || text_of(schema, "schema").is_some_and(is)
        })
    };
    if !has_types && find(ENTERPRISE_SCHEMA).is_some() {
        features.user.schemas = vec![USER_SCHEMA.to_owned(), ENTERPRISE_SCHEMA.to_owned()];
    }
    if !has_types && find(USER_SCHEMA).is_some() {
        features.has_announced_groups = find(GROUP_SCHEMA).is_some();
        if !features.has_announced_groups {
            features.group = None;
        }
    }
    for resource in [Some(&mut features.user), features.group.as_mut()].into_iter().flatten() {
        let mut attributes = BTreeMap::new();
        for (number, id) in resource.schemas.iter().enumerate() {
            let Some(schema) = find(id) else { continue };
            let prefix =
                if number == 0 { String::new() } else { format!("{}:", id.to_lowercase()) };
            read_attributes(&mut attributes, &prefix, schema, "attributes");
        }
        let has_own = resource.schemas.first().is_some_and(|own| find(own).is_some());
        // Without the resource's own schema nothing is known about what it lacks.
        resource.attributes = if has_own { attributes } else { BTreeMap::new() };
    }
    !features.user.attributes.is_empty()
}

/// Adds the attributes, or sub-attributes, of `of` below `prefix`.
fn read_attributes(
    all: &mut BTreeMap<String, AttributeFeatures>,
    prefix: &str,
    of: &Value,
    list_name: &str,
) {
    for attribute in field(of, list_name).map(list).unwrap_or_default() {
        let Some(name) = text_of(attribute, "name") else { continue };
        let path = format!("{prefix}{}", name.to_lowercase());
        let mutability = text_of(attribute, "mutability").unwrap_or_default();
        let returned = text_of(attribute, "returned").unwrap_or_default();
        let canonical = field(attribute, "canonicalValues").map(list).unwrap_or_default();
        let canonical =
            canonical.into_iter().filter_map(Value::as_str).filter(|text| is_name(text));
        let feature = AttributeFeatures {
            is_required: field(attribute, "required").and_then(boolean).unwrap_or(false),
            is_writable: !mutability.eq_ignore_ascii_case("readOnly"),
            canonical: canonical.take(MAX_CANONICAL).map(str::to_owned).collect(),
            is_returned: ["always", "default"].iter().any(|one| one.eq_ignore_ascii_case(returned)),
        };
        all.insert(path.clone(), feature);
        // RFC 7643 §2.3.8: sub-attributes have none of their own.
        if list_name == "attributes" {
            read_attributes(all, &format!("{path}."), attribute, "subAttributes");
        }
    }
}

/// Returns the features as they are stored, without details that would exceed the maximum size.
pub(super) fn to_stored(mut features: ScimFeatures) -> serde_json::Result<Value> {
    let is_small = |features: &ScimFeatures| {
        serde_json::to_string(features).is_ok_and(|text| text.len() <= MAX_BYTES)
    };
    if !is_small(&features) {
        for attribute in resources(&mut features).flat_map(|one| one.attributes.values_mut()) {
            attribute.canonical.clear();
        }
    }
    if !is_small(&features) {
        // Parts have the mutability of their attribute when they are unknown.
        for resource in resources(&mut features) {
            resource.attributes.retain(|path, _| {
                let start = path.rfind(':').map_or(0, |colon| colon + 1);
                path.get(start..).is_none_or(|name| !name.contains('.'))
            });
        }
    }
    if !is_small(&features) {
        for resource in resources(&mut features) {
            resource.attributes.clear();
            resource.schemas.truncate(MAX_CANONICAL);
        }
    }
    serde_json::to_value(features)
}

fn resources(features: &mut ScimFeatures) -> impl Iterator<Item = &mut ResourceFeatures> {
    [Some(&mut features.user), features.group.as_mut()].into_iter().flatten()
}

/// Returns the object of a body: itself, or the only one of a list.
fn single(body: &Value) -> Option<&Value> {
    match field(body, "Resources") {
        Some(rows) => list(rows).first().copied(),
        None => list(body).first().copied(),
    }
    .filter(|object| object.is_object())
}

/// Returns the rows of a body: of a list response, a list, or the only object.
fn rows(body: &Value) -> Vec<&Value> {
    field(body, "Resources").map_or_else(|| list(body), list)
}

/// Returns the elements of a list; a single value counts as a list of one.
fn list(value: &Value) -> Vec<&Value> {
    match value.as_array() {
        Some(all) => all.iter().collect(),
        None if value.is_null() => Vec::new(),
        None => vec![value],
    }
}

/// Returns a text attribute that can be a name.
fn text_of<'v>(object: &'v Value, name: &str) -> Option<&'v str> {
    field(object, name)?.as_str().map(str::trim).filter(|text| is_name(text))
}

/// Whether a text can be a name: not empty, not too long, and the database can store it.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_NAME_BYTES && !text.contains(char::is_control)
}

/// Returns the last segment of an endpoint: servers announce it with or without their base path.
fn last_segment(endpoint: &str) -> Option<&str> {
    let path = endpoint.split(['?', '#']).next().unwrap_or_default();
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    (!last.is_empty() && last.chars().all(is_plain)).then_some(last)
}

fn boolean(value: &Value) -> Option<bool> {
    value.as_bool().or_else(|| match value.as_str()?.trim().to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    })
}

fn number(value: &Value) -> Option<u32> {
    let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some(u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_a_configuration_in_any_case_and_of_odd_types() {
        let rows = [
            json!({"patch": {"supported": false}, "filter": {"supported": true, "maxResults": 50}}),
            json!({"Patch": {"Supported": "false"}, "FILTER": {"SUPPORTED": "True", "maxresults": "50"}}),
            json!([{"patch": false, "filter": {"supported": true, "maxResults": 50}, "etag": null}]),
            json!({"Resources": [{"patch": false, "filter": {"supported": true, "maxResults": 50}}]}),
        ];
        for body in rows {
            let mut features = ScimFeatures::default();
            assert!(read_config(&mut features, &body), "{body}");
            let found = (features.patch, features.filter, features.filter_max, features.etag);
            assert_eq!(found, (false, true, Some(50), false), "{body}");
        }
        let others = [json!(null), json!({}), json!([]), json!("text"), json!({"Resources": []})];
        for body in others.into_iter().chain([json!({"patch": null}), json!({"detail": "no"})]) {
            let mut features = ScimFeatures::default();
            assert!(!read_config(&mut features, &body), "{body}");
            assert_eq!(features, ScimFeatures::default(), "{body}");
        }
    }

    #[test]
    fn reads_paths_and_extensions_of_types() {
        for (endpoint, expected) in [
            ("/Users", "Users"),
            ("Users", "Users"),
            ("https://scim.example.com/v2/People/", "People"),
            ("/scim/v2/Users", "Users"),
            ("/..", "Users"),
            ("", "Users"),
        ] {
            let body = json!({"Resources": [{"name": "User", "endpoint": endpoint,
                "schema": USER_SCHEMA, "schemaExtensions": {"schema": ENTERPRISE_SCHEMA}}]});
            let mut features = ScimFeatures::default();
            assert!(read_resource_types(&mut features, &body));
            assert_eq!(features.user.endpoint, expected);
            assert_eq!(features.user.schemas, [USER_SCHEMA, ENTERPRISE_SCHEMA]);
            assert_eq!(features.group, None, "it announced types and no groups");
            assert!(!features.has_announced_groups);
        }
        let mut features = ScimFeatures::default();
        assert!(!read_resource_types(&mut features, &json!({"Resources": [{"name": "Device"}]})));
        assert_eq!(features, ScimFeatures::default());
    }

    #[test]
    fn reads_attributes_and_stays_below_the_maximum_size() {
        let attribute = |name: &str, mutability: &str| {
            json!({"Name": name, "mutability": mutability, "required": "true",
                "canonicalValues": ["work", 7, "home"]})
        };
        let body = json!([
            {"id": USER_SCHEMA.to_uppercase(), "attributes": [
                attribute("userName", "readWrite"),
                {"name": "name", "subAttributes": [attribute("givenName", "readOnly")]},
            ]},
            {"id": ENTERPRISE_SCHEMA, "attributes": attribute("department", "readonly")},
        ]);
        let mut features = ScimFeatures::default();
        assert!(read_schemas(&mut features, &body, false));
        let name = features.user.attribute("username").unwrap();
        assert!(name.is_required && name.is_writable);
        assert_eq!(name.canonical, ["work", "home"]);
        assert!(!features.user.can_write("name.givenName") && features.user.can_write("name"));
        assert!(!features.user.can_write(&format!("{ENTERPRISE_SCHEMA}:department")));
        assert_eq!(features.group, None, "there is no schema of groups");

        let many: Vec<Value> =
            (0..2_000).map(|n| attribute(&format!("a{n}"), "readOnly")).collect();
        let body = json!([{"id": USER_SCHEMA, "attributes": many}]);
        assert!(read_schemas(&mut features, &body, false));
        let stored = to_stored(features).unwrap();
        assert!(stored.to_string().len() <= MAX_BYTES, "{}", stored.to_string().len());
        let body = json!([{"id": USER_SCHEMA}, {"id": GROUP_SCHEMA}]);
        let mut features = ScimFeatures::default();
        read_schemas(&mut features, &body, false);
        assert!(features.has_announced_groups && features.group.is_some());
    }
}
