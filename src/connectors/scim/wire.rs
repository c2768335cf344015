//! SCIM wire types (RFC 7643 §4, RFC 7644 §3.4.2). Servers differ in what they leave out, so every field except the id
//! may be absent or null.

use super::complex_type::complex_types;

/// A resource with an id.
pub(super) trait Identified {
    /// Returns the id.
    fn id(&self) -> &str;
}

impl Identified for UserResource {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Identified for GroupResource {
    fn id(&self) -> &str {
        &self.id
    }
}

complex_types! {
    /// An error response (RFC 7644 §3.12).
    struct ScimErrorBody {
        scim_type: Option<String> = "scimType",
    }

    /// The id of a resource.
    struct ResourceId required id = "id" {
        id: String = "id",
    }

    /// A resource of any type, with the time of its last change.
    struct ModifiedResource required id = "id" {
        id: String = "id",
        meta: ResourceMeta = "meta",
    }

    /// A user.
    struct UserResource required id = "id" {
        id: String = "id",
        external_id: Option<String> = "externalId",
        handle: Option<String> = "userName",
        name: NameValue = "name",
        display_name: Option<String> = "displayName",
        nick_name: Option<String> = "nickName",
        profile_url: Option<String> = "profileUrl",
        title: Option<String> = "title",
        user_type: Option<String> = "userType",
        preferred_language: Option<String> = "preferredLanguage",
        locale: Option<String> = "locale",
        timezone: Option<String> = "timezone",
        active: Option<bool> = "active",
        emails: Vec<MultiValue> = "emails",
        phone_numbers: Vec<MultiValue> = "phoneNumbers",
        photos: Vec<MultiValue> = "photos",
        addresses: Vec<AddressValue> = "addresses",
        groups: Option<Vec<GroupMember>> = "groups",
        roles: Vec<MultiValue> = "roles",
        entitlements: Vec<MultiValue> = "entitlements",
        meta: ResourceMeta = "meta",
        enterprise: EnterpriseExtension =
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    }

    /// The parts of a name.
    struct NameValue text formatted {
        formatted: Option<String> = "formatted",
        given: Option<String> = "givenName",
        family: Option<String> = "familyName",
    }

    /// An entry of a multi-valued attribute.
    struct MultiValue text value {
        value: Option<String> = "value",
        display: Option<String> = "display",
        kind: Option<String> = "type",
        primary: Option<bool> = "primary",
    }

    /// A postal address.
    struct AddressValue {
        street: Option<String> = "streetAddress",
        locality: Option<String> = "locality",
        region: Option<String> = "region",
        postal_code: Option<String> = "postalCode",
        country: Option<String> = "country",
    }

    /// A group of a user, or a member of a group.
    struct GroupMember text value {
        value: Option<String> = "value",
        display: Option<String> = "display",
        kind: Option<String> = "type",
    }

    /// The metadata of a resource.
    struct ResourceMeta {
        created: Option<String> = "created",
        last_modified: Option<String> = "lastModified",
    }

    /// The enterprise extension of a user.
    struct EnterpriseExtension {
        employee_number: Option<String> = "employeeNumber",
        cost_center: Option<String> = "costCenter",
        organization: Option<String> = "organization",
        division: Option<String> = "division",
        department: Option<String> = "department",
        manager: ManagerValue = "manager",
    }

    /// The manager of a user. `managerId` is `value` of SCIM 1.1.
    struct ManagerValue text value {
        value: Option<String> = "value",
        manager_id: Option<String> = "managerId",
        display_name: Option<String> = "displayName",
    }

    /// A group.
    struct GroupResource required id = "id" {
        id: String = "id",
        display_name: Option<String> = "displayName",
        members: Vec<GroupMember> = "members",
        meta: ResourceMeta = "meta",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::connectors::parse::{assert_null_is_absent, parse_text};

    const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

    fn user() -> Value {
        let value = json!([{"value": "v", "display": "d", "type": "work", "primary": true}]);
        json!({"id": "1", "externalId": "e", "userName": "a", "displayName": "A", "nickName": "n",
            "profileUrl": "p", "title": "t", "userType": "u", "preferredLanguage": "en",
            "name": {"formatted": "A B", "givenName": "A", "familyName": "B"},
            "locale": "en", "timezone": "UTC", "active": true, "emails": value,
            "phoneNumbers": value, "photos": value, "groups": value, "roles": value,
            "entitlements": value, "meta": meta(),
            "addresses": [{"streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p",
                "country": "c"}],
            (ENTERPRISE): {"employeeNumber": "1", "costCenter": "c", "organization": "o",
                "division": "d", "department": "e",
                "manager": {"value": "2", "managerId": "2", "displayName": "B"}}})
    }

    fn group() -> Value {
        json!({"id": "1", "displayName": "n", "meta": meta(),
            "members": [{"value": "v", "display": "d", "type": "User"}]})
    }

    fn meta() -> Value {
        json!({"created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z"})
    }

    fn read_user(json: &Value) -> Option<UserResource> {
        parse_text(&json.to_string()).ok()
    }

    #[test]
    fn null_is_absent_in_every_field() {
        assert_null_is_absent::<UserResource>(&user());
        assert_null_is_absent::<GroupResource>(&group());
        assert_null_is_absent::<ModifiedResource>(&group());
        assert_null_is_absent::<ScimErrorBody>(&json!({"scimType": "tooMany"}));
    }

    #[test]
    fn converts_values_to_the_types_of_the_attributes() {
        let odd = json!({"id": 12_345_678_901_234_567_890_u64, "title": ["CTO"], "active": "False",
            "name": [{"givenName": "Ada"}], "emails": {"value": "a@b.c", "primary": "true"},
            "roles": ["a", {"value": 7}], "groups": "g", "photos": [], "locale": [], "addresses": "",
            (ENTERPRISE): [{"manager": "2", "employeeNumber": 1.5}]});
        let user = read_user(&odd).unwrap();
        assert_eq!(user.id, "12345678901234567890");
        assert_eq!(
            (user.title.as_deref(), user.active, user.locale),
            (Some("CTO"), Some(false), None)
        );
        assert_eq!(user.name.given.as_deref(), Some("Ada"));
        assert_eq!(user.emails.first().and_then(|email| email.primary), Some(true));
        let values: Vec<_> = user.roles.iter().map(|role| role.value.as_deref()).collect();
        assert_eq!(values, [Some("a"), Some("7")]);
        assert_eq!(user.groups.unwrap().first().unwrap().value.as_deref(), Some("g"));
        assert_eq!(user.enterprise.manager.value.as_deref(), Some("2"));
        assert_eq!(user.enterprise.employee_number.as_deref(), Some("1.5"));
        assert_eq!(
            read_user(&json!({"id": "1", "name": "Ada"})).unwrap().name.formatted.unwrap(),
            "Ada"
        );
    }

    #[test]
    fn an_unreadable_row_names_the_attribute() {
        for (row, expected) in [
            (r#"{"userName": "a"}"#, "`id` is absent"),
            (r#"{"id": " x", "id": "y"}"#, "`id` occurs twice"),
            (r#"{"id": "1", "Active": "perhaps"}"#, "`Active` has an unexpected type or value"),
            (r#"{"id": "1", "title": {}}"#, "`title` has an unexpected type or value"),
            (
                r#"{"id": "1", "emails": [{"value": []}, {"value": [[]]}]}"#,
                "`emails[1].value[0]` has an unexpected type or value",
            ),
            (r#"{"id": 1e300}"#, "`id` has an unexpected type or value"),
            ("[]", "`id` is absent"),
            ("7", "has an unexpected type or value"),
        ] {
            let odd = parse_text::<UserResource>(row).unwrap_err();
            assert_eq!(odd.to_string(), expected, "{row}");
        }
    }

    /// Any JSON, a few levels deep.
    fn json_values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let names = prop_oneof![
                Just("value".to_owned()),
                Just("type".to_owned()),
                Just("primary".to_owned()),
                ".{0,6}"
            ];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names, inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    /// Changes the case of names, by the bits of a number.
    fn in_other_case(value: &Value, mut bits: u64) -> Value {
        match value {
            Value::Object(fields) => {
                let renamed = fields.iter().map(|(name, value)| {
                    let change = |letter: char| {
                        bits = bits.rotate_left(1);
                        if bits & 1 == 0 { letter } else { letter.to_ascii_uppercase() }
                    };
                    let name: String = name.chars().map(change).collect();
                    (name, in_other_case(value, bits))
                });
                Value::Object(renamed.collect::<Map<_, _>>())
            }
            Value::Array(all) => all.iter().map(|one| in_other_case(one, bits)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }

    proptest! {
        #[test]
        fn any_json_in_place_of_an_attribute_is_read_or_named(
            index in any::<prop::sample::Index>(),
            odd in json_values(),
        ) {
            let mut row = user();
            let fields = row.as_object_mut().unwrap();
            let names: Vec<String> = fields.keys().cloned().collect();
            let name = index.get(&names);
            fields.insert(name.clone(), odd.clone());
            let text = row.to_string();
            match parse_text::<UserResource>(&text) {
                Ok(user) => drop(crate::connectors::scim::map::user(user)),
                Err(odd) => prop_assert!(odd.field.starts_with(name.as_str()), "{odd}"),
            }
            let mut row = group();
            row.as_object_mut().unwrap().insert("members".to_owned(), odd.clone());
            if let Ok(group) = parse_text::<GroupResource>(&row.to_string()) {
                drop(crate::connectors::scim::map::group(group));
            }
            let _ = parse_text::<UserResource>(&odd.to_string());
        }

        #[test]
        fn names_are_read_in_any_case(bits in any::<u64>()) {
            let expected = read_user(&user()).unwrap();
            prop_assert_eq!(read_user(&in_other_case(&user(), bits)), Some(expected));
        }
    }
}
