//! Attributes of SCIM resources in JSON: paths, and reading, setting and comparing values. Names of attributes are
//! case-insensitive (RFC 7643 §2.1).

use std::borrow::Cow;

use serde_json::{Map, Value};

/// A resource as JSON.
pub(super) type Resource = Map<String, Value>;

/// The path of an attribute, or of a part of a complex attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AttributePath {
    /// The schema of an extension; `None` for the core schema.
    schema: Option<Cow<'static, str>>,
    /// The attribute.
    name: Cow<'static, str>,
    /// The part of a complex attribute.
    part: Option<Cow<'static, str>>,
}

impl AttributePath {
    /// Returns the path of an attribute of the core schema.
    pub(super) fn core(name: impl Into<Cow<'static, str>>) -> Self {
        Self { schema: None, name: name.into(), part: None }
    }

    /// Returns the path of an attribute of an extension.
    pub(super) fn extension(
        schema: impl Into<Cow<'static, str>>,
        name: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { schema: Some(schema.into()), name: name.into(), part: None }
    }

    /// Returns the path of a part of this attribute.
    pub(super) fn part(self, part: impl Into<Cow<'static, str>>) -> Self {
        Self { part: Some(part.into()), ..self }
    }

    /// Returns the schema of the extension that the attribute belongs to.
    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Returns the top-level member of a resource that contains the attribute.
    pub(super) fn container(&self) -> &str {
        self.schema.as_deref().unwrap_or(&self.name)
    }

    /// Returns the path as text (RFC 7644 §3.10).
    pub(super) fn text(&self) -> String {
        let mut text = match &self.schema {
            Some(schema) => format!("{schema}:{}", self.name),
            None => self.name.to_string(),
        };
        if let Some(part) = &self.part {
            text.push('.');
            text.push_str(part);
        }
        text
    }

    /// Returns the path as text in lower case, to compare paths.
    pub(super) fn key(&self) -> String {
        self.text().to_lowercase()
    }

    /// Whether both are parts of one complex attribute.
    pub(super) fn is_sibling_of(&self, other: &Self) -> bool {
        let has_parts = self.part.is_some() && other.part.is_some();
        has_parts && self.schema == other.schema && self.name == other.name
    }

    /// Returns the attribute of the core schema; `None` for one of an extension.
    pub(super) fn core_name(&self) -> Option<&str> {
        self.schema.is_none().then_some(&*self.name)
    }

    /// Returns the names of the members that lead to the value, the outermost first.
    fn members(&self) -> impl Iterator<Item = &str> {
        let schema = self.schema.as_deref().into_iter();
        schema.chain([&*self.name]).chain(self.part.as_deref())
    }

    /// Returns the value in a resource; `None` when it is absent or null.
    pub(super) fn get<'r>(&self, resource: &'r Resource) -> Option<&'r Value> {
        let mut members = self.members();
        let first = member(resource, members.next()?)?;
        members.try_fold(first, |value, name| member(object(value)?, name))
    }

    /// Sets the value in a resource.
    pub(super) fn set(&self, resource: &mut Resource, value: Value) {
        let mut container = resource;
        let mut members = self.members().peekable();
        while let Some(name) = members.next() {
            let key = key_of(container, name).unwrap_or_else(|| name.to_owned());
            if members.peek().is_none() {
                container.insert(key, value);
                return;
            }
            let Some(inner) = object_mut(container.entry(key).or_insert(Value::Null)) else {
                return;
            };
            container = inner;
        }
    }

    /// Removes the value from a resource.
    pub(super) fn remove(&self, resource: &mut Resource) {
        let mut container = resource;
        let mut members = self.members().peekable();
        while let Some(name) = members.next() {
            let Some(key) = key_of(container, name) else { return };
            if members.peek().is_none() {
                container.remove(&key);
                return;
            }
            let Some(inner) = container.get_mut(&key).and_then(object_mut) else { return };
            container = inner;
        }
    }
}

/// Returns a member of an object by its name, without regard to case; `None` when it is absent or null.
pub(super) fn member<'o>(object: &'o Resource, name: &str) -> Option<&'o Value> {
    let in_any_case = || object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let value = object.get(name).or_else(|| in_any_case().map(|(_, value)| value));
    value.filter(|value| !value.is_null())
}

/// Returns the name of a member as the object has it.
fn key_of(object: &Resource, name: &str) -> Option<String> {
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

/// Returns an object; the only element of a list where an object is due.
fn object(value: &Value) -> Option<&Resource> {
    match value {
        Value::Object(object) => Some(object),
        Value::Array(all) => all.first().and_then(Value::as_object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Returns an object to change, in place of any other value.
fn object_mut(value: &mut Value) -> Option<&mut Resource> {
    if !value.is_object() {
        *value = Value::Object(object(value).cloned().unwrap_or_default());
    }
    value.as_object_mut()
}

/// Returns the elements of a multi-valued attribute, without those that have no value.
pub(super) fn elements(value: Option<&Value>) -> Vec<&Value> {
    let all: &[Value] = match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(all)) => all.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    all.iter().filter(|element| !is_blank(element)).collect()
}

/// Whether an element has nothing but its type: some servers send one for each known type.
fn is_blank(element: &Value) -> bool {
    let is_label =
        |name: &str| ["type", "primary"].iter().any(|label| label.eq_ignore_ascii_case(name));
    match element {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Object(parts) => parts.iter().all(|(name, value)| is_label(name) || is_blank(value)),
        Value::Array(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a value as read has everything of a requested value. A part that is null must be absent; parts that were not
/// requested are ignored.
pub(super) fn holds(is: Option<&Value>, requested: &Value) -> bool {
    match (is, requested) {
        (None, Value::Null) => true,
        (is, Value::Array(_)) => {
            let (is, requested) = (elements(is), elements(Some(requested)));
            is.len() == requested.len()
                && is.into_iter().zip(requested).all(|(is, requested)| holds(Some(is), requested))
        }
        (None, Value::Object(parts)) => parts.values().all(Value::is_null),
        (None, Value::Bool(_) | Value::Number(_) | Value::String(_)) => false,
        (Some(is), Value::Object(parts)) => {
            let has = |is: &Resource| {
                parts.iter().all(|(name, value)| match (member(is, name), value) {
                    // An element is not primary unless it says so.
                    (None, Value::Bool(false)) => name.eq_ignore_ascii_case("primary"),
                    (is, value) => holds(is, value),
                })
            };
            object(is).is_some_and(has)
        }
        (Some(is), Value::Null) => is_blank(is),
        (Some(Value::String(is)), Value::Bool(requested)) => {
            is.eq_ignore_ascii_case(if *requested { "true" } else { "false" })
        }
        (Some(Value::Number(is)), Value::String(requested)) => is.to_string() == *requested,
        (Some(is), Value::Bool(_) | Value::Number(_) | Value::String(_)) => is == requested,
    }
}

/// Removes members without a value, which mean the same as absent ones (RFC 7643 §2.5), and elements without one.
pub(super) fn without_nulls(value: Value) -> Value {
    stripped(value, is_blank)
}

/// Removes members that are null or empty objects. Elements stay as they are, also those that have nothing but their
/// type: they are the server's.
pub(super) fn without_null_members(value: Value) -> Value {
    stripped(value, Value::is_null)
}

/// Removes members without a value, and the elements that `is_removed` selects.
fn stripped(value: Value, is_removed: fn(&Value) -> bool) -> Value {
    let is_empty = |value: &Value| value.as_object().is_some_and(Resource::is_empty);
    match value {
        Value::Object(parts) => {
            let parts = parts.into_iter().map(|(name, value)| (name, stripped(value, is_removed)));
            Value::Object(parts.filter(|(_, value)| !value.is_null() && !is_empty(value)).collect())
        }
        Value::Array(all) => {
            let all = all.into_iter().filter(|element| !is_removed(element));
            Value::Array(all.map(|element| stripped(element, is_removed)).collect())
        }
        one @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => one,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::features::ENTERPRISE_SCHEMA;
    use super::*;

    fn resource(json: Value) -> Resource {
        serde_json::from_value(json).unwrap()
    }

    fn department() -> AttributePath {
        AttributePath::extension(ENTERPRISE_SCHEMA, "department")
    }

    #[test]
    fn paths_are_written_as_in_the_standard() {
        let given = AttributePath::core("name").part("givenName");
        let manager = AttributePath::extension(ENTERPRISE_SCHEMA, "manager").part("value");
        assert_eq!(given.text(), "name.givenName");
        assert_eq!(given.key(), "name.givenname");
        assert_eq!(manager.text(), format!("{ENTERPRISE_SCHEMA}:manager.value"));
        assert_eq!((given.container(), manager.container()), ("name", ENTERPRISE_SCHEMA));
    }

    #[test]
    fn finds_members_in_any_case_and_replaces_them_in_place() {
        let given = AttributePath::core("name").part("givenName");
        let mut user = resource(json!({"NAME": {"GivenName": "Ada"}, "title": null}));
        assert_eq!(given.get(&user), Some(&json!("Ada")));
        assert_eq!(AttributePath::core("title").get(&user), None);
        given.set(&mut user, json!("Grace"));
        department().set(&mut user, json!("Sales"));
        let expected = json!({"NAME": {"GivenName": "Grace"}, "title": null,
            (ENTERPRISE_SCHEMA): {"department": "Sales"}});
        assert_eq!(Value::Object(user.clone()), expected);
        given.remove(&mut user);
        department().remove(&mut user);
        AttributePath::core("nickName").remove(&mut user);
        let expected = json!({"NAME": {}, "title": null, (ENTERPRISE_SCHEMA): {}});
        assert_eq!(Value::Object(user), expected);
    }

    #[test]
    fn an_object_in_a_list_is_read_and_changed_like_an_object() {
        let given = AttributePath::core("name").part("givenName");
        let mut user = resource(json!({"name": [{"givenName": "Ada", "familyName": "L"}]}));
        assert_eq!(given.get(&user), Some(&json!("Ada")));
        given.set(&mut user, json!("Eve"));
        let expected = json!({"name": {"givenName": "Eve", "familyName": "L"}});
        assert_eq!(Value::Object(user), expected);
    }

    #[test]
    fn a_value_holds_what_is_requested_of_it() {
        let emails = json!([{"value": "a@b.c", "type": "work", "primary": true, "display": "A"},
            {"value": null, "type": "home"}]);
        for (is, requested, expected) in [
            (json!("x"), json!("x"), true),
            (json!("x"), json!("X"), false),
            (json!("TRUE"), json!(true), true),
            (json!(true), json!(false), false),
            (json!(7), json!("7"), true),
            (json!({"value": "1", "display": "A"}), json!({"value": "1"}), true),
            (json!({"display": "A"}), json!({"value": "1"}), false),
            (emails.clone(), json!([{"value": "a@b.c"}]), true),
            (emails.clone(), json!([{"Value": "a@b.c", "type": "home"}]), false),
            (emails.clone(), json!([]), false),
            (emails, json!([{"value": "a@b.c"}, {"value": "d@e.f"}]), false),
            (json!({"value": "a"}), json!([{"value": "a", "primary": false}]), true),
            (json!(["a", "b"]), json!(["b", "a"]), false),
            (json!([{"value": "a", "type": "x"}]), json!([{"value": "a", "type": null}]), false),
            (json!([{"value": "a"}]), json!([{"value": "a", "type": null}, {"value": null}]), true),
            (json!([{"value": "", "type": "work"}]), json!([]), true),
            (json!(""), json!(null), true),
            (json!("x"), json!(null), false),
        ] {
            assert_eq!(holds(Some(&is), &requested), expected, "{is} has {requested}");
        }
        assert!(holds(None, &json!([])) && holds(None, &json!(null)) && holds(None, &json!({})));
        assert!(!holds(None, &json!("x")) && !holds(None, &json!(false)));
    }

    #[test]
    fn removes_what_has_no_value() {
        let value = json!({"title": null, "name": {"givenName": "A", "familyName": null},
            "x": {"y": null}, "photos": [],
            "emails": [{"value": "a@b.c", "display": null}, {"value": null, "type": "home"}]});
        let expected =
            json!({"name": {"givenName": "A"}, "photos": [], "emails": [{"value": "a@b.c"}]});
        assert_eq!(without_nulls(value.clone()), expected);
        let expected = json!({"name": {"givenName": "A"}, "photos": [],
            "emails": [{"value": "a@b.c"}, {"type": "home"}]});
        assert_eq!(without_null_members(value), expected, "an element of the server stays");
    }
}
