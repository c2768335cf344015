//! Users as SCIM v2.0 wants them written: a whole one to create, operations to change one.
//! <https://docs.slack.dev/reference/scim-api#users>

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::domain::input::Field;
use crate::domain::user::UserType;
use crate::domain::user_input::{AddressInput, PhoneInput, PhotoInput, UserInput, WishedStatus};

pub(super) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(super) const GUEST: &str = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User";
pub(super) const PROFILE: &str = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The custom field that Slack's profile extension has.
pub(super) const START_DATE: &str = "start_date";
pub(super) const MANAGER: &str = "manager.managerId";
/// The part of a caller's own data that is sent as it is, as operations.
pub(super) const OPERATIONS: &str = "Operations";
/// The longest short name.
const LONGEST_USERNAME: usize = 21;

/// One attribute: the schema it is of, its name there, and what is said about it.
struct Said<'a> {
    schema: &'a str,
    name: Cow<'a, str>,
    value: Field<Value>,
}

/// The body that creates a user of that short name.
pub(super) fn creation(wish: &UserInput, username: &str) -> Value {
    let mut body = Map::new();
    let mut schemas = vec![CORE];
    for Said { schema, name, value } in attributes(wish) {
        let Field::Set(value) = value else { continue };
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
    if let Some(email) = wish.email.value().filter(|_| wish.emails.is_keep()) {
        let address = json!([{"value": email, "type": "work", "primary": true}]);
        body.insert("emails".to_owned(), address);
    }
    body.insert("userName".to_owned(), username.into());
    if let Some(guest) = guest(wish) {
        schemas.push(GUEST);
        body.insert(GUEST.to_owned(), guest);
    }
    let remote = wish.remote_data.iter().filter(|(name, _)| !is_envelope(name));
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

/// The bodies that change a user, one after the other; none when nothing is said that SCIM can change. Operations have
/// the forms of Slack's reference; the day that somebody begins is changed by a resource of its schema alone.
pub(super) fn changes(wish: &UserInput) -> Vec<Value> {
    let mut operations: Vec<Value> = attributes(wish).into_iter().filter_map(operation).collect();
    operations.extend(operation(Said {
        schema: CORE,
        name: "userName".into(),
        value: text(&wish.username),
    }));
    if wish.emails.is_keep()
        && let Some(email) = wish.email.value()
    {
        let address = json!({"value": email, "type": "work", "primary": true});
        operations.push(json!({"op": "add", "path": "emails", "value": address}));
    }
    match wish.kind() {
        Some(UserType::Member) => operations.push(json!({"op": "remove", "path": GUEST})),
        Some(UserType::GuestMultiChannel) => {
            operations.push(json!({"op": "add", "path": GUEST, "value": guest(wish)}));
        }
        Some(UserType::GuestSingleChannel | UserType::Bot) | None => {}
    }
    let remote = remote_attributes(wish);
    let profile: Map<String, Value> = attributes(wish)
        .into_iter()
        .chain(remote.iter().map(Said::borrowed))
        .filter(|said| said.schema == PROFILE)
        .filter_map(|said| Some((said.name.into_owned(), said.value.value()?.clone())))
        .collect();
    operations.extend(remote.into_iter().filter_map(operation));
    if let Some(Value::Array(theirs)) = wish.remote_data.get(OPERATIONS) {
        operations.extend(theirs.iter().cloned());
    }
    let by_operations = (!operations.is_empty()).then(|| patch(&operations));
    let by_profile = (!profile.is_empty()).then(|| json!({"schemas": [PROFILE], PROFILE: profile}));
    // First what is refused more easily.
    by_profile.into_iter().chain(by_operations).collect()
}

/// The body that lets a guest of several channels stay without an end.
pub(super) fn no_end() -> Value {
    patch(&[json!({"op": "remove", "path": format!("{GUEST}.expiration")})])
}

fn patch(operations: &[Value]) -> Value {
    json!({"schemas": [PATCH], "Operations": operations})
}

/// A short name made of an address: what Slack's rules leave of the part before the `@`, with a
/// number behind it when the plain one is taken.
pub(super) fn username_of(email: &str, attempt: usize) -> String {
    let local = email.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    let number = if attempt == 0 { String::new() } else { (attempt + 1).to_string() };
    let mut name: String = local
        .chars()
        .map(|letter| if allowed(letter) { letter } else { '_' })
        .take(LONGEST_USERNAME - number.len())
        .collect();
    name.push_str(&number);
    name
}

/// Puts a value at a name of one or two parts.
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

/// What is said about an attribute as an operation. Parts of an extension are added behind a colon and taken away behind
/// a dot.
fn operation(Said { schema, name, value }: Said<'_>) -> Option<Value> {
    let said = match (schema, value) {
        (_, Field::Keep) | (PROFILE, Field::Set(_)) => return None,
        (CORE, Field::Clear) => json!({"op": "remove", "path": name}),
        (schema, Field::Clear) => json!({"op": "remove", "path": format!("{schema}.{name}")}),
        (CORE, Field::Set(value)) if matches!(&*name, "photos" | "addresses") => {
            json!({"op": "add", "path": name, "value": value})
        }
        (CORE, Field::Set(value)) => json!({"op": "replace", "path": name, "value": value}),
        (schema, Field::Set(value)) if name == MANAGER => {
            json!({"op": "replace", "path": schema, "value": {"manager": {"managerId": value}}})
        }
        (schema, Field::Set(value)) => {
            json!({"op": "add", "path": format!("{schema}:{name}"), "value": value})
        }
    };
    Some(said)
}

/// The day that somebody begins.
fn start(wish: &UserInput) -> Field<Value> {
    wish.custom_fields
        .get(START_DATE)
        .cloned()
        .map_or(Field::Keep, |date| if date.is_null() { Field::Clear } else { Field::Set(date) })
}

/// Everything that stands in both, but for the short name, the single address and the guest.
fn attributes(wish: &UserInput) -> Vec<Said<'static>> {
    let (first, last) = wish.names();
    let core = |name: &'static str, value| Said { schema: CORE, name: name.into(), value };
    let enterprise =
        |name: &'static str, value| Said { schema: ENTERPRISE, name: name.into(), value };
    let active = wish
        .status
        .value()
        .map_or(Field::Keep, |status| Field::Set((*status == WishedStatus::Active).into()));
    let manager = map(&wish.manager, |manager| manager.id.as_str().into());
    vec![
        core("externalId", text(&wish.external_id)),
        core("name.givenName", text(&first)),
        core("name.familyName", text(&last)),
        core("title", text(&wish.title)),
        core("timezone", text(&wish.timezone)),
        core("locale", text(&wish.locale)),
        core("active", active),
        core(
            "emails",
            map(&wish.emails, |emails| {
                let main = wish.primary_email();
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
            map(&wish.phones, |phones| {
                // Slack has two, the main one and the mobile one. Their types mean the opposite in requests and in
                // answers, so that it is told by the mark of the main one.
                let all = phones.iter();
                all.map(|phone| json!({"value": phone.number, "primary": !is_mobile(phone)}))
                    .collect()
            }),
        ),
        core("photos", map(&wish.photos, |all| photos(all))),
        core("addresses", map(&wish.addresses, |all| all.iter().map(address).collect())),
        enterprise("employeeNumber", text(&wish.employee_number)),
        enterprise("costCenter", text(&wish.cost_center)),
        enterprise("organization", text(&wish.organization)),
        enterprise("division", text(&wish.division)),
        enterprise("department", text(&wish.department)),
        enterprise(MANAGER, manager),
        Said { schema: PROFILE, name: "startDate".into(), value: start(wish) },
    ]
}

/// Whether a number is the mobile one of the two that Slack keeps.
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

/// The extension of a guest of several channels, which is the only kind that SCIM makes. One of a single channel is born
/// as such, and becomes the other kind where its channel is: what fails in between leaves no full member behind.
fn guest(wish: &UserInput) -> Option<Value> {
    if !matches!(wish.kind(), Some(UserType::GuestMultiChannel | UserType::GuestSingleChannel)) {
        return None;
    }
    let mut guest = json!({"type": "multi"});
    let end =
        wish.expiry().and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
    if let (Some(end), Some(guest)) = (end, guest.as_object_mut()) {
        guest.insert("expiration".to_owned(), end.into());
    }
    Some(guest)
}

impl Said<'_> {
    fn borrowed(&self) -> Said<'_> {
        Said { schema: self.schema, name: (&*self.name).into(), value: self.value.clone() }
    }
}

/// Whether a name of a caller's own data belongs to the form of a request and not to the user.
pub(super) fn is_envelope(name: &str) -> bool {
    matches!(name, OPERATIONS | "schemas")
}

/// What a caller's own data says, as attributes: an extension's and a name's parts each.
fn remote_attributes(wish: &UserInput) -> Vec<Said<'_>> {
    let said =
        |value: &Value| if value.is_null() { Field::Clear } else { Field::Set(value.clone()) };
    let mut attributes = Vec::new();
    let data = wish.remote_data.iter().filter(|(name, _)| !is_envelope(name));
    for (name, value) in data {
        match value {
            Value::Object(parts) if name.starts_with("urn:") => {
                let schema = name.as_str();
                attributes.extend(parts.iter().map(|(part, value)| {
                    let manager = value.get("managerId").filter(|_| part == "manager");
                    let name = if manager.is_some() { MANAGER } else { part.as_str() };
                    let value = said(manager.unwrap_or(value));
                    Said { schema, name: name.into(), value }
                }));
            }
            Value::Object(parts) if name == "name" => {
                attributes.extend(parts.iter().map(|(part, value)| {
                    let name = format!("name.{part}").into();
                    Said { schema: CORE, name, value: said(value) }
                }));
            }
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_)) => {
                attributes.push(Said { schema: CORE, name: name.into(), value: said(value) });
            }
        }
    }
    attributes
}

fn text(field: &Field<String>) -> Field<Value> {
    map(field, |text| text.as_str().into())
}

fn map<T>(field: &Field<T>, value: impl FnOnce(&T) -> Value) -> Field<Value> {
    match field {
        Field::Keep => Field::Keep,
        Field::Clear => Field::Clear,
        Field::Set(set) => Field::Set(value(set)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(json: Value) -> UserInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_new_user_names_the_schemas_it_uses() {
        let body = creation(
            &wish(json!({"email": "ada@example.com", "name": "Ada Lovelace",
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
    fn a_change_says_only_what_was_said() {
        assert_eq!(changes(&wish(json!({}))), Vec::<Value>::new());
        let bodies = changes(&wish(json!({"title": null, "department": "Sales",
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
    fn a_manager_is_set_in_the_extension_and_a_first_day_by_a_body_of_its_own() {
        let bodies = changes(&wish(json!({"manager": {"id": "U1"},
            "custom_fields": {"start_date": "2026-12-01T00:00:00+0000"}})));
        assert_eq!(
            bodies,
            [
                json!({"schemas": [PROFILE], PROFILE: {"startDate": "2026-12-01T00:00:00+0000"}}),
                json!({"schemas": [PATCH], "Operations": [{"op": "replace", "path": ENTERPRISE,
                    "value": {"manager": {"managerId": "U1"}}}]}),
            ]
        );
        let bodies = changes(&wish(json!({"custom_fields": {"start_date": null}})));
        let gone = json!([{"op": "remove", "path": format!("{PROFILE}.startDate")}]);
        assert_eq!(bodies[0]["Operations"], gone);
    }

    #[test]
    fn the_main_number_is_the_one_that_is_not_mobile() {
        let marked = |phones: Value| {
            let body = creation(&wish(json!({"email": "a@b.c", "phones": phones})), "a");
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
    fn short_names_keep_to_the_rules() {
        for (email, attempt, expected) in [
            ("Ada.L@example.com", 0, "ada.l"),
            ("o'hara+x@example.com", 0, "o_hara_x"),
            ("a-very-long-name-indeed@example.com", 0, "a-very-long-name-inde"),
            ("a-very-long-name-indeed@example.com", 1, "a-very-long-name-ind2"),
        ] {
            assert_eq!(username_of(email, attempt), expected);
        }
    }
}
