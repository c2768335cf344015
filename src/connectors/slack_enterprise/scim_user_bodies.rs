//! SCIM v2.0 bodies of users: a resource to create one, operations to change one.
//! <https://docs.slack.dev/reference/scim-api#users>

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::domain::patch::PatchField;
use crate::domain::user::UserType;
use crate::domain::user_input::{AddressInput, PhoneInput, PhotoInput, UserInput, UserStatusInput};

pub(super) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(super) const GUEST: &str = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User";
pub(super) const PROFILE: &str = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The only custom field of Slack's profile extension.
pub(super) const START_DATE: &str = "start_date";
pub(super) const MANAGER: &str = "manager.managerId";
/// The field of `remote_data` with operations that are sent unchanged.
pub(super) const OPERATIONS: &str = "Operations";
/// Maximum length of a username, in characters.
const MAX_USERNAME_CHARS: usize = 21;

/// The change of one attribute: its schema, its name there, and its value.
struct AttributeChange<'a> {
    schema: &'a str,
    name: Cow<'a, str>,
    value: PatchField<Value>,
}

/// Returns the body that creates a user with that username.
pub(super) fn create_body(input: &UserInput, username: &str) -> Value {
    let mut body = Map::new();
    let mut schemas = vec![CORE];
    for AttributeChange { schema, name, value } in attributes(input) {
        let PatchField::Set(value) = value else { continue };
        let part = if schema == CORE {
            &mut body
        } else {
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
            let part = body.entry(schema).or_insert_with(|| json!({}));
            let Some(part) = part.as_object_mut() else { continue };
            part
        };
        insert(part, &name, value);
    }
    if let Some(email) = input.email.value().filter(|_| input.emails.is_absent()) {
        let address = json!([{"value": email, "type": "work", "primary": true}]);
        body.insert("emails".to_owned(), address);
    }
    body.insert("userName".to_owned(), username.into());
    if let Some(guest) = guest(input) {
        schemas.push(GUEST);
        body.insert(GUEST.to_owned(), guest);
    }
    let remote = input.remote_data.iter().filter(|(name, _)| !is_envelope(name));
    for (name, value) in remote {
        if name.starts_with("urn:") && !schemas.contains(&name.as_str()) {
            schemas.push(name);
        }
        match (body.get_mut(name), value) {
            (Some(Value::Object(ours)), Value::Object(theirs)) => ours.extend(theirs.clone()),
            _ => drop(body.insert(name.clone(), value.clone())),
        }
    }
    body.insert("schemas".to_owned(), json!(schemas));
    Value::Object(body)
}

/// Returns the bodies that change a user, to be sent in order; none when SCIM has nothing to change. Operations have
/// the forms of Slack's reference; the start date is changed by a resource with only its schema.
pub(super) fn update_bodies(input: &UserInput) -> Vec<Value> {
    let mut operations: Vec<Value> = attributes(input).into_iter().filter_map(operation).collect();
    operations.extend(operation(AttributeChange {
        schema: CORE,
        name: "userName".into(),
        value: text(&input.username),
    }));
    if input.emails.is_absent()
        && let Some(email) = input.email.value()
    {
        let address = json!({"value": email, "type": "work", "primary": true});
        operations.push(json!({"op": "add", "path": "emails", "value": address}));
    }
    match input.kind() {
        Some(UserType::Member) => operations.push(json!({"op": "remove", "path": GUEST})),
        Some(UserType::GuestMultiChannel) => {
            operations.push(json!({"op": "add", "path": GUEST, "value": guest(input)}));
        }
        Some(UserType::GuestSingleChannel | UserType::Bot) | None => {}
    }
    let remote = remote_attributes(input);
    let profile: Map<String, Value> = attributes(input)
        .into_iter()
        .chain(remote.iter().map(AttributeChange::borrowed))
        .filter(|said| said.schema == PROFILE)
        .filter_map(|said| Some((said.name.into_owned(), said.value.value()?.clone())))
        .collect();
    operations.extend(remote.into_iter().filter_map(operation));
    if let Some(Value::Array(theirs)) = input.remote_data.get(OPERATIONS) {
        operations.extend(theirs.iter().cloned());
    }
    let by_operations = (!operations.is_empty()).then(|| patch(&operations));
    let by_profile = (!profile.is_empty()).then(|| json!({"schemas": [PROFILE], PROFILE: profile}));
    // First the one that is rejected more often.
    by_profile.into_iter().chain(by_operations).collect()
}

/// Returns the body that removes the expiry of a multi-channel guest.
pub(super) fn clear_expiration_body() -> Value {
    patch(&[json!({"op": "remove", "path": format!("{GUEST}.expiration")})])
}

fn patch(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH], "Operations": operations})
}

/// Derives a username from an e-mail address: the local part by Slack's rules, with a number appended from the second
/// attempt on.
pub(super) fn username_from_email(email: &str, attempt: usize) -> String {
    let local = email.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let number = if attempt == 0 { String::new() } else { (attempt + 1).to_string() };
    let mut name: String = local
        .chars()
        .map(|letter| if allowed(letter) { letter } else { '_' })
        .take(MAX_USERNAME_CHARS - number.len())
        .collect();
    name.push_str(&number);
    name
}

/// Sets a value at a name of one or two parts.
fn insert(part: &mut Map<String, Value>, name: &str, value: Value) {
    match name.split_once('.') {
        None => {
            part.insert(name.to_owned(), value);
        }
        Some((outer, inner)) => {
            if let Value::Object(object) = part.entry(outer).or_insert_with(|| json!({})) {
                object.insert(inner.to_owned(), value);
            }
        }
    }
}

/// Converts a change to an operation. Attributes of an extension are added after a colon and removed after a dot.
fn operation(AttributeChange { schema, name, value }: AttributeChange<'_>) -> Option<Value> {
    let said = match (schema, value) {
        (_, PatchField::Absent) | (PROFILE, PatchField::Set(_)) => return None,
        (CORE, PatchField::Clear) => json!({"op": "remove", "path": name}),
        (schema, PatchField::Clear) => json!({"op": "remove", "path": format!("{schema}.{name}")}),
        (CORE, PatchField::Set(value)) if matches!(&*name, "photos" | "addresses") => {
            json!({"op": "add", "path": name, "value": value})
        }
        (CORE, PatchField::Set(value)) => json!({"op": "replace", "path": name, "value": value}),
        (schema, PatchField::Set(value)) if name == MANAGER => {
            json!({"op": "replace", "path": schema, "value": {"manager": {"managerId": value}}})
        }
        (schema, PatchField::Set(value)) => {
            json!({"op": "add", "path": format!("{schema}:{name}"), "value": value})
        }
    };
    Some(said)
}

/// Returns the change of the start date.
fn start_date(input: &UserInput) -> PatchField<Value> {
    input.custom_fields.get(START_DATE).cloned().map_or(PatchField::Absent, |date| {
        if date.is_null() { PatchField::Clear } else { PatchField::Set(date) }
    })
}

/// Returns the changes that creation and update have in common: all except the username, the single e-mail address and
/// the guest.
fn attributes(input: &UserInput) -> Vec<AttributeChange<'static>> {
    let (first, last) = input.name_parts();
    let core =
        |name: &'static str, value| AttributeChange { schema: CORE, name: name.into(), value };
    let enterprise = |name: &'static str, value| AttributeChange {
        schema: ENTERPRISE,
        name: name.into(),
        value,
    };
    let active = input.status.value().map_or(PatchField::Absent, |status| {
        PatchField::Set((*status == UserStatusInput::Active).into())
    });
    let manager = map(&input.manager, |manager| manager.id.as_str().into());
    vec![
        core("externalId", text(&input.external_id)),
        core("name.givenName", text(&first)),
        core("name.familyName", text(&last)),
        core("title", text(&input.title)),
        core("timezone", text(&input.timezone)),
        core("locale", text(&input.locale)),
        core("active", active),
        core(
            "emails",
            map(&input.emails, |emails| {
                let main = input.primary_email();
                let all = emails.iter().map(|email| {
                    let is_main = Some(email.email.as_str()) == main;
                    let kind = email.kind.as_deref().unwrap_or("work");
                    json!({"value": email.email, "type": kind, "primary": is_main})
                });
                all.collect()
            }),
        ),
        core(
            "phoneNumbers",
            map(&input.phones, |phones| {
                // Slack has two numbers, the main and the mobile one. Their types are reversed between requests and
                // responses, so the main one is marked by `primary`.
                let all = phones.iter();
                all.map(|phone| json!({"value": phone.number, "primary": !is_mobile(phone)}))
                    .collect()
            }),
        ),
        core("photos", map(&input.photos, |all| photos(all))),
        core("addresses", map(&input.addresses, |all| all.iter().map(address).collect())),
        enterprise("employeeNumber", text(&input.employee_number)),
        enterprise("costCenter", text(&input.cost_center)),
        enterprise("organization", text(&input.organization)),
        enterprise("division", text(&input.division)),
        enterprise("department", text(&input.department)),
        enterprise(MANAGER, manager),
        AttributeChange { schema: PROFILE, name: "startDate".into(), value: start_date(input) },
    ]
}

/// Whether a number is the mobile one of Slack's two numbers.
pub(super) fn is_mobile(phone: &PhoneInput) -> bool {
    phone.kind.as_deref() == Some("mobile")
}

fn photos(photos: &[PhotoInput]) -> Value {
    photos.iter().map(|photo| json!({"value": photo.url, "type": "photo"})).collect()
}

fn address(address: &AddressInput) -> Value {
    json!({
        "streetAddress": address.street,
        "locality": address.city,
        "region": address.region,
        "postalCode": address.postal_code,
        "country": address.country,
        "primary": true,
    })
}

/// Returns the extension of a multi-channel guest, the only kind that SCIM creates. A single-channel guest is created
/// as one, and becomes the other kind in its workspace: a failure in between leaves no full member behind.
fn guest(input: &UserInput) -> Option<Value> {
    if !matches!(input.kind(), Some(UserType::GuestMultiChannel | UserType::GuestSingleChannel)) {
        return None;
    }
    let mut guest = json!({"type": "multi"});
    let end = input
        .expiry()
        .and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    if let (Some(end), Some(guest)) = (end, guest.as_object_mut()) {
        guest.insert("expiration".to_owned(), end.into());
    }
    Some(guest)
}

impl AttributeChange<'_> {
    fn borrowed(&self) -> AttributeChange<'_> {
        AttributeChange {
            schema: self.schema,
            name: (&*self.name).into(),
            value: self.value.clone(),
        }
    }
}

/// Whether a name in `remote_data` belongs to the request and not to the user.
pub(super) fn is_envelope(name: &str) -> bool {
    matches!(name, OPERATIONS | "schemas")
}

/// Returns the changes of `remote_data`, with each sub-attribute of an extension and of a name.
fn remote_attributes(input: &UserInput) -> Vec<AttributeChange<'_>> {
    let said = |value: &Value| {
        if value.is_null() { PatchField::Clear } else { PatchField::Set(value.clone()) }
    };
    let mut attributes = Vec::new();
    let data = input.remote_data.iter().filter(|(name, _)| !is_envelope(name));
    for (name, value) in data {
        match value {
            Value::Object(parts) if name.starts_with("urn:") => {
                let schema = name.as_str();
                attributes.extend(parts.iter().map(|(part, value)| {
                    let manager = value.get("managerId").filter(|_| part == "manager");
                    let name = if manager.is_some() { MANAGER } else { part.as_str() };
                    let value = said(manager.unwrap_or(value));
                    AttributeChange { schema, name: name.into(), value }
                }));
            }
            Value::Object(parts) if name == "name" => {
                attributes.extend(parts.iter().map(|(part, value)| {
                    let name = format!("name.{part}").into();
                    AttributeChange { schema: CORE, name, value: said(value) }
                }));
            }
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => {
                attributes.push(AttributeChange {
                    schema: CORE,
                    name: name.into(),
                    value: said(value),
                });
            }
        }
    }
    attributes
}

fn text(field: &PatchField<String>) -> PatchField<Value> {
    map(field, |text| text.as_str().into())
}

fn map<T>(field: &PatchField<T>, value: impl FnOnce(&T) -> Value) -> PatchField<Value> {
    match field {
        PatchField::Absent => PatchField::Absent,
        PatchField::Clear => PatchField::Clear,
        PatchField::Set(set) => PatchField::Set(value(set)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: Value) -> UserInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_new_user_lists_its_schemas() {
        let body = create_body(
            &input(json!({"email": "ada@example.com", "name": "Ada Lovelace",
                "department": "Research", "manager": {"id": "U1"}, "remote_data": {"nickName": "a"}})),
            "ada",
        );
        assert_eq!(
            body,
            json!({
                "schemas": [CORE, ENTERPRISE],
                "userName": "ada",
                "nickName": "a",
                "name": {"givenName": "Ada", "familyName": "Lovelace"},
                "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
                ENTERPRISE: {"department": "Research", "manager": {"managerId": "U1"}},
            })
        );
    }

    #[test]
    fn an_update_has_only_the_given_fields() {
        assert_eq!(update_bodies(&input(json!({}))), Vec::<Value>::new());
        let bodies = update_bodies(&input(json!({"title": null, "department": "Sales",
            "email": "b@c.d", "manager": null, "user_type": "guest_multi_channel"})));
        assert_eq!(bodies.len(), 1);
        assert_eq!(
            bodies[0]["Operations"],
            json!([
                {"op": "remove", "path": "title"},
                {"op": "add", "path": format!("{ENTERPRISE}:department"), "value": "Sales"},
                {"op": "remove", "path": format!("{ENTERPRISE}.manager.managerId")},
                {"op": "add", "path": "emails",
                    "value": {"value": "b@c.d", "type": "work", "primary": true}},
                {"op": "add", "path": GUEST, "value": {"type": "multi"}},
            ])
        );
    }

    #[test]
    fn sets_the_manager_in_the_extension_and_the_start_date_in_a_separate_body() {
        let bodies = update_bodies(&input(json!({"manager": {"id": "U1"},
            "custom_fields": {"start_date": "2026-12-01T00:00:00+0000"}})));
        assert_eq!(
            bodies,
            [
                json!({"schemas": [PROFILE], PROFILE: {"startDate": "2026-12-01T00:00:00+0000"}}),
                json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": ENTERPRISE,
                    "value": {"manager": {"managerId": "U1"}}}]}),
            ]
        );
        let bodies = update_bodies(&input(json!({"custom_fields": {"start_date": null}})));
        let gone = json!([{"op": "remove", "path": format!("{PROFILE}.startDate")}]);
        assert_eq!(bodies[0]["Operations"], gone);
    }

    #[test]
    fn marks_the_number_that_is_not_mobile_as_primary() {
        let marked = |phones: Value| {
            let body = create_body(&input(json!({"email": "a@b.c", "phones": phones})), "a");
            body["phoneNumbers"].clone()
        };
        assert_eq!(
            marked(json!([{"number": "1", "type": "mobile"}, {"number": "2"}])),
            json!([{"value": "1", "primary": false}, {"value": "2", "primary": true}])
        );
        assert_eq!(
            marked(json!([{"number": "1", "type": "work"}])),
            json!([{"value": "1", "primary": true}])
        );
        assert_eq!(
            marked(json!([{"number": "1", "type": "mobile"}])),
            json!([{"value": "1", "primary": false}])
        );
    }

    #[test]
    fn derives_valid_usernames() {
        for (email, attempt, expected) in [
            ("Ada.L@example.com", 0, "ada.l"),
            ("o'hara+x@example.com", 0, "o_hara_x"),
            ("a-very-long-name-indeed@example.com", 0, "a-very-long-name-inde"),
            ("a-very-long-name-indeed@example.com", 1, "a-very-long-name-ind2"),
        ] {
            assert_eq!(username_from_email(email, attempt), expected);
        }
    }
}
