//! Unified input of a user as SCIM attributes: the resource of a new user, and the changes of an existing one.

use serde_json::{Value, json};

use super::attribute::{AttributePath, Resource, without_nulls};
use super::attribute_change::{AttributeChange, add_schemas, apply, change_of, convert, text};
use super::features::{ENTERPRISE_SCHEMA, ScimFeatures, USER_SCHEMA};
use super::remote_data::remote_changes;
use super::user_emails::email_change;
use super::user_names::{display_name, name_changes};
use super::user_schema::can_write;
use crate::domain::patch::PatchField;
use crate::domain::user_input::{AddressInput, PhoneInput, PhotoInput, UserInput, UserStatusInput};

/// Attributes that are custom fields of users.
pub(super) const CUSTOM_FIELDS: [&str; 4] =
    ["nickName", "preferredLanguage", "profileUrl", "userType"];
/// The type of pictures (RFC 7643 §4.1.2).
const PHOTO_TYPE: &str = "photo";

/// A unified field, its attribute, and the requested value.
pub(super) struct UserField {
    /// The field: a JSON pointer.
    pub(super) pointer: String,
    /// The attribute.
    pub(super) path: AttributePath,
    /// The value.
    pub(super) value: PatchField<Value>,
}

/// Returns the fields whose values are those of one attribute: all but names and e-mail addresses.
pub(super) fn fields(input: &UserInput, features: &ScimFeatures) -> Vec<UserField> {
    let core = |pointer: &str, name: &'static str, value| UserField {
        pointer: pointer.to_owned(),
        path: AttributePath::core(name),
        value,
    };
    let enterprise = |pointer: &str, name: &'static str, value| UserField {
        pointer: pointer.to_owned(),
        path: AttributePath::extension(ENTERPRISE_SCHEMA, name),
        value,
    };
    let active = convert(&input.status, |status| (*status == UserStatusInput::Active).into());
    let manager = convert(&input.manager, |manager| json!({(manager_part(features)): manager.id}));
    let custom = CUSTOM_FIELDS.into_iter().filter_map(|name| {
        let value = input.custom_fields.get(name)?;
        let value =
            if value.is_null() { PatchField::Clear } else { PatchField::Set(value.clone()) };
        Some(core(&format!("/custom_fields/{name}"), name, value))
    });
    let fields = [
        core("/username", "userName", text(&input.username)),
        core("/external_id", "externalId", text(&input.external_id)),
        core("/title", "title", text(&input.title)),
        core("/timezone", "timezone", text(&input.timezone)),
        core("/locale", "locale", text(&input.locale)),
        core("/status", "active", active),
        core("/phones", "phoneNumbers", convert(&input.phones, |all| list(all, phone))),
        core("/photos", "photos", convert(&input.photos, |all| list(all, photo))),
        core("/addresses", "addresses", convert(&input.addresses, |all| list(all, address))),
        enterprise("/employee_number", "employeeNumber", text(&input.employee_number)),
        enterprise("/cost_center", "costCenter", text(&input.cost_center)),
        enterprise("/organization", "organization", text(&input.organization)),
        enterprise("/division", "division", text(&input.division)),
        enterprise("/department", "department", text(&input.department)),
        enterprise("/manager", "manager", manager),
    ];
    fields.into_iter().chain(custom).collect()
}

/// Returns the body that creates a user.
pub(super) fn create_body(input: &UserInput, features: &ScimFeatures) -> Value {
    let mut user = Resource::new();
    let changes = user_changes(input, &user, features);
    apply(&changes, &mut user);
    let email = input.primary_email().unwrap_or_default();
    let handle = input.username.value().map_or(email, String::as_str);
    let path = AttributePath::core("userName");
    if path.get(&user).is_none() {
        path.set(&mut user, handle.into());
    }
    let active = AttributePath::core("active");
    if active.get(&user).is_none() && can_write(features, &active) {
        active.set(&mut user, true.into());
    }
    if let Some(name) = display_name(input, &user, features) {
        AttributePath::core("displayName").set(&mut user, name.into());
    }
    let schemas = changes.iter().filter_map(|change| change.path.schema());
    add_schemas(&mut user, std::iter::once(USER_SCHEMA).chain(schemas));
    without_nulls(Value::Object(user))
}

/// Returns the changes that bring a user as read to the requested state. All of them are returned that the request
/// names, also those that change nothing.
pub(super) fn user_changes(
    input: &UserInput,
    current: &Resource,
    features: &ScimFeatures,
) -> Vec<AttributeChange> {
    let mut changes = name_changes(input, current, features);
    changes.extend(email_change(input, current, features));
    changes.extend(fields(input, features).into_iter().filter_map(|field| {
        let UserField { path, value, .. } = field;
        change_of(path, value)
    }));
    changes.extend(remote_changes(&input.remote_data).into_iter().map(|remote| remote.change));
    changes
}

/// Returns the part of `manager` with the manager's id: `value` by the standard, `managerId` at some servers.
fn manager_part(features: &ScimFeatures) -> &'static str {
    let manager = AttributePath::extension(ENTERPRISE_SCHEMA, "manager");
    let has = |part: &'static str| {
        features.user.attributes.contains_key(&manager.clone().part(part).key())
    };
    if has("managerId") && !has("value") { "managerId" } else { "value" }
}

fn list<T>(all: &[T], element: fn(&T) -> Value) -> Value {
    all.iter().map(element).collect()
}

fn phone(phone: &PhoneInput) -> Value {
    parts([("value", Some(&phone.number)), ("type", phone.kind.as_ref())])
}

fn photo(photo: &PhotoInput) -> Value {
    json!({"value": photo.url, "type": PHOTO_TYPE})
}

fn address(address: &AddressInput) -> Value {
    let AddressInput { street, city, region, postal_code, country } = address;
    parts([
        ("streetAddress", street.as_ref()),
        ("locality", city.as_ref()),
        ("region", region.as_ref()),
        ("postalCode", postal_code.as_ref()),
        ("country", country.as_ref()),
    ])
}

/// Returns an object with all parts, those without a value as null: an element that has them is another one.
fn parts<const N: usize>(parts: [(&str, Option<&String>); N]) -> Value {
    let parts = parts.into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(parts.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connectors::scim::features::AttributeFeatures;

    const ACME: &str = "urn:acme:2.0:User";

    fn input(json: Value) -> UserInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_new_user_has_its_schemas_and_no_empty_parts() {
        let input = input(json!({"email": "ada@example.com", "name": "Ada Lovelace",
            "department": "Research", "manager": {"id": "1"}, "phones": [{"number": "2"}],
            "custom_fields": {"userType": "Employee"},
            "remote_data": {"nickName": "A", (ACME): {"badge": 7}}}));
        let expected = json!({
            "schemas": [USER_SCHEMA, ENTERPRISE_SCHEMA, ACME],
            "userName": "ada@example.com",
            "name": {"givenName": "Ada", "familyName": "Lovelace"},
            "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
            "active": true, "phoneNumbers": [{"value": "2"}], "userType": "Employee", "nickName": "A",
            (ENTERPRISE_SCHEMA): {"department": "Research", "manager": {"value": "1"}},
            (ACME): {"badge": 7},
        });
        assert_eq!(create_body(&input, &ScimFeatures::default()), expected);
    }

    #[test]
    fn a_server_without_names_and_addresses_gets_the_required_display_name() {
        let mut features = ScimFeatures::default();
        let attribute = |is_required| AttributeFeatures {
            is_required,
            is_writable: true,
            canonical: Vec::new(),
            is_returned: true,
        };
        for (name, is_required) in [("username", true), ("displayname", true)] {
            features.user.attributes.insert(name.to_owned(), attribute(is_required));
        }
        let schemas = json!([USER_SCHEMA]);
        for (body, name) in [
            (json!({"email": "a@b.c"}), "a@b.c"),
            (json!({"email": "a@b.c", "name": "Ada King"}), "Ada King"),
        ] {
            let expected = json!({"schemas": schemas, "userName": "a@b.c", "displayName": name});
            assert_eq!(create_body(&input(body), &features), expected);
        }
    }

    #[test]
    fn all_requested_fields_are_changes_and_no_others() {
        let input = input(json!({"title": null, "locale": "en", "status": "inactive"}));
        let changes = user_changes(&input, &Resource::new(), &ScimFeatures::default());
        let found: Vec<_> =
            changes.into_iter().map(|change| (change.path.text(), change.value)).collect();
        let path = |path: &str, value| (path.to_owned(), value);
        let expected = [
            path("title", None),
            path("locale", Some(json!("en"))),
            path("active", Some(json!(false))),
        ];
        assert_eq!(found, expected);
    }
}
