//! The organization: its accounts, workspaces, system roles and groups, and lookups. State and
//! rules only; `api` renders it in Slack's formats, `seed` generates it.

mod channels;
mod derived_attributes;
mod edit;
mod external_people;
mod groups;
mod people;
mod profile;
mod role_names;
mod roles;
mod scim_attributes;
mod sessions;
mod time_zones;
mod workspaces;

use std::collections::{BTreeSet, HashMap};

pub use channels::Channel;
pub use edit::{
    Actor, AssignableLevel, DeviceFilter, Edit, EditError, EmailInvitation, GroupError, LevelScope,
    MAX_DOMAIN_LENGTH, MembershipInput, OrgChange, ProfileChange, ProfileError, ProfileText,
    RecordedChange, UserGroupInput, WorkspaceSettingChange, WorkspaceSpec,
};
pub use external_people::ExternalPerson;
pub use groups::{GroupIndex, GroupOwner, GroupTable, OrgGroup};
pub use people::{
    JobInfo, Location, OrgLevel, Person, PersonKind, PersonStatus, WorkspaceLevel,
    WorkspaceMembership,
};
pub use profile::{GuestAccess, PersonUpdate, Profile, ProfileStatus};
pub use role_names::role_name;
pub use roles::{RoleAssignmentTable, SystemRoleAssignment};
pub use scim_attributes::ScimAttributes;
pub use sessions::{DeviceModel, MAX_SESSIONS, Session, SessionSettings, SessionTable};
use sha2::{Digest, Sha256};
pub use workspaces::{Discoverability, GridWorkspace};

/// Position of an account in the organization's list. It is stable, because Slack deletes no
/// account.
pub type PersonIndex = usize;

/// A Grid organization.
#[derive(Debug, Clone)]
pub struct GridOrganization {
    /// `E…`.
    pub id: String,
    /// Display name.
    pub name: String,
    /// First label of its host name.
    pub domain: String,
    /// Domain of the company's e-mail addresses.
    pub email_domain: String,
    /// The workspaces, oldest first.
    pub workspaces: Vec<GridWorkspace>,
    /// The groups, oldest first.
    pub groups: GroupTable,
    /// Assignments of system roles.
    pub roles: RoleAssignmentTable,
    /// People of other companies in shared channels.
    pub external_people: Vec<ExternalPerson>,
    people: Vec<Person>,
    /// Positions of the accounts that SCIM lists: all but bots.
    directory: Vec<PersonIndex>,
    by_id: HashMap<String, PersonIndex>,
    by_email: HashMap<String, PersonIndex>,
    by_username: HashMap<String, PersonIndex>,
    /// When guests' access expires. Entries may be outdated: the account's own value decides.
    guest_expirations: BTreeSet<(i64, PersonIndex)>,
    /// Ended sessions and session settings.
    pub sessions: SessionTable,
    /// Channels of the guests who were added to some.
    guest_channels: HashMap<PersonIndex, Vec<String>>,
    /// Statuses of the accounts that have set one.
    statuses: HashMap<PersonIndex, ProfileStatus>,
    /// Number of ids generated since the start, so that each is unique.
    id_count: u64,
}

impl GridOrganization {
    /// Returns an organization without accounts.
    pub(crate) fn empty(id: String, name: &str, domain: &str, email_domain: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            domain: domain.to_owned(),
            email_domain: email_domain.to_owned(),
            workspaces: Vec::new(),
            groups: GroupTable::default(),
            roles: RoleAssignmentTable::default(),
            external_people: Vec::new(),
            people: Vec::new(),
            directory: Vec::new(),
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            by_username: HashMap::new(),
            guest_expirations: BTreeSet::new(),
            sessions: SessionTable::default(),
            guest_channels: HashMap::new(),
            statuses: HashMap::new(),
            id_count: 0,
        }
    }

    /// Adds an account and updates the indexes, workspaces and groups.
    pub(crate) fn add_person(&mut self, person: Person) -> PersonIndex {
        let index = self.people.len();
        self.by_id.insert(person.id.clone(), index);
        if !person.email.is_empty() {
            self.by_email.insert(person.email.to_lowercase(), index);
        }
        self.by_username.insert(person.username.to_lowercase(), index);
        if !person.is_bot() {
            self.directory.push(index);
        }
        for membership in &person.memberships {
            if let Some(workspace) = self.workspaces.get_mut(membership.workspace) {
                workspace.members.insert(index);
            }
        }
        for group in &person.groups {
            if let Some(group) = self.groups.get_mut(*group) {
                group.members.insert(index);
            }
        }
        self.people.push(person);
        self.index_guest_expiration(index);
        index
    }

    /// Adds a group.
    pub(crate) fn add_group(&mut self, group: OrgGroup) -> GroupIndex {
        self.groups.add(group)
    }

    /// Returns all accounts, oldest first.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// Returns the accounts that SCIM lists, oldest first.
    #[must_use]
    pub fn directory(&self) -> &[PersonIndex] {
        &self.directory
    }

    /// Returns the account at a position.
    #[must_use]
    pub fn person(&self, index: PersonIndex) -> Option<&Person> {
        self.people.get(index)
    }

    /// Returns an account for changes. The caller updates the indexes.
    pub(super) fn person_mut(&mut self, index: PersonIndex) -> Option<&mut Person> {
        self.people.get_mut(index)
    }

    /// Sets the level of an account in a workspace that it is a member of.
    pub(crate) fn set_workspace_level(
        &mut self,
        index: PersonIndex,
        workspace: usize,
        level: WorkspaceLevel,
    ) {
        let person = self.people.get_mut(index);
        let memberships = person.into_iter().flat_map(|person| &mut person.memberships);
        for membership in memberships.filter(|one| one.workspace == workspace) {
            membership.level = level;
        }
    }

    /// Returns the account with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_id.get(id)?;
        Some((index, self.people.get(index)?))
    }

    /// Returns the account with this e-mail address, ignoring case.
    #[must_use]
    pub fn find_by_email(&self, email: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_email.get(&email.trim().to_lowercase())?;
        Some((index, self.people.get(index)?))
    }

    /// Returns the status of an account; both parts are empty if it has none.
    #[must_use]
    pub fn status(&self, person: &Person) -> ProfileStatus {
        let index = self.by_id.get(&person.id);
        index.and_then(|index| self.statuses.get(index)).cloned().unwrap_or_default()
    }

    /// Returns the primary owner.
    #[must_use]
    pub fn primary_owner(&self) -> Option<&Person> {
        self.people.iter().find(|person| person.org_level == OrgLevel::PrimaryOwner)
    }

    /// Returns the workspace with this id, and its position.
    #[must_use]
    pub fn workspace(&self, id: &str) -> Option<(usize, &GridWorkspace)> {
        self.workspaces.iter().enumerate().find(|(_, workspace)| workspace.id == id)
    }

    /// Returns the account with this username, ignoring case.
    #[must_use]
    pub fn find_by_username(&self, username: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_username.get(&username.trim().to_lowercase())?;
        Some((index, self.people.get(index)?))
    }

    /// Changes the username of an account.
    pub(super) fn rename(&mut self, index: PersonIndex, username: &str) {
        let Some(person) = self.people.get_mut(index) else {
            return;
        };
        let old = std::mem::replace(&mut person.username, username.to_owned());
        self.by_username.remove(&old.to_lowercase());
        self.by_username.insert(username.to_lowercase(), index);
    }

    /// Changes the primary e-mail address of an account.
    pub(super) fn change_email(&mut self, index: PersonIndex, email: &str) {
        let Some(person) = self.people.get_mut(index) else {
            return;
        };
        let old = std::mem::replace(&mut person.email, email.to_owned());
        self.by_email.remove(&old.to_lowercase());
        self.by_email.insert(email.to_lowercase(), index);
    }

    /// Indexes when a guest's access expires.
    pub(super) fn index_guest_expiration(&mut self, index: PersonIndex) {
        let expires = self.people.get(index).map_or(0, Person::expires);
        if expires > 0 {
            self.guest_expirations.insert((expires, index));
        }
    }

    /// Returns the active guests whose access has expired at `now`, in Unix seconds, and removes
    /// their index entries.
    pub(super) fn take_expired_guests(&mut self, now: i64) -> Vec<PersonIndex> {
        let later = self.guest_expirations.split_off(&(now + 1, 0));
        let ended = std::mem::replace(&mut self.guest_expirations, later);
        let is_over = |index: &PersonIndex| {
            let person = self.people.get(*index).filter(|person| person.is_active());
            person.is_some_and(|person| (1..=now).contains(&person.expires()))
        };
        ended.into_iter().map(|(_, index)| index).filter(is_over).collect()
    }

    /// Whether the index has entries that have expired at `now`.
    pub(crate) fn has_expired_guests(&self, now: i64) -> bool {
        self.guest_expirations.first().is_some_and(|(at, _)| *at <= now)
    }

    /// Returns a new id: the prefix and ten capitals and digits; deterministic for a seed.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        self.id_count += 1;
        let digest = Sha256::digest(format!("{} {prefix} {}", self.id, self.id_count));
        let letter = |byte: &u8| {
            let place = usize::from(*byte) % ALPHABET.len();
            ALPHABET.get(place).map_or('0', |byte| char::from(*byte))
        };
        // Generated ids have a 0 at the second place; these have a 1.
        format!("{prefix}1{}", digest.iter().take(9).map(letter).collect::<String>())
    }

    /// Returns the ids of an account's workspaces, in its order.
    #[must_use]
    pub fn workspace_ids(&self, person: &Person) -> Vec<&str> {
        let of = |membership: &WorkspaceMembership| self.workspaces.get(membership.workspace);
        person.memberships.iter().filter_map(of).map(|workspace| workspace.id.as_str()).collect()
    }

    /// Returns the base URL of the organization's pages.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}.enterprise.slack.com/", self.domain)
    }
}
