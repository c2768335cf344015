//! SCIM wire types (RFC 7643 §4, RFC 7644 §3.4.2). Servers differ in what they leave out, so every field except the id
//! may be absent or null.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connectors::rows::Rows;

/// A list response.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimListResponse<'a> {
    pub(super) total_results: Option<u64>,
    #[serde(rename = "Resources", borrow)]
    pub(super) resources: Option<Rows<&'a RawValue>>,
}

/// An error response.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimErrorBody {
    pub(super) scim_type: Option<String>,
}

/// A user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserResource {
    pub(super) id: String,
    pub(super) external_id: Option<String>,
    #[serde(rename = "userName")]
    pub(super) handle: Option<String>,
    pub(super) name: Option<NameValue>,
    pub(super) display_name: Option<String>,
    pub(super) title: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) active: Option<bool>,
    pub(super) emails: Option<Vec<MultiValue>>,
    pub(super) phone_numbers: Option<Vec<MultiValue>>,
    pub(super) photos: Option<Vec<MultiValue>>,
    pub(super) addresses: Option<Vec<AddressValue>>,
    pub(super) groups: Option<Vec<GroupMember>>,
    pub(super) meta: Option<ResourceMeta>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    pub(super) enterprise: Option<EnterpriseExtension>,
}

/// The parts of a name.
#[derive(Debug, Deserialize)]
pub(super) struct NameValue {
    pub(super) formatted: Option<String>,
    #[serde(rename = "givenName")]
    pub(super) given: Option<String>,
    #[serde(rename = "familyName")]
    pub(super) family: Option<String>,
}

/// An entry of a multi-valued attribute.
#[derive(Debug, Deserialize)]
pub(super) struct MultiValue {
    pub(super) value: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) primary: Option<bool>,
}

/// A postal address.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddressValue {
    #[serde(rename = "streetAddress")]
    pub(super) street: Option<String>,
    pub(super) locality: Option<String>,
    pub(super) region: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) country: Option<String>,
}

/// A group of a user, or a member of a group.
#[derive(Debug, Deserialize)]
pub(super) struct GroupMember {
    pub(super) value: Option<String>,
    pub(super) display: Option<String>,
}

/// The metadata of a resource.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResourceMeta {
    pub(super) created: Option<String>,
    pub(super) last_modified: Option<String>,
}

/// The enterprise extension of a user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnterpriseExtension {
    pub(super) employee_number: Option<String>,
    pub(super) cost_center: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) division: Option<String>,
    pub(super) department: Option<String>,
    pub(super) manager: Option<ManagerValue>,
}

/// The manager of a user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagerValue {
    #[serde(alias = "managerId")]
    pub(super) value: Option<String>,
    pub(super) display_name: Option<String>,
}

/// A group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupResource {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) members: Option<Vec<GroupMember>>,
    pub(super) meta: Option<ResourceMeta>,
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
        assert_null_is_absent::<UserResource>(
            &json!({"id": "1", "externalId": "e", "userName": "a",
            "name": {"formatted": "A B", "givenName": "A", "familyName": "B"}, "displayName": "A",
            "title": "t", "locale": "en", "timezone": "UTC", "active": true, "emails": value,
            "phoneNumbers": value, "photos": value, "groups": value, "meta": meta,
            "addresses": [{"streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p",
                "country": "c"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "1",
                "costCenter": "c", "organization": "o", "division": "d", "department": "e",
                "manager": {"value": "2", "displayName": "B"}}}),
        );
        assert_null_is_absent::<GroupResource>(
            &json!({"id": "1", "displayName": "n", "members": value,
            "meta": meta}),
        );
        assert_null_is_absent::<ScimErrorBody>(&json!({"scimType": "tooMany"}));
    }
}
