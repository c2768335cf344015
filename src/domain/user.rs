//! The unified user: a person (or bot) of a directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::names::names;
use super::role::RoleScope;

/// The status of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Can sign in.
    Active,
    /// Deactivated: the data is retained, the user can't sign in.
    Inactive,
    /// Invited and not yet joined.
    Invited,
    /// Deleted from the directory.
    Deleted,
}

names! { UserStatus, UnknownUserStatus, "must be one of: active, inactive, invited, deleted",
    Active = "active",
    Inactive = "inactive",
    Invited = "invited",
    Deleted = "deleted",
}

/// The kind of member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    /// A full member.
    Member,
    /// A guest with access to several channels.
    GuestMultiChannel,
    /// A guest with access to one channel.
    GuestSingleChannel,
    /// An app or integration.
    Bot,
}

names! { UserType, UnknownUserType, "must be one of: member, guest_multi_channel, guest_single_channel, bot",
    Member = "member",
    GuestMultiChannel = "guest_multi_channel",
    GuestSingleChannel = "guest_single_channel",
    Bot = "bot",
}

/// An e-mail address of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Email {
    /// The address.
    pub email: String,
    /// The type: `work`, `home`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the primary address.
    pub is_primary: bool,
}

/// A telephone number of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Phone {
    /// The number, in the provider's format.
    pub number: String,
    /// The extension.
    pub extension: Option<String>,
    /// The type: `work`, `mobile`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A picture of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Photo {
    /// The URL.
    pub url: String,
    /// The size or use, by the provider's name.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A postal address of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Address {
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

/// A role held by a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserRole {
    /// The role's id, as in `/roles`.
    #[schema(value_type = String)]
    pub id: Cow<'static, str>,
    /// The role's name.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// The scope.
    pub scope: RoleScope,
    /// The workspace of the assignment; `null` for the whole organization.
    pub workspace_id: Option<String>,
    /// The organization of the assignment.
    #[schema(value_type = Option<String>)]
    pub organization: Option<Arc<str>>,
}

/// A reference to another object, such as a workspace, a group or a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResourceRef {
    /// The id at the provider.
    pub id: String,
    /// The name; `null` where the provider does not return it. Names of workspaces may be up to five minutes old.
    pub name: Option<String>,
}

/// A person or a bot. A field that the provider's response lacks is `null`. Roles, groups and workspaces are stored apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct User {
    /// The provider's id.
    pub id: String,
    /// The id assigned by the customer's identity provider.
    pub external_id: Option<String>,
    /// Additional ids by name, such as `enterprise_user`.
    pub identifiers: BTreeMap<String, String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The full name.
    pub name: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// Job title.
    pub title: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Division.
    pub division: Option<String>,
    /// Organization, as in the directory's profile.
    pub organization: Option<String>,
    /// Cost center.
    pub cost_center: Option<String>,
    /// Employee number.
    pub employee_number: Option<String>,
    /// E-mail addresses.
    pub emails: Vec<Email>,
    /// Telephone numbers.
    pub phones: Vec<Phone>,
    /// Pictures.
    pub photos: Vec<Photo>,
    /// Postal addresses.
    pub addresses: Vec<Address>,
    /// Whether the user can sign in.
    pub status: UserStatus,
    /// The kind of member.
    pub user_type: UserType,
    /// Whether the e-mail address was confirmed.
    pub is_email_verified: Option<bool>,
    /// Whether the user has two-factor authentication.
    pub is_2fa_enabled: Option<bool>,
    /// Whether the user signs in through the customer's identity provider.
    pub is_sso_enabled: Option<bool>,
    /// The roles the user holds.
    #[serde(default, deserialize_with = "stored_apart")]
    #[schema(required = true)]
    pub roles: Vec<UserRole>,
    /// The groups of the user; `null` when not requested from the provider.
    #[serde(default, deserialize_with = "stored_apart")]
    #[schema(required = true)]
    pub groups: Option<Vec<ResourceRef>>,
    /// The workspaces of the user.
    #[serde(default, deserialize_with = "stored_apart")]
    #[schema(required = true)]
    pub workspaces: Vec<ResourceRef>,
    /// The user's manager.
    pub manager: Option<ResourceRef>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Language and region.
    pub locale: Option<String>,
    /// When a guest's access ends.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the account was created.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the profile last changed.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// When the user was last active.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_activity_at: Option<OffsetDateTime>,
    /// When the account was deactivated.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub deactivated_at: Option<OffsetDateTime>,
    /// Custom profile fields, by the provider's name.
    pub custom_fields: BTreeMap<String, serde_json::Value>,
}

/// Reads nothing: the field is stored apart from the user.
fn stored_apart<'de, D: Deserializer<'de>, T: Default>(deserializer: D) -> Result<T, D::Error> {
    IgnoredAny::deserialize(deserializer)?;
    Ok(T::default())
}

impl User {
    /// Returns a user with an id, a status and a type, and no other data.
    #[must_use]
    pub fn bare(id: String, status: UserStatus, user_type: UserType) -> Self {
        Self {
            id,
            external_id: None,
            identifiers: BTreeMap::new(),
            first_name: None,
            last_name: None,
            name: None,
            username: None,
            title: None,
            department: None,
            division: None,
            organization: None,
            cost_center: None,
            employee_number: None,
            emails: Vec::new(),
            phones: Vec::new(),
            photos: Vec::new(),
            addresses: Vec::new(),
            status,
            user_type,
            is_email_verified: None,
            is_2fa_enabled: None,
            is_sso_enabled: None,
            roles: Vec::new(),
            groups: None,
            workspaces: Vec::new(),
            manager: None,
            timezone: None,
            locale: None,
            expires_at: None,
            created_at: None,
            updated_at: None,
            last_activity_at: None,
            deactivated_at: None,
            custom_fields: BTreeMap::new(),
        }
    }
}
