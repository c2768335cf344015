//! Slack's wire types, with Slack's field names. Only used fields are listed; optional fields may be absent or null.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connectors::rows::Rows;

/// The fields of every Web API response.
#[derive(Debug, Deserialize)]
pub(super) struct ResponseEnvelope {
    pub(super) ok: Option<bool>,
    pub(super) error: Option<String>,
    pub(super) needed: Option<String>,
    pub(super) provided: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ResponseMetadata {
    pub(super) next_cursor: Option<String>,
}

/// `admin.users.list`, with rows parsed as `R`.
#[derive(Debug, Deserialize)]
pub(super) struct AdminUsersList<R> {
    pub(super) users: Rows<R>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// A row of `admin.users.list`. Times are Unix seconds, 0 for none.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the shape is Slack's")]
pub(super) struct AdminUser {
    pub(super) id: String,
    pub(super) email: Option<String>,
    pub(super) username: Option<String>,
    pub(super) full_name: Option<String>,
    #[serde(default)]
    pub(super) is_admin: bool,
    #[serde(default)]
    pub(super) is_owner: bool,
    #[serde(default)]
    pub(super) is_primary_owner: bool,
    #[serde(default)]
    pub(super) is_restricted: bool,
    #[serde(default)]
    pub(super) is_ultra_restricted: bool,
    #[serde(default)]
    pub(super) is_bot: bool,
    pub(super) is_active: Option<bool>,
    pub(super) expiration_ts: Option<i64>,
    pub(super) date_created: Option<i64>,
    pub(super) deactivated_ts: Option<i64>,
    pub(super) last_active_ts: Option<i64>,
    pub(super) has_2fa: Option<bool>,
    pub(super) has_sso: Option<bool>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    #[serde(default)]
    pub(super) workspaces: Vec<String>,
}

/// `users.info`.
#[derive(Debug, Deserialize)]
pub(super) struct UsersInfo<'a> {
    #[serde(borrow)]
    pub(super) user: &'a RawValue,
}

/// `users.list`.
#[derive(Debug, Deserialize)]
pub(super) struct UsersList<'a> {
    #[serde(borrow)]
    pub(super) members: Rows<&'a RawValue>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// The user in `users.info` and in `users.list`.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the shape is Slack's")]
pub(super) struct WebUser {
    pub(super) id: String,
    pub(super) team_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) real_name: Option<String>,
    #[serde(default)]
    pub(super) deleted: bool,
    /// Whether the user is of another organization, and in no channel that the token sees.
    #[serde(default)]
    pub(super) is_stranger: bool,
    /// This flag and the next are of the requested workspace.
    #[serde(default)]
    pub(super) is_admin: bool,
    #[serde(default)]
    pub(super) is_owner: bool,
    #[serde(default)]
    pub(super) is_restricted: bool,
    #[serde(default)]
    pub(super) is_ultra_restricted: bool,
    #[serde(default)]
    pub(super) is_bot: bool,
    #[serde(default)]
    pub(super) is_invited_user: bool,
    pub(super) is_email_confirmed: Option<bool>,
    pub(super) has_2fa: Option<bool>,
    pub(super) tz: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) updated: Option<i64>,
    #[serde(default)]
    pub(super) profile: WebProfile,
    pub(super) enterprise_user: Option<EnterpriseUser>,
}

impl WebUser {
    /// Returns the ids under which Slack lists the same user: of the workspace, and of the organization.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> + Clone {
        let part = self.enterprise_user.as_ref();
        [Some(&self.id), part.and_then(|part| part.id.as_ref())]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct WebProfile {
    pub(super) title: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) real_name: Option<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) image_512: Option<String>,
}

/// A user within the organization.
#[derive(Debug, Deserialize)]
pub(super) struct EnterpriseUser {
    pub(super) id: Option<String>,
    pub(super) enterprise_id: Option<String>,
    #[serde(default)]
    pub(super) is_admin: bool,
    #[serde(default)]
    pub(super) is_owner: bool,
    #[serde(default)]
    pub(super) is_primary_owner: bool,
    #[serde(default)]
    pub(super) teams: Vec<String>,
}

/// A SCIM v2.0 user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimUser {
    pub(super) external_id: Option<String>,
    pub(super) user_name: Option<String>,
    pub(super) name: Option<ScimName>,
    pub(super) title: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) meta: Option<ScimMeta>,
    #[serde(default)]
    pub(super) emails: Vec<ScimValue>,
    #[serde(default)]
    pub(super) phone_numbers: Vec<ScimValue>,
    #[serde(default)]
    pub(super) photos: Vec<ScimValue>,
    #[serde(default)]
    pub(super) addresses: Vec<ScimAddress>,
    #[serde(default)]
    pub(super) groups: Vec<ScimValue>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")]
    pub(super) enterprise: Option<ScimEnterprise>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User")]
    pub(super) guest: Option<ScimGuest>,
    #[serde(rename = "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User")]
    pub(super) profile: Option<ScimProfile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimName {
    pub(super) given_name: Option<String>,
    pub(super) family_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScimMeta {
    pub(super) created: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScimValue {
    pub(super) value: Option<String>,
    pub(super) display: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) primary: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimAddress {
    pub(super) street_address: Option<String>,
    pub(super) locality: Option<String>,
    pub(super) region: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) country: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimEnterprise {
    pub(super) employee_number: Option<String>,
    pub(super) cost_center: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) division: Option<String>,
    pub(super) department: Option<String>,
    pub(super) manager: Option<ScimManager>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimManager {
    pub(super) manager_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ScimGuest {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) expiration: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimProfile {
    pub(super) start_date: Option<String>,
}

/// A SCIM error. Slack's code is `detail` in v2.0, `Errors.description` in v1.1.
#[derive(Debug, Deserialize)]
pub(super) struct ScimFailure {
    pub(super) detail: Option<String>,
    #[serde(rename = "Errors")]
    pub(super) errors: Option<ScimErrors>,
}

impl ScimFailure {
    /// Returns the code of either version.
    pub(super) fn code(self) -> Option<String> {
        self.detail.or(self.errors.and_then(|errors| errors.description))
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct ScimErrors {
    pub(super) description: Option<String>,
}

/// A page of SCIM.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SlackScimList<'a> {
    #[serde(borrow, rename = "Resources")]
    pub(super) resources: Option<Rows<&'a RawValue>>,
    pub(super) total_results: Option<u64>,
}

/// A SCIM group.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ScimGroup {
    pub(super) id: String,
    pub(super) display_name: Option<String>,
    pub(super) meta: Option<ScimMeta>,
    #[serde(default)]
    pub(super) members: Vec<ScimValue>,
}

/// The id of a SCIM resource.
#[derive(Debug, Deserialize)]
pub(super) struct ScimId {
    pub(super) id: String,
}

/// `auth.test`.
#[derive(Debug, Deserialize)]
pub(super) struct AuthTest {
    pub(super) user_id: String,
    pub(super) url: Option<String>,
    #[serde(default)]
    pub(super) is_enterprise_install: bool,
}

/// `admin.teams.create`.
#[derive(Debug, Deserialize)]
pub(super) struct CreatedTeam {
    pub(super) team: String,
}

/// `admin.teams.list`.
#[derive(Debug, Deserialize)]
pub(super) struct AdminTeamsList<'a> {
    #[serde(borrow)]
    pub(super) teams: Rows<&'a RawValue>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// A row of `admin.teams.list`.
#[derive(Debug, Deserialize)]
pub(super) struct AdminTeam {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) discoverability: Option<String>,
    pub(super) team_url: Option<String>,
    pub(super) primary_owner: Option<TeamOwner>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TeamOwner {
    pub(super) user_id: Option<String>,
    pub(super) email: Option<String>,
}

/// `admin.teams.settings.info`.
#[derive(Debug, Deserialize)]
pub(super) struct TeamSettings<'a> {
    #[serde(borrow)]
    pub(super) team: &'a RawValue,
}

/// The team in `admin.teams.settings.info`.
#[derive(Debug, Deserialize)]
pub(super) struct TeamSetting {
    pub(super) domain: Option<String>,
    pub(super) icon: Option<TeamIcon>,
    pub(super) default_channels: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TeamIcon {
    pub(super) image_230: Option<String>,
    pub(super) image_132: Option<String>,
}

/// `admin.teams.owners.list` and `admin.teams.admins.list`.
#[derive(Debug, Deserialize)]
pub(super) struct TeamAdminIds<'a> {
    #[serde(borrow, alias = "owner_ids", alias = "admin_ids")]
    pub(super) ids: Rows<&'a RawValue>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// `admin.roles.listAssignments`.
#[derive(Debug, Deserialize)]
pub(super) struct ListAssignments<'a> {
    #[serde(borrow)]
    pub(super) role_assignments: Rows<&'a RawValue>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// A row of `admin.roles.listAssignments`. The entity is an organization, a workspace or a channel.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SystemAssignment {
    pub(super) role_id: String,
    pub(super) entity_id: String,
    pub(super) user_id: String,
    pub(super) date_create: Option<i64>,
}

/// `admin.users.getExpiration`.
#[derive(Debug, Deserialize)]
pub(super) struct Expiration {
    pub(super) user: ExpirationUser,
}

/// The guest in `admin.users.getExpiration`.
#[derive(Debug, Deserialize)]
pub(super) struct ExpirationUser {
    #[serde(default)]
    pub(super) expiration_ts: Option<i64>,
}

/// The status of a SCIM user.
#[derive(Debug, Deserialize)]
pub(super) struct ScimActive {
    pub(super) active: Option<bool>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::parse::assert_null_is_absent;

    #[test]
    fn null_is_absent_in_every_field_of_the_web_api() {
        assert_null_is_absent::<AdminUser>(&json!({"id": "U1", "email": "a@b.c", "username": "a",
            "full_name": "A", "is_admin": true, "is_owner": true, "is_primary_owner": true,
            "is_restricted": true, "is_ultra_restricted": true, "is_bot": true, "is_active": true,
            "expiration_ts": 1, "date_created": 1, "deactivated_ts": 1, "last_active_ts": 1,
            "has_2fa": true, "has_sso": true, "roles": ["Rl01"], "workspaces": ["T1"]}));
        assert_null_is_absent::<WebUser>(&json!({"id": "U1", "team_id": "T1", "name": "a",
            "real_name": "A", "deleted": true, "is_stranger": true, "is_admin": true,
            "is_owner": true, "is_restricted": true, "is_ultra_restricted": true, "is_bot": true,
            "is_invited_user": true, "is_email_confirmed": true, "has_2fa": true, "tz": "UTC",
            "locale": "en", "updated": 1,
            "profile": {"title": "t", "phone": "1", "real_name": "A", "first_name": "A",
                "last_name": "B", "email": "a@b.c", "image_512": "https://p"},
            "enterprise_user": {"id": "W1", "enterprise_id": "E1", "is_admin": true,
                "is_owner": true, "is_primary_owner": true, "teams": ["T1"]}}));
        assert_null_is_absent::<AdminTeam>(
            &json!({"id": "T1", "name": "n", "discoverability": "open",
            "team_url": "https://a", "primary_owner": {"user_id": "U1", "email": "a@b.c"}}),
        );
        assert_null_is_absent::<TeamSetting>(&json!({"domain": "d", "default_channels": ["C1"],
            "icon": {"image_230": "a", "image_132": "b"}}));
        assert_null_is_absent::<SystemAssignment>(&json!({"role_id": "Rl01", "entity_id": "T1",
            "user_id": "U1", "date_create": 1}));
        assert_null_is_absent::<ResponseEnvelope>(&json!({"ok": true, "error": "e", "needed": "a",
            "provided": "b"}));
        assert_null_is_absent::<AuthTest>(&json!({"user_id": "U1", "url": "https://a",
            "is_enterprise_install": true}));
        assert_null_is_absent::<ResponseMetadata>(&json!({"next_cursor": "c"}));
    }

    #[test]
    fn null_is_absent_in_every_field_of_scim() {
        let value = json!([{"value": "v", "display": "d", "type": "work", "primary": true}]);
        assert_null_is_absent::<ScimUser>(&json!({"externalId": "e", "userName": "a",
            "name": {"givenName": "A", "familyName": "B"}, "title": "t", "timezone": "UTC",
            "locale": "en", "meta": {"created": "2026-01-01T00:00:00Z"}, "emails": value,
            "phoneNumbers": value, "photos": value, "groups": value,
            "addresses": [{"streetAddress": "s", "locality": "l", "region": "r", "postalCode": "p",
                "country": "c"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"employeeNumber": "1",
                "costCenter": "c", "organization": "o", "division": "d", "department": "e",
                "manager": {"managerId": "U2"}},
            "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User": {"type": "multi",
                "expiration": "2026-01-01T00:00:00Z"},
            "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User": {"startDate": "s"}}));
        assert_null_is_absent::<ScimGroup>(&json!({"id": "S1", "displayName": "n",
            "meta": {"created": "2026-01-01T00:00:00Z"}, "members": value}));
        assert_null_is_absent::<ScimFailure>(&json!({"detail": "d",
            "Errors": {"description": "d"}}));
    }
}
