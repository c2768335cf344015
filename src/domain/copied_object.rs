//! Objects in the form in which a copy of a directory stores them.

use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::assignment::RoleAssignment;
use super::group::Group;
use super::sync::CopyKind;
use super::user::{ResourceRef, User};
use super::workspace::Workspace;

/// Fields of a user that are objects of their own in a copy, or change too often for a history.
const USER_FIELDS_APART: [&str; 4] = ["roles", "groups", "workspaces", "last_activity_at"];
/// Fields of a group that follow from its members.
const GROUP_FIELDS_APART: [&str; 2] = ["members", "member_count"];
/// Fields of a workspace that follow from its members.
const WORKSPACE_FIELDS_APART: [&str; 1] = ["member_count"];
/// The field of a role assignment that has the name of another object.
const ASSIGNMENT_FIELDS_APART: [&str; 1] = ["workspace"];

/// An object of a directory, for the copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedObject {
    /// The kind.
    pub kind: CopyKind,
    /// The provider's id; for a membership, `container.user`.
    pub id: String,
    /// The user that it refers to.
    pub user_id: Option<String>,
    /// The workspace, group or channel that it refers to.
    pub parent_id: Option<String>,
    /// The role that it refers to.
    pub role_id: Option<String>,
    /// The name of a user, workspace or group.
    pub name: Option<String>,
    /// The unified object as JSON.
    pub body: String,
    /// SHA-256 of the body, whatever the order of its fields.
    pub hash: [u8; 32],
    /// What a user is found by.
    pub user: Option<UserColumns>,
}

/// The fields that users are filtered, sorted and searched by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserColumns {
    /// The primary e-mail address, in lower case.
    pub email: Option<String>,
    /// The username, in lower case.
    pub username: Option<String>,
    /// The job title, in lower case.
    pub title: Option<String>,
    /// The department, in lower case.
    pub department: Option<String>,
    /// The name of the status.
    pub status: String,
    /// The name of the user type.
    pub user_type: String,
    /// The manager's id.
    pub manager_id: Option<String>,
    /// All texts that `search` looks in, in lower case.
    pub search_text: String,
    /// When the profile last changed.
    pub updated_at: Option<OffsetDateTime>,
    /// When the user was last active.
    pub last_activity_at: Option<OffsetDateTime>,
}

impl CopiedObject {
    /// Returns the name in lower case.
    #[must_use]
    pub fn name_key(&self) -> Option<String> {
        lower(self.name.as_ref())
    }

    /// Returns a user. Its roles, groups and workspaces are objects of their own.
    #[must_use]
    pub fn user(user: &User) -> Self {
        let mut object = Self::new(CopyKind::User, &user.id, &fields(user, &USER_FIELDS_APART));
        object.user_id = Some(user.id.clone());
        object.name.clone_from(&user.name);
        object.user = Some(UserColumns::of(user));
        object
    }

    /// Returns a workspace.
    #[must_use]
    pub fn workspace(mut workspace: Workspace) -> Self {
        // Providers list them in any order.
        for ids in [&mut workspace.owner_ids, &mut workspace.admin_ids].into_iter().flatten() {
            ids.sort_unstable();
        }
        let fields = fields(&workspace, &WORKSPACE_FIELDS_APART);
        let name = Some(workspace.name);
        Self { name, ..Self::new(CopyKind::Workspace, &workspace.id, &fields) }
    }

    /// Returns the membership of a user in a workspace.
    #[must_use]
    pub fn workspace_member(workspace_id: &str, user_id: &str) -> Self {
        let body = json!({"workspace_id": workspace_id, "user_id": user_id});
        Self::member(CopyKind::WorkspaceMember, workspace_id, user_id, &body)
    }

    /// Returns a group. Its members are objects of their own.
    #[must_use]
    pub fn group(group: &Group) -> Self {
        let fields = fields(group, &GROUP_FIELDS_APART);
        Self { name: Some(group.name.clone()), ..Self::new(CopyKind::Group, &group.id, &fields) }
    }

    /// Returns the membership of a user in a group.
    #[must_use]
    pub fn group_member(group_id: &str, member: &ResourceRef) -> Self {
        let body = json!({"group_id": group_id, "user_id": member.id});
        Self::member(CopyKind::GroupMember, group_id, &member.id, &body)
    }

    /// Returns a role assignment.
    #[must_use]
    pub fn role_assignment(held: &RoleAssignment) -> Self {
        let fields = fields(held, &ASSIGNMENT_FIELDS_APART);
        let mut object = Self::new(CopyKind::RoleAssignment, &held.id, &fields);
        object.user_id = Some(held.user_id.clone());
        object.role_id = Some(held.role_id.clone());
        object.parent_id = held.workspace_id.clone().or_else(|| held.channel_id.clone());
        object
    }

    /// Returns the object with the values of another version in some fields; a field that the other does not have is
    /// empty.
    #[must_use]
    pub fn with_fields_of(mut self, other: Option<&str>, names: &[&str]) -> Self {
        let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text);
        let Ok(mut fields) = parse(&self.body) else { return self };
        let other = other.and_then(|text| parse(text).ok()).unwrap_or_default();
        for name in names {
            if let Some(field) = fields.get_mut(*name) {
                *field = other.get(*name).cloned().unwrap_or_else(|| empty_of(field));
            }
        }
        let body = Value::Object(fields);
        self.hash = hash_of(&body);
        self.body = body.to_string();
        self
    }

    fn member(kind: CopyKind, parent_id: &str, user_id: &str, body: &Value) -> Self {
        let mut object = Self::new(kind, &format!("{parent_id}.{user_id}"), body);
        object.user_id = Some(user_id.to_owned());
        object.parent_id = Some(parent_id.to_owned());
        object
    }

    fn new(kind: CopyKind, id: &str, body: &Value) -> Self {
        let (hash, body) = (hash_of(body), body.to_string());
        Self {
            kind,
            id: id.to_owned(),
            user_id: None,
            parent_id: None,
            role_id: None,
            name: None,
            body,
            hash,
            user: None,
        }
    }
}

impl UserColumns {
    fn of(user: &User) -> Self {
        let primary = user.emails.iter().find(|email| email.is_primary).or(user.emails.first());
        let names = [&user.name, &user.first_name, &user.last_name, &user.username];
        let words = names.into_iter().chain([&user.title, &user.department]).flatten();
        let words = words.chain(user.emails.iter().map(|email| &email.email));
        let search_text = words.map(String::as_str).collect::<Vec<_>>().join(" ").to_lowercase();
        Self {
            email: primary.map(|email| email.email.to_lowercase()),
            username: lower(user.username.as_ref()),
            title: lower(user.title.as_ref()),
            department: lower(user.department.as_ref()),
            status: name_of(&user.status),
            user_type: name_of(&user.user_type),
            manager_id: user.manager.as_ref().map(|manager| manager.id.clone()),
            search_text,
            updated_at: user.updated_at,
            last_activity_at: user.last_activity_at,
        }
    }
}

/// Returns the SHA-256 of a JSON value, whatever the order of its fields.
fn hash_of(value: &Value) -> [u8; 32] {
    fn add(hash: &mut Sha256, value: &Value) {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                hash.update([b'{']);
                for (name, value) in fields {
                    hash.update(Value::from(name.as_str()).to_string());
                    add(hash, value);
                }
                hash.update([b'}']);
            }
            Value::Array(items) => {
                hash.update([b'[']);
                for item in items {
                    add(hash, item);
                }
                hash.update([b']']);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                hash.update(value.to_string());
                hash.update([b',']);
            }
        }
    }
    let mut hash = Sha256::new();
    add(&mut hash, value);
    hash.finalize().into()
}

/// Returns the empty value of a field's type.
fn empty_of(value: &Value) -> Value {
    match value {
        Value::Array(_) => json!([]),
        Value::Object(_) => json!({}),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

/// Returns the fields of an object, without those named.
fn fields(object: &impl Serialize, apart: &[&str]) -> Value {
    let fields = match serde_json::to_value(object) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    };
    fields.into_iter().filter(|(name, _)| !apart.contains(&name.as_str())).collect()
}

/// Converts a text to lower case. The database does not: what it takes for letters depends on its locale.
fn lower(text: Option<&String>) -> Option<String> {
    text.map(|text| text.to_lowercase())
}

/// Returns the name of an enum's value in the API.
fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(_) | Err(_) => String::new(),
    }
}
