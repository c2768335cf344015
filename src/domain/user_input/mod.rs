//! Input that creates or changes a user.

mod compare;
mod known_forms;
mod names;
mod validate;

pub use validate::contradicting_roles;

use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::patch::PatchField;
use super::timestamp::Timestamp;
use super::user::UserType;

/// The status of a user that a request can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatusInput {
    /// Can sign in.
    Active,
    /// Deactivated.
    Inactive,
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailInput {
    /// The address.
    pub email: String,
    /// The type: `work`, `home`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the primary address; otherwise the first one is.
    #[serde(default)]
    pub is_primary: bool,
}

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneInput {
    /// The number.
    pub number: String,
    /// The type: `work`, `mobile`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A postal address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressInput {
    /// Street and number.
    pub street: Option<String>,
    /// City or town.
    pub city: Option<String>,
    /// State, province or region.
    pub region: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
    /// Country.
    pub country: Option<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhotoInput {
    /// The URL that the provider fetches the picture from.
    pub url: String,
}

/// The manager of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ManagerInput {
    /// The manager's user id.
    pub id: String,
}

/// A workspace to add the user to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceMembershipInput {
    /// The workspace.
    pub id: String,
    /// The guest's channels in the workspace.
    #[serde(default)]
    pub channel_ids: Vec<String>,
}

/// A role to assign.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleInput {
    /// The role's id, as in `/roles`.
    pub id: String,
    /// The workspace of the assignment; absent for the whole organization.
    pub workspace_id: Option<String>,
    /// The channel of the assignment.
    pub channel_id: Option<String>,
}

/// The requested state of a user. Absent fields are unchanged, `null` clears a field.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"email": "grace@example.com", "name": "Grace Hopper", "department": "Engineering"}))]
#[serde(deny_unknown_fields)]
pub struct UserInput {
    /// The primary e-mail address; shorthand for `emails` with one entry.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    #[serde(default)]
    pub email: PatchField<String>,
    /// All e-mail addresses.
    #[schema(value_type = Option<Vec<EmailInput>>)]
    #[serde(default)]
    pub emails: PatchField<Vec<EmailInput>>,
    /// The username; derived from the e-mail address when absent for a new user.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub username: PatchField<String>,
    /// The id assigned by the customer's identity provider; only for a new user.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub external_id: PatchField<String>,
    /// Given name.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub first_name: PatchField<String>,
    /// Family name.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub last_name: PatchField<String>,
    /// The full name, for callers without separate parts.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: PatchField<String>,
    /// Job title.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub title: PatchField<String>,
    /// Department.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub department: PatchField<String>,
    /// Division.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub division: PatchField<String>,
    /// Organization, as in the directory's profile.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub organization: PatchField<String>,
    /// Cost center.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub cost_center: PatchField<String>,
    /// Employee number.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub employee_number: PatchField<String>,
    /// Telephone numbers.
    #[schema(value_type = Option<Vec<PhoneInput>>)]
    #[serde(default)]
    pub phones: PatchField<Vec<PhoneInput>>,
    /// Pictures.
    #[schema(value_type = Option<Vec<PhotoInput>>)]
    #[serde(default)]
    pub photos: PatchField<Vec<PhotoInput>>,
    /// Postal addresses.
    #[schema(value_type = Option<Vec<AddressInput>>)]
    #[serde(default)]
    pub addresses: PatchField<Vec<AddressInput>>,
    /// The user's manager.
    #[schema(value_type = Option<ManagerInput>)]
    #[serde(default)]
    pub manager: PatchField<ManagerInput>,
    /// IANA time zone.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub timezone: PatchField<String>,
    /// Language and region.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub locale: PatchField<String>,
    /// Custom profile fields, by the provider's name.
    #[serde(default)]
    pub custom_fields: Map<String, Value>,
    /// The status.
    #[schema(value_type = Option<UserStatusInput>)]
    #[serde(default)]
    pub status: PatchField<UserStatusInput>,
    /// The kind of member.
    #[schema(value_type = Option<UserType>)]
    #[serde(default)]
    pub user_type: PatchField<UserType>,
    /// When a guest's access ends (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub expires_at: PatchField<Timestamp>,
    /// The workspaces to add the user to; only for a new user.
    #[serde(default)]
    pub workspaces: Vec<WorkspaceMembershipInput>,
    /// The roles to assign; only for a new user.
    #[serde(default)]
    pub roles: Vec<RoleInput>,
    /// Invites the user by e-mail into the first workspace instead of creating the account immediately; only for a new
    /// user.
    #[serde(default)]
    pub invite: bool,
    /// The provider's own fields, passed on unchanged.
    #[serde(default)]
    pub remote_data: Map<String, Value>,
}

impl UserInput {
    /// Returns the primary e-mail address.
    #[must_use]
    pub fn primary_email(&self) -> Option<&str> {
        let listed = self.emails.value().and_then(|emails| {
            emails.iter().find(|email| email.is_primary).or_else(|| emails.first())
        });
        self.email.value().map(String::as_str).or_else(|| listed.map(|email| email.email.as_str()))
    }

    /// Returns when the guest's access ends, truncated to seconds as stored by providers.
    #[must_use]
    pub fn expiry(&self) -> Option<OffsetDateTime> {
        let at = self.expires_at.value()?.utc();
        Some(at - time::Duration::nanoseconds(at.nanosecond().into()))
    }

    /// Returns the requested kind of member.
    #[must_use]
    pub fn kind(&self) -> Option<UserType> {
        self.user_type.value().copied()
    }

    /// Returns the JSON pointers of the fields that change the profile or the status.
    #[must_use]
    pub fn profile_fields(&self) -> Vec<&'static str> {
        let fields = [
            ("/email", self.email.is_absent()),
            ("/emails", self.emails.is_absent()),
            ("/username", self.username.is_absent()),
            ("/external_id", self.external_id.is_absent()),
            ("/first_name", self.first_name.is_absent()),
            ("/last_name", self.last_name.is_absent()),
            ("/name", self.name.is_absent()),
            ("/title", self.title.is_absent()),
            ("/department", self.department.is_absent()),
            ("/division", self.division.is_absent()),
            ("/organization", self.organization.is_absent()),
            ("/cost_center", self.cost_center.is_absent()),
            ("/employee_number", self.employee_number.is_absent()),
            ("/phones", self.phones.is_absent()),
            ("/photos", self.photos.is_absent()),
            ("/addresses", self.addresses.is_absent()),
            ("/manager", self.manager.is_absent()),
            ("/timezone", self.timezone.is_absent()),
            ("/locale", self.locale.is_absent()),
            ("/status", self.status.is_absent()),
            ("/user_type", self.user_type.is_absent()),
            ("/custom_fields", self.custom_fields.is_empty()),
            ("/remote_data", self.remote_data.is_empty()),
        ];
        fields.into_iter().filter(|(_, is_absent)| !is_absent).map(|(field, _)| field).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: Value) -> UserInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn distinguishes_absent_null_and_value() {
        let input = input(serde_json::json!({"title": null, "department": "Sales"}));
        assert_eq!(input.title, PatchField::Clear);
        assert_eq!(input.department, PatchField::Set("Sales".to_owned()));
        assert_eq!(input.division, PatchField::Absent);
        assert_eq!(input.profile_fields(), ["/title", "/department"]);
    }

    #[test]
    fn returns_the_primary_email() {
        let user = input(serde_json::json!({"emails": [{"email": "a@b.c"},
            {"email": "d@e.f", "is_primary": true}]}));
        assert_eq!(user.primary_email(), Some("d@e.f"));
        assert_eq!(input(serde_json::json!({"email": "g@h.i"})).primary_email(), Some("g@h.i"));
    }
}
