//! Validated changes of the organization. All changes go through an [`Edit`], which has the actor
//! and the time, rejects what Slack rejects, and records each change for the audit log and events.
//! A rejected edit changes nothing.

mod activation;
mod error;
mod guests;
mod idp_groups;
mod levels;
mod members;
mod profile;
mod profile_text;
mod roles;
mod sessions;
mod sign_in;
mod usergroups;
mod validate;
mod workspaces;

use std::ops::Deref;

pub use error::ProfileError;
pub use idp_groups::GroupError;
pub use levels::{AssignableLevel, LevelScope};
pub use members::{EmailInvitation, MembershipInput};
pub use profile_text::ProfileText;
pub use sessions::DeviceFilter;
pub use usergroups::UserGroupInput;
pub use workspaces::{MAX_DOMAIN_LENGTH, WorkspaceSettingChange, WorkspaceSpec};

use super::{
    GridOrganization, GroupIndex, OrgLevel, PersonIndex, Profile, SystemRoleAssignment,
    WorkspaceLevel,
};

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// An account, through its token or a page.
    Person(PersonIndex),
    /// The provider itself, for example when a guest's access expires.
    Provider,
}

/// Reasons why the organization rejects a change. `api` maps them to the error codes of the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditError {
    /// No account has this id.
    NoSuchPerson,
    /// No workspace has this id.
    NoSuchWorkspace,
    /// No group has this id.
    NoSuchGroup,
    /// No channel has this id.
    NoSuchChannel,
    /// The account is a bot.
    Bot,
    /// The account is deactivated.
    Deactivated,
    /// The account has a pending invitation to the workspace.
    Invited,
    /// The account is a member of the workspace already.
    AlreadyMember,
    /// The account is not a member of the workspace.
    NotMember,
    /// The account is a guest.
    Guest,
    /// The account is not a guest.
    NotGuest,
    /// The account is the primary owner of the organization or the workspace.
    PrimaryOwner,
    /// The account is an owner of the organization.
    OrgOwner,
    /// The account is an admin or owner of the organization, so its workspace level is fixed.
    HasOrgLevel,
    /// Only an owner may make this change.
    ActorNotOwner,
    /// Only an admin may make this change.
    ActorNotAdmin,
    /// The name is in use.
    NameTaken,
    /// The domain, handle or address is in use.
    Taken,
    /// The value is malformed.
    Malformed,
    /// A maximum is exceeded.
    TooMany,
}

/// A change of the organization, as the audit log and events report it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrgChange {
    /// An account was created.
    Created(PersonIndex),
    /// A person was invited into a workspace by e-mail.
    Invited {
        /// The invited account.
        person: PersonIndex,
        /// The workspace.
        workspace: usize,
    },
    /// The profile or the username of an account was changed.
    Profile {
        /// The account.
        person: PersonIndex,
        /// What was changed.
        fields: ProfileChange,
    },
    /// The status text or emoji of an account was changed.
    Status(PersonIndex),
    /// An account was deactivated.
    Deactivated(PersonIndex),
    /// An account was reactivated.
    Reactivated(PersonIndex),
    /// An account joined a workspace.
    Joined {
        /// The account.
        person: PersonIndex,
        /// The workspace.
        workspace: usize,
    },
    /// An account left a workspace.
    Left {
        /// The account.
        person: PersonIndex,
        /// The workspace.
        workspace: usize,
    },
    /// The level in a workspace was changed.
    Level {
        /// The account.
        person: PersonIndex,
        /// The workspace; `None` for an account without workspaces that became a guest or a full
        /// member.
        workspace: Option<usize>,
        /// The new level.
        level: WorkspaceLevel,
    },
    /// The level in the organization was changed.
    OrgLevel {
        /// The account.
        person: PersonIndex,
        /// The new level.
        level: OrgLevel,
    },
    /// The expiration of a guest was set.
    Expiration {
        /// The account.
        person: PersonIndex,
        /// Unix seconds, 0 for never.
        at: i64,
    },
    /// A system role was assigned.
    RoleAssigned(SystemRoleAssignment),
    /// A system role was removed.
    RoleRemoved(SystemRoleAssignment),
    /// A workspace was created.
    WorkspaceCreated(usize),
    /// A workspace was renamed.
    WorkspaceRenamed(usize),
    /// Another setting of a workspace was changed.
    WorkspaceSetting {
        /// The workspace.
        workspace: usize,
        /// Which: `description`, `discoverability`, `icon` or `default_channels`.
        setting: &'static str,
    },
    /// A group was created.
    GroupCreated(GroupIndex),
    /// A group's name, handle or description was changed, or it was enabled or disabled.
    GroupChanged(GroupIndex),
    /// A group was linked to workspaces.
    GroupLinked {
        /// The group.
        group: GroupIndex,
        /// The workspaces that it was not linked to before.
        workspaces: Vec<usize>,
    },
    /// Default channels were added to a group or removed.
    GroupChannels {
        /// The group.
        group: GroupIndex,
        /// Ids of the added channels.
        added: Vec<String>,
        /// Ids of the removed channels.
        removed: Vec<String>,
    },
    /// Members were added to a group or removed.
    GroupMembers {
        /// The group.
        group: GroupIndex,
        /// The added accounts.
        added: Vec<PersonIndex>,
        /// The removed accounts.
        removed: Vec<PersonIndex>,
        /// Unix seconds of the group's previous change.
        previous_update: i64,
    },
    /// A group was deleted.
    GroupDeleted {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// All sessions of an account were ended.
    SessionsEnded(PersonIndex),
    /// One session of an account was ended.
    SessionEnded(PersonIndex),
    /// Session settings of an account were changed or removed.
    SessionSettings(PersonIndex),
    /// The organization was renamed.
    OrganizationRenamed,
}

/// What a change of a profile covers, as far as its audit log entries depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProfileChange {
    /// Whether a name, the title or the picture was changed.
    pub shown: bool,
    /// Whether the primary e-mail address was changed.
    pub email: bool,
}

impl ProfileChange {
    /// Returns what differs between two profiles.
    #[must_use]
    pub fn between(old: &Profile, new: &Profile) -> Self {
        let shown = old.first_name != new.first_name
            || old.last_name != new.last_name
            || old.display_name != new.display_name
            || old.job.title != new.job.title
            || old.scim.photo != new.scim.photo;
        Self { shown, email: old.email != new.email }
    }
}

/// A change with its actor and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedChange {
    /// Who made it.
    pub actor: Actor,
    /// Unix seconds.
    pub at: i64,
    /// The change.
    pub change: OrgChange,
}

/// A change in progress. It dereferences to the organization for reading.
#[derive(Debug)]
pub struct Edit<'a> {
    org: &'a mut GridOrganization,
    actor: Actor,
    now: i64,
    changes: Vec<RecordedChange>,
}

impl<'a> Edit<'a> {
    /// Starts a change by `actor` at `now`, in Unix seconds.
    pub(crate) fn new(org: &'a mut GridOrganization, actor: Actor, now: i64) -> Self {
        Self { org, actor, now, changes: Vec::new() }
    }

    /// Returns the time of the change in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Returns the account that makes the change, or `None` for the provider.
    #[must_use]
    pub fn actor(&self) -> Option<PersonIndex> {
        match self.actor {
            Actor::Person(index) => Some(index),
            Actor::Provider => None,
        }
    }

    /// Whether any change has been made.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Returns the recorded changes, oldest first.
    pub(crate) fn finish(self) -> Vec<RecordedChange> {
        self.changes
    }

    /// Records a change that the calling method has already applied.
    fn record(&mut self, change: OrgChange) {
        self.changes.push(RecordedChange { actor: self.actor, at: self.now, change });
    }
}

impl Deref for Edit<'_> {
    type Target = GridOrganization;

    fn deref(&self) -> &GridOrganization {
        self.org
    }
}
