//! A person of a directory with everything that policies look at: profile, roles, workspaces, groups, and who granted
//! them.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::operation::DirectoryOperation;
use crate::domain::event::EventActor;
use crate::domain::role::RoleScope;
use crate::domain::user::{UserStatus, UserType};

/// Who granted something, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// When the gateway found it.
    pub found_at: OffsetDateTime,
    /// When it was granted by the provider's time; `None` when unknown.
    pub occurred_at: Option<OffsetDateTime>,
    /// Who granted it; `None` when unknown.
    pub actor: Option<EventActor>,
    /// Whether it was granted before the sync of the account began.
    pub is_older_than_sync: bool,
}

impl Grant {
    /// Returns the best known time of the grant; `None` when it is older than the sync.
    #[must_use]
    pub fn at(&self) -> Option<OffsetDateTime> {
        self.occurred_at.or((!self.is_older_than_sync).then_some(self.found_at))
    }
}

/// A role that a person holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// The assignment's id.
    pub assignment_id: String,
    /// The role's id.
    pub role_id: String,
    /// The role's name.
    pub role_name: String,
    /// The scope.
    pub scope: RoleScope,
    /// The workspace of the assignment.
    pub workspace_id: Option<String>,
    /// Whether the role permits changes to other users' accounts or data.
    pub is_privileged: bool,
    /// Who granted it.
    pub grant: Grant,
}

impl HeldRole {
    /// Returns the operation that removes the role from its holder.
    #[must_use]
    pub fn revocation(&self, user_id: &str) -> DirectoryOperation {
        DirectoryOperation::RevokeRole {
            id: self.assignment_id.clone(),
            user_id: user_id.to_owned(),
            role_id: self.role_id.clone(),
            workspace_id: self.workspace_id.clone(),
        }
    }
}

/// The removal of something that was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// When the gateway found it.
    pub found_at: OffsetDateTime,
    /// When it was removed by the provider's time; `None` when unknown.
    pub occurred_at: Option<OffsetDateTime>,
    /// Who removed it; `None` when unknown.
    pub actor: Option<EventActor>,
}

impl Removal {
    /// Returns the best known time of the removal.
    #[must_use]
    pub fn at(&self) -> OffsetDateTime {
        self.occurred_at.unwrap_or(self.found_at)
    }
}

/// A role that a person held until it was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostRole {
    /// The role.
    pub role: HeldRole,
    /// Its removal.
    pub removal: Removal,
}

/// The membership of a workspace or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The workspace's or the group's id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Who granted it.
    pub grant: Grant,
}

/// The profile of a person: the fields of the unified user that policies look at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PersonProfile {
    /// The full name.
    pub name: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// Job title.
    pub title: Option<String>,
    /// Department.
    pub department: Option<String>,
    /// E-mail addresses.
    #[serde(default)]
    pub emails: Vec<PersonEmail>,
    /// Whether the person can sign in.
    pub status: UserStatus,
    /// The kind of member.
    pub user_type: UserType,
    /// Whether the person has two-factor authentication.
    pub is_2fa_enabled: Option<bool>,
    /// Whether the person signs in through the customer's identity provider.
    pub is_sso_enabled: Option<bool>,
    /// When a guest's access ends.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the account was created.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}

/// An e-mail address of a person.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PersonEmail {
    /// The address.
    pub email: String,
    /// Whether it is the primary address.
    #[serde(default)]
    pub is_primary: bool,
}

/// A person of a directory.
#[derive(Debug, Clone)]
pub struct Person {
    /// The user's id.
    pub id: String,
    /// The profile.
    pub profile: PersonProfile,
    /// When the person was last active.
    pub last_activity_at: Option<OffsetDateTime>,
    /// When the gateway first found the person.
    pub found_at: OffsetDateTime,
    /// The roles.
    pub roles: Vec<HeldRole>,
    /// The roles that were removed and not granted again.
    pub lost_roles: Vec<LostRole>,
    /// The workspaces.
    pub workspaces: Vec<Membership>,
    /// The groups.
    pub groups: Vec<Membership>,
    /// The unified user as JSON, without roles, groups, workspaces and last activity.
    pub body: String,
    /// The unified user with them, once it was needed.
    pub whole: OnceLock<Value>,
}

impl PersonProfile {
    /// Returns the primary e-mail address, or the first one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        let emails = &self.emails;
        let primary = emails.iter().find(|email| email.is_primary).or(emails.first());
        primary.map(|email| email.email.as_str())
    }
}

impl Person {
    /// Returns the primary e-mail address, or the first one.
    #[must_use]
    pub fn email(&self) -> Option<&str> {
        self.profile.email()
    }

    /// Returns the name for messages: the full name, the username, or the id.
    #[must_use]
    pub fn display_name(&self) -> &str {
        let name = self.profile.name.as_deref().or(self.profile.username.as_deref());
        name.filter(|name| !name.is_empty()).unwrap_or(&self.id)
    }

    /// Whether the person is neither deactivated nor deleted.
    #[must_use]
    pub fn can_sign_in(&self) -> bool {
        matches!(self.profile.status, UserStatus::Active | UserStatus::Invited)
    }

    /// Whether the person is a guest.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        matches!(self.profile.user_type, UserType::GuestMultiChannel | UserType::GuestSingleChannel)
    }

    /// Whether the person is an app or integration.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.profile.user_type == UserType::Bot
    }

    /// Returns the unified user as JSON, with roles, workspaces and groups.
    #[must_use]
    pub fn json(&self) -> &Value {
        self.whole.get_or_init(|| {
            let mut fields: Map<String, Value> =
                serde_json::from_str(&self.body).unwrap_or_default();
            let roles = self.roles.iter().map(|role| {
                json!({
                    "id": role.role_id, "name": role.role_name, "scope": role.scope,
                    "workspace_id": role.workspace_id, "is_privileged": role.is_privileged,
                })
            });
            fields.insert("roles".to_owned(), roles.collect());
            fields.insert("workspaces".to_owned(), references(&self.workspaces));
            fields.insert("groups".to_owned(), references(&self.groups));
            let last = serde_json::to_value(OptionalTime(self.last_activity_at));
            fields.insert("last_activity_at".to_owned(), last.unwrap_or_default());
            Value::Object(fields)
        })
    }
}

fn references(memberships: &[Membership]) -> Value {
    memberships.iter().map(|one| json!({"id": one.id, "name": one.name})).collect()
}

/// A time as in the API.
#[derive(Serialize)]
struct OptionalTime(#[serde(with = "time::serde::rfc3339::option")] Option<OffsetDateTime>);
