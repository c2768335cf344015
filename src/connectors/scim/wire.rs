//! SCIM's own shapes (RFC 7643 §4, RFC 7644 §3.4.2). Servers differ in what they leave out, so all but the
//! id may be absent or null.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connectors::rows::Rows;

/// The answer to a query.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct List<'a> {
    pub(super) total_results: Option<u64>,
    #[serde(rename = "Resources", borrow)]
    pub(super) resources: Option<Rows<&'a RawValue>>,
}

/// A failure.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    pub(super) scim_type: Option<String>,
}

/// A person.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub(super) id: String,
    pub(super) external_id: Option<String>,
    #[serde(rename = "userName")]
    pub(super) handle: Option<String>,
    pub(super) name: Option<Name>,
    pub(super) display_name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) emails: Option<Vec<Plural>>,
    pub(super) phone_numbers: Option<Vec<Plural>>,
    pub(super) photos: Option<Vec<Plural>>,
    pub(super) addresses: Option<Vec<Address>>,
    pub(super) groups: Option<Vec<Member>>,
    pub(super) meta: Option<Meta>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    pub(super) enterprise: Option<Enterprise>,
}

/// The parts of a name.
#[derive(Debug, Deserialize)]
pub(super) struct Name {
    pub(super) formatted: Option<String>,
    #[serde(rename = "givenName")]
    pub(super) given: Option<String>,
    #[serde(rename = "familyName")]
    pub(super) family: Option<String>,
}

/// One of several values.
#[derive(Debug, Deserialize)]
pub(super) struct Plural {
    pub(super) value: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) primary: Option<bool>,
}

/// A postal address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    #[serde(rename = "streetAddress")]
    pub(super) street: Option<String>,
    pub(super) locality: Option<String>,
    pub(super) region: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) country: Option<String>,
}

/// A group of a person, or a person of a group.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) value: Option<String>,
    pub(super) display: Option<String>,
}

/// When a thing was made and changed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) created: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// What a company keeps of a person.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Enterprise {
    pub(super) employee_number: Option<String>,
    pub(super) cost_center: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) division: Option<String>,
    pub(super) department: Option<String>,
    pub(super) manager: Option<Manager>,
}

/// Whom a person reports to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manager {
    #[serde(alias = "managerId")]
    pub(super) value: Option<String>,
    pub(super) display_name: Option<String>,
}

/// A group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) members: Option<Vec<Member>>,
    pub(super) meta: Option<Meta>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::parse::assert_null_is_absent;

    #[test]
    fn null_is_absent_in_every_field() {
        let value = json!([{"value": "v", "display": "d", "type": "work", "primary": true}]);
        let meta =
            json!({"created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z"});
        assert_null_is_absent::<User>(&json!({"id": "1", "externalId": "e", "userName": "a",
            "name": {"formatted": "A B", "givenName": "A", "familyName": "B"}, "displayName": "A",
            "title": "t", "locale": "en", "timezone": "UTC", "active": true, "emails": value,
            "phoneNumbers": value, "photos": value, "groups": value, "meta": meta,
            "addresses": [{"streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p",
                "country": "c"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "1",
                "costCenter": "c", "organization": "o", "division": "d", "department": "e",
                "manager": {"value": "2", "displayName": "B"}}}));
        assert_null_is_absent::<Group>(&json!({"id": "1", "displayName": "n", "members": value,
            "meta": meta}));
        assert_null_is_absent::<Failure>(&json!({"scimType": "tooMany"}));
    }
}
