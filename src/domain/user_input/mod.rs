//! What a caller wishes a user to be: the same for somebody new and for a change.

mod compare;
mod flaws;
mod names;

pub use flaws::contradicting_roles;

use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::input::Field;
use super::moment::Moment;
use super::user::UserType;

/// Whether a user can sign in, as far as a caller decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WishedStatus {
    /// Can sign in.
    Active,
    /// Switched off.
    Inactive,
}

/// An e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailInput {
    /// The address.
    pub email: String,
    /// What it is for: `work`, `home`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the one to write to; else the first one is.
    #[serde(default)]
    pub is_primary: bool,
}

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhoneInput {
    /// The number.
    pub number: String,
    /// What it is for: `work`, `mobile`, …
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
    /// Where the provider can fetch it.
    pub url: String,
}

/// Somebody named by id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// The id.
    pub id: String,
}

/// A workspace to be in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceInput {
    /// The workspace.
    pub id: String,
    /// A guest's channels there.
    #[serde(default)]
    pub channel_ids: Vec<String>,
}

/// A role to be held.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleInput {
    /// The role, as `/roles` has it.
    pub id: String,
    /// The workspace it is held in; absent for the whole organization.
    pub workspace_id: Option<String>,
    /// The channel it is held in.
    pub channel_id: Option<String>,
}

/// How a user is to be. Absent fields are left as they are, `null` clears one.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"email": "grace@example.com", "name": "Grace Hopper", "department": "Engineering"}))]
#[serde(deny_unknown_fields)]
pub struct UserInput {
    /// The primary e-mail address; short for `emails` with one entry.
    #[schema(value_type = Option<String>, example = "ada@example.com")]
    #[serde(default)]
    pub email: Field<String>,
    /// All e-mail addresses.
    #[schema(value_type = Option<Vec<EmailInput>>)]
    #[serde(default)]
    pub emails: Field<Vec<EmailInput>>,
    /// The short name; made of the address when a new user has none.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub username: Field<String>,
    /// The id that the customer's identity provider gave; only for somebody new.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub external_id: Field<String>,
    /// Given name.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub first_name: Field<String>,
    /// Family name.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub last_name: Field<String>,
    /// The whole name, for callers that have no parts of it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub name: Field<String>,
    /// Job title.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub title: Field<String>,
    /// Department.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub department: Field<String>,
    /// Division.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub division: Field<String>,
    /// Organization, as the directory's profile has it.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub organization: Field<String>,
    /// Cost center.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub cost_center: Field<String>,
    /// Employee number.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub employee_number: Field<String>,
    /// Telephone numbers.
    #[schema(value_type = Option<Vec<PhoneInput>>)]
    #[serde(default)]
    pub phones: Field<Vec<PhoneInput>>,
    /// Pictures.
    #[schema(value_type = Option<Vec<PhotoInput>>)]
    #[serde(default)]
    pub photos: Field<Vec<PhotoInput>>,
    /// Postal addresses.
    #[schema(value_type = Option<Vec<AddressInput>>)]
    #[serde(default)]
    pub addresses: Field<Vec<AddressInput>>,
    /// Who the user reports to.
    #[schema(value_type = Option<Named>)]
    #[serde(default)]
    pub manager: Field<Named>,
    /// IANA time zone.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub timezone: Field<String>,
    /// Language and region.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub locale: Field<String>,
    /// Further fields, by the provider's name.
    #[serde(default)]
    pub custom_fields: Map<String, Value>,
    /// Whether the user can sign in.
    #[schema(value_type = Option<WishedStatus>)]
    #[serde(default)]
    pub status: Field<WishedStatus>,
    /// The kind of member.
    #[schema(value_type = Option<UserType>)]
    #[serde(default)]
    pub user_type: Field<UserType>,
    /// When a guest's access ends (RFC 3339).
    #[schema(value_type = Option<String>, format = DateTime)]
    #[serde(default)]
    pub expires_at: Field<Moment>,
    /// The workspaces to be put into; only for somebody new.
    #[serde(default)]
    pub workspaces: Vec<WorkspaceInput>,
    /// The roles to be given; only for somebody new.
    #[serde(default)]
    pub roles: Vec<RoleInput>,
    /// Invites by e-mail into the first workspace instead of making the account at once; only for somebody new.
    #[serde(default)]
    pub invite: bool,
    /// The provider's own fields, passed on untouched.
    #[serde(default)]
    pub remote_data: Map<String, Value>,
}

impl UserInput {
    /// The address to write to.
    #[must_use]
    pub fn primary_email(&self) -> Option<&str> {
        let listed = self.emails.value().and_then(|emails| {
            emails.iter().find(|email| email.is_primary).or_else(|| emails.first())
        });
        self.email.value().map(String::as_str).or_else(|| listed.map(|email| email.email.as_str()))
    }

    /// Returns when a guest's access is to end, in whole seconds as providers hold it.
    #[must_use]
    pub fn expiry(&self) -> Option<OffsetDateTime> {
        let at = self.expires_at.value()?.utc();
        Some(at - time::Duration::nanoseconds(at.nanosecond().into()))
    }

    /// The kind of member, when one is requested.
    #[must_use]
    pub fn kind(&self) -> Option<UserType> {
        self.user_type.value().copied()
    }

    /// The fields that say something about the person's profile or whether they can sign in: JSON
    /// pointers.
    #[must_use]
    pub fn profile_fields(&self) -> Vec<&'static str> {
        let fields = [
            ("/email", self.email.is_keep()),
            ("/emails", self.emails.is_keep()),
            ("/username", self.username.is_keep()),
            ("/external_id", self.external_id.is_keep()),
            ("/first_name", self.first_name.is_keep()),
            ("/last_name", self.last_name.is_keep()),
            ("/name", self.name.is_keep()),
            ("/title", self.title.is_keep()),
            ("/department", self.department.is_keep()),
            ("/division", self.division.is_keep()),
            ("/organization", self.organization.is_keep()),
            ("/cost_center", self.cost_center.is_keep()),
            ("/employee_number", self.employee_number.is_keep()),
            ("/phones", self.phones.is_keep()),
            ("/photos", self.photos.is_keep()),
            ("/addresses", self.addresses.is_keep()),
            ("/manager", self.manager.is_keep()),
            ("/timezone", self.timezone.is_keep()),
            ("/locale", self.locale.is_keep()),
            ("/status", self.status.is_keep()),
            ("/user_type", self.user_type.is_keep()),
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
    fn absent_null_and_a_value_are_three_things() {
        let wish = input(serde_json::json!({"title": null, "department": "Sales"}));
        assert_eq!(wish.title, Field::Clear);
        assert_eq!(wish.department, Field::Set("Sales".to_owned()));
        assert_eq!(wish.division, Field::Keep);
        assert_eq!(wish.profile_fields(), ["/title", "/department"]);
    }

    #[test]
    fn the_address_is_the_primary_one() {
        let wish = input(serde_json::json!({"emails": [{"email": "a@b.c"},
            {"email": "d@e.f", "is_primary": true}]}));
        assert_eq!(wish.primary_email(), Some("d@e.f"));
        assert_eq!(input(serde_json::json!({"email": "g@h.i"})).primary_email(), Some("g@h.i"));
    }
}
