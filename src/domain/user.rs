//! The unified user: a person (or bot) of a directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::role::RoleScope;

/// Whether a user can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    /// Can sign in.
    Active,
    /// Deactivated: keeps the data, can't sign in.
    Inactive,
    /// Asked to join and hasn't come yet.
    Invited,
    /// Gone from the directory.
    Deleted,
}

/// What kind of member a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserType {
    /// A full member.
    Member,
    /// A guest of several channels.
    GuestMultiChannel,
    /// A guest of one channel.
    GuestSingleChannel,
    /// A program.
    Bot,
}

/// An e-mail address of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Email {
    /// The address.
    pub email: String,
    /// What it is for: `work`, `home`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether it is the one to write to.
    pub is_primary: bool,
}

/// A telephone number of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Phone {
    /// The number, as the provider has it.
    pub number: String,
    /// An extension behind it.
    pub extension: Option<String>,
    /// What it is for: `work`, `mobile`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A picture of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Photo {
    /// Where it is.
    pub url: String,
    /// Its size or use, in the provider's word.
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// A postal address of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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

/// A role that a user holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserRole {
    /// The role's id, as `/roles` has it.
    #[schema(value_type = String)]
    pub id: Cow<'static, str>,
    /// Its name.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// How far it reaches.
    pub scope: RoleScope,
    /// The workspace it is held in; `null` for one of the whole organization.
    pub workspace_id: Option<String>,
    /// The organization it is held in.
    #[schema(value_type = Option<String>)]
    pub organization: Option<Arc<str>>,
}

/// A named thing that a user belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reference {
    /// Its id at the provider.
    pub id: String,
    /// Its name; null where the provider does not tell it. Names of workspaces may be five minutes old.
    pub name: Option<String>,
}

/// A person or a bot. A field that the provider's answer didn't have is `None`.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct User {
    /// The provider's id.
    pub id: String,
    /// The id that the customer's identity provider gave.
    pub external_id: Option<String>,
    /// Further ids by name, such as `enterprise_user`.
    pub identifiers: BTreeMap<String, String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// The whole name.
    pub name: Option<String>,
    /// The short name to sign in or be mentioned with.
    pub username: Option<String>,
    /// Job title.
    pub title: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// Division.
    pub division: Option<String>,
    /// Organization, as the directory's profile has it.
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
    /// What kind of member the user is.
    pub user_type: UserType,
    /// Whether the e-mail address was confirmed.
    pub is_email_verified: Option<bool>,
    /// Whether signing in takes a second factor.
    pub is_2fa_enabled: Option<bool>,
    /// Whether the user signs in through the customer's identity provider.
    pub is_sso_enabled: Option<bool>,
    /// The roles the user holds.
    pub roles: Vec<UserRole>,
    /// The groups the user is in; `null` when not asked of the provider.
    pub groups: Option<Vec<Reference>>,
    /// The workspaces the user is in.
    pub workspaces: Vec<Reference>,
    /// Who the user reports to.
    pub manager: Option<Reference>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// Language and region.
    pub locale: Option<String>,
    /// When a guest's access ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the account was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When the profile last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// When the user was last seen.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_activity_at: Option<OffsetDateTime>,
    /// When the account was deactivated.
    #[serde(with = "time::serde::rfc3339::option")]
    pub deactivated_at: Option<OffsetDateTime>,
    /// Fields of the customer's own profile, by the provider's name.
    pub custom_fields: BTreeMap<String, serde_json::Value>,
}

impl User {
    /// A user of whom only the id is known.
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
