//! Changes of the organization under its rules. Whoever changes anything does it through an
//! [`Edit`], which knows who acts and when, refuses what Slack refuses, and keeps what happened
//! for the audit log and for events. Nothing is changed by an edit that is refused.

mod flaw;
mod guests;
mod idp_groups;
mod members;
mod profile;
mod profile_text;
mod ranks;
mod roles;
mod sessions;
mod standing;
mod texts;
mod usergroups;
mod workspaces;

use std::ops::Deref;

pub use flaw::Flaw;
pub use idp_groups::GroupFlaw;
pub use members::{Entry, Invitation};
pub use profile_text::ProfileText;
pub use ranks::{Rank, Scope};
pub use sessions::Devices;
pub use usergroups::GroupWish;
pub use workspaces::{LONGEST_DOMAIN, NewWorkspace, Setting};

use super::{GroupIndex, Level, OrgLevel, Organization, PersonIndex, RoleAssignment};

/// Who changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// An account, through its token or a page.
    Person(PersonIndex),
    /// The provider itself, for example when a guest's stay ends.
    Provider,
}

/// Why the organization refuses a change. The skins give it the code of the method that asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// No account has that id.
    NoSuchPerson,
    /// No workspace has that id.
    NoSuchWorkspace,
    /// No group has that id.
    NoSuchGroup,
    /// No channel has that id.
    NoSuchChannel,
    /// Apps' accounts are left alone.
    Bot,
    /// The account is switched off.
    Deactivated,
    /// The account was asked into the workspace and has not come.
    Invited,
    /// The account is in the workspace already.
    AlreadyMember,
    /// The account is not in the workspace.
    NotMember,
    /// The account is a guest.
    Guest,
    /// The account is no guest.
    NotGuest,
    /// The primary owner, of the organization or of the workspace, is left alone.
    PrimaryOwner,
    /// An owner of the organization is left alone.
    OrgOwner,
    /// The account ranks in the organization; a workspace cannot take that away.
    RanksInOrganization,
    /// Only an owner may do this.
    ActorIsNoOwner,
    /// Only an admin may do this.
    ActorIsNoAdmin,
    /// Another one has that name.
    NameTaken,
    /// Another one has that domain, handle or address.
    Taken,
    /// The value has not the form that is asked for.
    Malformed,
    /// More than there may be.
    TooMany,
}

/// Something that happened, as far as the audit log and events tell of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An account was made.
    Created(PersonIndex),
    /// Somebody was invited into a workspace by mail.
    Invited {
        /// The invited account.
        person: PersonIndex,
        /// Where to.
        workspace: usize,
    },
    /// The profile or the handle of an account was changed.
    Profile(PersonIndex),
    /// An account was switched off everywhere.
    Deactivated(PersonIndex),
    /// An account was switched on again.
    Reactivated(PersonIndex),
    /// An account came into a workspace.
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
    /// The rank in a workspace changed.
    Level {
        /// The account.
        person: PersonIndex,
        /// The workspace.
        workspace: usize,
        /// The new rank.
        level: Level,
    },
    /// The rank in the organization changed.
    OrgLevel {
        /// The account.
        person: PersonIndex,
        /// The new rank.
        level: OrgLevel,
    },
    /// The end of a guest's stay was set.
    Expiration {
        /// The account.
        person: PersonIndex,
        /// Unix seconds, 0 for no end.
        at: i64,
    },
    /// A system role was given.
    RoleAssigned(RoleAssignment),
    /// A system role was taken away.
    RoleRemoved(RoleAssignment),
    /// A workspace was made.
    WorkspaceCreated(usize),
    /// A workspace has another name.
    WorkspaceRenamed(usize),
    /// Another setting of a workspace was changed.
    WorkspaceSetting {
        /// The workspace.
        workspace: usize,
        /// Which: `description`, `discoverability`, `icon` or `default_channels`.
        setting: &'static str,
    },
    /// A group was made.
    GroupCreated(GroupIndex),
    /// A group's name, handle, channels or workspaces were changed.
    GroupChanged(GroupIndex),
    /// Accounts came into a group or left it.
    GroupMembers {
        /// The group.
        group: GroupIndex,
        /// Who came.
        added: Vec<PersonIndex>,
        /// Who left.
        removed: Vec<PersonIndex>,
    },
    /// A group was removed for good.
    GroupDeleted {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// An account was signed out.
    SessionsEnded(PersonIndex),
    /// An account was signed out on one device.
    SessionEnded(PersonIndex),
    /// How long an account's sessions last was set, or is not set any more.
    SessionSettings(PersonIndex),
}

/// A change as it is kept: who did it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Who.
    pub actor: Actor,
    /// Unix seconds.
    pub at: i64,
    /// What.
    pub change: Change,
}

/// The organization while somebody changes it. It can be looked at like the organization itself.
#[derive(Debug)]
pub struct Edit<'a> {
    org: &'a mut Organization,
    actor: Actor,
    now: i64,
    changes: Vec<Recorded>,
}

impl<'a> Edit<'a> {
    /// Begins a change by somebody at a moment, in Unix seconds.
    pub(crate) fn new(org: &'a mut Organization, actor: Actor, now: i64) -> Self {
        Self { org, actor, now, changes: Vec::new() }
    }

    /// The moment of the change, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Who acts, unless it is the provider itself.
    #[must_use]
    pub fn actor(&self) -> Option<PersonIndex> {
        match self.actor {
            Actor::Person(index) => Some(index),
            Actor::Provider => None,
        }
    }

    /// What happened, in order.
    pub(crate) fn finish(self) -> Vec<Recorded> {
        self.changes
    }

    /// Keeps a change. The rule's method has made it already.
    fn record(&mut self, change: Change) {
        self.changes.push(Recorded { actor: self.actor, at: self.now, change });
    }
}

impl Deref for Edit<'_> {
    type Target = Organization;

    fn deref(&self) -> &Organization {
        self.org
    }
}
