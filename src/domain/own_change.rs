//! Changes that this gateway makes: the object, and the events that they explain. Other differences that are found when
//! the object is read back were made by others.

use serde_json::Value;

use super::effect::{Effect, NewValue};
use super::event::EventKind;
use super::group::GroupInput;
use super::own_user_change::{STATUS_FIELDS, changed_fields};
use super::policy::DirectoryOperation;
use super::reported_change::Subject;
use super::sync::CopyKind;
use super::user_input::{RoleInput, UserInput};
use super::workspace_input::{WorkspaceInput, WorkspaceSettingInput};

/// A change that this gateway makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnChange {
    /// The object.
    pub subject: Subject,
    /// The workspaces whose owners and admins may change with it.
    pub workspace_ids: Vec<String>,
    /// The events that it explains.
    pub effects: Vec<Effect>,
}

/// Whether a change assigns something or removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It assigns or adds.
    Add,
    /// It removes.
    Remove,
}

/// The events about memberships and roles of a user.
const ACCESS_KINDS: [EventKind; 4] = [
    EventKind::RoleGranted,
    EventKind::RoleRevoked,
    EventKind::WorkspaceMemberAdded,
    EventKind::WorkspaceMemberRemoved,
];
/// The events about members of groups.
const GROUP_MEMBER_KINDS: [EventKind; 2] =
    [EventKind::GroupMemberAdded, EventKind::GroupMemberRemoved];
/// The events about a user that remains.
const USER_UPDATE_KINDS: [EventKind; 3] =
    [EventKind::UserUpdated, EventKind::UserDeactivated, EventKind::UserReactivated];
/// The beginnings of the ids of levels, of which a user has one in each place.
const LEVELS: [&str; 2] = ["org:", "ws:"];
/// The beginning of the ids of levels in a workspace.
const WORKSPACE_LEVEL: &str = "ws:";

impl OwnChange {
    /// Whether the change may have removed the object.
    #[must_use]
    pub fn may_remove(&self) -> bool {
        let removals = [EventKind::UserRemoved, EventKind::GroupRemoved];
        self.effects.iter().any(|effect| removals.iter().any(|kind| effect.kinds.contains(kind)))
    }

    /// Returns the creation of a user, in several steps.
    #[must_use]
    pub fn new_user(id: &str, input: &UserInput) -> Self {
        let mut change = Self::whole_user(id);
        change.effects.extend(Self::user(id, input).effects);
        change
    }

    /// Returns the creation, deactivation or deletion of a user.
    #[must_use]
    pub fn whole_user(id: &str) -> Self {
        let whole = [EventKind::UserCreated, EventKind::UserRemoved];
        let effects = vec![
            Effect::on("id", id, &whole),
            Effect::on("id", id, &USER_UPDATE_KINDS).changing(&STATUS_FIELDS),
            Effect::on("user_id", id, &ACCESS_KINDS),
            Effect::on("user_id", id, &GROUP_MEMBER_KINDS).found_later(),
            owners_effect(id),
        ];
        Self { subject: Subject::User(id.to_owned()), workspace_ids: Vec::new(), effects }
    }

    /// Returns the update of a user.
    #[must_use]
    pub fn user(id: &str, input: &UserInput) -> Self {
        let update = Effect::on("id", id, &USER_UPDATE_KINDS);
        let mut effects = vec![Effect { changed: changed_fields(input), ..update }];
        if !input.status.is_absent() || !input.user_type.is_absent() {
            effects.push(Effect::on("user_id", id, &ACCESS_KINDS));
            effects.push(Effect::on("user_id", id, &GROUP_MEMBER_KINDS).found_later());
            effects.push(owners_effect(id));
        }
        effects.extend(input.roles.iter().flat_map(|role| role_effects(id, role, Direction::Add)));
        for workspace in &input.workspaces {
            effects.extend(member_effects(id, &workspace.id, Direction::Add));
        }
        let workspace_ids = input.roles.iter().filter_map(level_place).collect();
        Self { subject: Subject::User(id.to_owned()), workspace_ids, effects }
    }

    /// Returns a change of a user's roles.
    #[must_use]
    pub fn roles(user_id: &str, roles: &[RoleInput], direction: Direction) -> Self {
        let mut effects: Vec<Effect> =
            roles.iter().flat_map(|role| role_effects(user_id, role, direction)).collect();
        // Nothing but the time of the last change.
        effects.push(Effect::on("id", user_id, &[EventKind::UserUpdated]).changing(&[]));
        let workspace_ids = roles.iter().filter_map(level_place).collect();
        Self { subject: Subject::User(user_id.to_owned()), workspace_ids, effects }
    }

    /// Returns a change of a user's membership of a workspace.
    #[must_use]
    pub fn member(user_id: &str, workspace_id: &str, direction: Direction) -> Self {
        let mut effects = member_effects(user_id, workspace_id, direction);
        // The first and the last membership can change the kind of member and the status.
        effects.push(Effect::on("id", user_id, &USER_UPDATE_KINDS).changing(&STATUS_FIELDS));
        effects.push(owners_effect(user_id).with("id", workspace_id));
        Self { subject: Subject::User(user_id.to_owned()), workspace_ids: Vec::new(), effects }
    }

    /// Returns the creation or deletion of a group.
    #[must_use]
    pub fn whole_group(id: &str) -> Self {
        let kinds = [EventKind::GroupCreated, EventKind::GroupRemoved];
        let update = [EventKind::GroupUpdated];
        let effects = vec![
            Effect::on("id", id, &kinds),
            Effect::on("id", id, &update).changing(&["workspaces"]),
            Effect::on("group_id", id, &GROUP_MEMBER_KINDS),
        ];
        Self { subject: Subject::Group(id.to_owned()), workspace_ids: Vec::new(), effects }
    }

    /// Returns the update of a group.
    #[must_use]
    pub fn group(id: &str, input: &GroupInput) -> Self {
        let mut update = Effect::on("id", id, &[EventKind::GroupUpdated]).changing(&[]);
        if let Some(name) = input.name.value() {
            update = update.setting("name", NewValue::Is(name.as_str().into()));
        }
        if !input.add_workspace_ids.is_empty() {
            update = update.changing(&["workspaces"]);
        }
        let members = |kind: EventKind| Effect::on("group_id", id, &[kind]);
        let (added, removed) = (EventKind::GroupMemberAdded, EventKind::GroupMemberRemoved);
        let mut effects = vec![update];
        match input.member_ids.value() {
            Some(ids) => {
                effects.extend(ids.iter().map(|user| members(added).with("user_id", user)));
                effects.push(members(removed));
            }
            None if input.member_ids.is_clear() => effects.push(members(removed)),
            None => {}
        }
        let changed = [(added, &input.add_member_ids), (removed, &input.remove_member_ids)];
        for (kind, users) in changed {
            effects.extend(users.iter().map(|user| members(kind).with("user_id", user)));
        }
        Self { subject: Subject::Group(id.to_owned()), workspace_ids: Vec::new(), effects }
    }

    /// Returns the change of an operation.
    #[must_use]
    pub fn of_operation(operation: &DirectoryOperation) -> Self {
        match operation {
            DirectoryOperation::UpdateUser { user_id, changes } => {
                let input = serde_json::from_value(Value::Object(changes.clone()));
                Self::user(user_id, &input.unwrap_or_default())
            }
            DirectoryOperation::GrantRole { user_id, role_id, workspace_id } => {
                Self::roles(user_id, &[role_input(role_id, workspace_id.clone())], Direction::Add)
            }
            DirectoryOperation::RevokeRole { user_id, role_id, workspace_id, .. } => {
                let role = role_input(role_id, workspace_id.clone());
                Self::roles(user_id, &[role], Direction::Remove)
            }
            DirectoryOperation::AddWorkspaceMember { workspace_id, user_id, .. } => {
                Self::member(user_id, workspace_id, Direction::Add)
            }
            DirectoryOperation::RemoveWorkspaceMember { workspace_id, user_id } => {
                Self::member(user_id, workspace_id, Direction::Remove)
            }
            DirectoryOperation::AddGroupMember { group_id, user_id } => {
                let add_member_ids = vec![user_id.clone()];
                Self::group(group_id, &GroupInput { add_member_ids, ..GroupInput::default() })
            }
            DirectoryOperation::RemoveGroupMember { group_id, user_id } => {
                let remove_member_ids = vec![user_id.clone()];
                Self::group(group_id, &GroupInput { remove_member_ids, ..GroupInput::default() })
            }
            DirectoryOperation::DeactivateUser { user_id }
            | DirectoryOperation::ExpireUser { user_id, .. } => Self::whole_user(user_id),
        }
    }

    /// Returns the creation of a workspace, in several steps.
    #[must_use]
    pub fn new_workspace(id: &str, input: &WorkspaceInput) -> Self {
        let mut change = Self::workspace(id, input);
        change.effects.push(Effect::on("id", id, &[EventKind::WorkspaceCreated]));
        change
    }

    /// Returns the update of a workspace.
    #[must_use]
    pub fn workspace(id: &str, input: &WorkspaceInput) -> Self {
        let update = Effect::on("id", id, &[EventKind::WorkspaceUpdated]).changing(&[]);
        let update = input.settings().into_iter().fold(update, |update, setting| match setting {
            WorkspaceSettingInput::Name(text)
            | WorkspaceSettingInput::Description(text)
            | WorkspaceSettingInput::Discoverability(text) => {
                update.setting(setting.field(), NewValue::Is(text.into()))
            }
            WorkspaceSettingInput::Icon(_) | WorkspaceSettingInput::DefaultChannels(_) => {
                update.changing(&[setting.field()])
            }
        });
        let subject = Subject::Workspace(id.to_owned());
        Self { subject, workspace_ids: Vec::new(), effects: vec![update] }
    }
}

fn role_input(role_id: &str, workspace_id: Option<String>) -> RoleInput {
    RoleInput { id: role_id.to_owned(), workspace_id, channel_id: None }
}

/// Returns what the creation of a user explains before its id is known.
#[must_use]
pub fn new_user(input: &UserInput) -> Vec<Effect> {
    let Some(email) = input.primary_email() else { return Vec::new() };
    let of_user =
        |kinds: &[EventKind]| Effect { email: Some(email.to_owned()), ..Effect::any(kinds) };
    let update = of_user(&USER_UPDATE_KINDS);
    let update = Effect { changed: changed_fields(input), ..update };
    vec![of_user(&[EventKind::UserCreated]), update]
}

/// Returns what the creation of a group explains before its id is known.
#[must_use]
pub fn new_group(input: &GroupInput) -> Vec<Effect> {
    let name = input.name.value();
    name.map(|name| Effect::on("name", name, &[EventKind::GroupCreated])).into_iter().collect()
}

/// Returns what the creation of a workspace explains before its id is known.
#[must_use]
pub fn new_workspace(input: &WorkspaceInput) -> Vec<Effect> {
    vec![Effect::on("domain", &input.domain_or_default(), &[EventKind::WorkspaceCreated])]
}

/// Returns what a creation explains as soon as the id of the object is known.
#[must_use]
pub fn created(kind: CopyKind, id: &str) -> Vec<Effect> {
    match kind {
        CopyKind::User => OwnChange::whole_user(id).effects,
        CopyKind::Group => OwnChange::whole_group(id).effects,
        CopyKind::Workspace
        | CopyKind::WorkspaceMember
        | CopyKind::GroupMember
        | CopyKind::RoleAssignment => Vec::new(),
    }
}

/// Returns the workspace whose owners and admins a role may change.
fn level_place(role: &RoleInput) -> Option<String> {
    role.workspace_id.clone().filter(|_| role.id.starts_with(WORKSPACE_LEVEL))
}

/// Returns the events of a role: a level replaces the user's other levels in its place.
fn role_effects(user_id: &str, role: &RoleInput, direction: Direction) -> Vec<Effect> {
    let on = |kind: EventKind| {
        let held = Effect::on("user_id", user_id, &[kind]);
        match &role.workspace_id {
            Some(workspace) => held.with("workspace_id", workspace),
            None => held,
        }
    };
    let this = |kind: EventKind| Effect { role_ids: vec![role.id.clone()], ..on(kind) };
    let Some(level) = LEVELS.iter().find(|level| role.id.starts_with(**level)) else {
        return vec![this(match direction {
            Direction::Add => EventKind::RoleGranted,
            Direction::Remove => EventKind::RoleRevoked,
        })];
    };
    let others = |kind: EventKind| Effect { role_prefix: Some((*level).to_owned()), ..on(kind) };
    let mut effects = match direction {
        Direction::Add => vec![this(EventKind::RoleGranted), others(EventKind::RoleRevoked)],
        Direction::Remove => vec![this(EventKind::RoleRevoked), others(EventKind::RoleGranted)],
    };
    if *level == WORKSPACE_LEVEL {
        let owners = owners_effect(user_id);
        effects.push(match &role.workspace_id {
            Some(workspace) => owners.with("id", workspace),
            None => owners,
        });
    }
    effects
}

/// Returns the update of a workspace whose owners and admins this user joins or leaves.
#[must_use]
pub fn owners_effect(user_id: &str) -> Effect {
    let moved = || NewValue::Moved(user_id.to_owned());
    Effect::any(&[EventKind::WorkspaceUpdated])
        .setting("owner_ids", moved())
        .setting("admin_ids", moved())
}

/// Returns the events of a membership, and of the roles in the workspace.
fn member_effects(user_id: &str, workspace_id: &str, direction: Direction) -> Vec<Effect> {
    let kinds: &[EventKind] = match direction {
        Direction::Add => {
            // A guest becomes a member, so that a role is replaced.
            &[EventKind::RoleGranted, EventKind::RoleRevoked, EventKind::WorkspaceMemberAdded]
        }
        Direction::Remove => &[EventKind::RoleRevoked, EventKind::WorkspaceMemberRemoved],
    };
    vec![Effect::on("user_id", user_id, kinds).with("workspace_id", workspace_id)]
}
