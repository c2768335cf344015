//! The organization: its accounts, workspaces, system roles and groups, and ways to find them.
//! Rules and state only; `api` gives them Slack's shapes, `seed` makes them up.

mod channels;
mod edit;
mod groups;
mod people;
mod profile;
mod record;
mod role_names;
mod roles;
mod sessions;
mod workspaces;
mod zones;

use std::collections::{BTreeSet, HashMap};

pub use channels::Channel;
pub use edit::{
    Actor, Change, Devices, Edit, Entry, Flaw, GroupFlaw, GroupWish, Invitation, LONGEST_DOMAIN,
    NewWorkspace, ProfileText, Rank, Recorded, Rule, Scope, Setting,
};
pub use groups::{Group, GroupBook, GroupIndex, Keeper};
pub use people::{Job, Kind, Level, Membership, OrgLevel, Person, Place, Standing};
pub use profile::{Profile, Stay, Wanted};
pub use record::Record;
pub use role_names::role_name;
pub use roles::{RoleAssignment, RoleBook};
pub use sessions::{Device, MOST_SESSIONS, Session, SessionBook, SessionSettings};
use sha2::{Digest, Sha256};
pub use workspaces::{Discoverability, Workspace};

/// Where an account stands in the organization's list. Slack deletes no account, so it is stable.
pub type PersonIndex = usize;

/// A whole Grid organization.
#[derive(Debug, Clone)]
pub struct Organization {
    /// `E…`.
    pub id: String,
    /// The name people read.
    pub name: String,
    /// The first part of its host name.
    pub domain: String,
    /// The domain of the company's own addresses.
    pub email_domain: String,
    /// The workspaces, oldest first.
    pub workspaces: Vec<Workspace>,
    /// The groups, oldest first.
    pub groups: GroupBook,
    /// Who holds which system role.
    pub roles: RoleBook,
    people: Vec<Person>,
    /// The positions of the accounts that SCIM shows: all but bots.
    directory: Vec<PersonIndex>,
    by_id: HashMap<String, PersonIndex>,
    by_email: HashMap<String, PersonIndex>,
    by_username: HashMap<String, PersonIndex>,
    /// When guests' stays end. An entry may be out of date: the account itself decides.
    stays: BTreeSet<(i64, PersonIndex)>,
    /// What was done about sessions.
    pub sessions: SessionBook,
    /// The channels of those guests who were put into some.
    guest_channels: HashMap<PersonIndex, Vec<String>>,
    /// Counts the ids made since the start, so that none is made twice.
    ids_made: u64,
}

impl Organization {
    /// An organization without anybody in it.
    pub(crate) fn empty(id: String, name: &str, domain: &str, email_domain: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            domain: domain.to_owned(),
            email_domain: email_domain.to_owned(),
            workspaces: Vec::new(),
            groups: GroupBook::default(),
            roles: RoleBook::default(),
            people: Vec::new(),
            directory: Vec::new(),
            by_id: HashMap::new(),
            by_email: HashMap::new(),
            by_username: HashMap::new(),
            stays: BTreeSet::new(),
            sessions: SessionBook::default(),
            guest_channels: HashMap::new(),
            ids_made: 0,
        }
    }

    /// Adds an account and enters it into the indexes and its workspaces' lists.
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
        self.note_stay(index);
        index
    }

    /// Adds a group.
    pub(crate) fn add_group(&mut self, group: Group) -> GroupIndex {
        self.groups.add(group)
    }

    /// All accounts, oldest first.
    #[must_use]
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The accounts that SCIM shows, oldest first.
    #[must_use]
    pub fn directory(&self) -> &[PersonIndex] {
        &self.directory
    }

    /// The account at a position.
    #[must_use]
    pub fn person(&self, index: PersonIndex) -> Option<&Person> {
        self.people.get(index)
    }

    /// Changes one account. The indexes are the caller's to keep.
    pub(super) fn person_mut(&mut self, index: PersonIndex) -> Option<&mut Person> {
        self.people.get_mut(index)
    }

    /// Gives an account its rank in a workspace where it is.
    pub(crate) fn rank(&mut self, index: PersonIndex, workspace: usize, level: Level) {
        let person = self.people.get_mut(index);
        let memberships = person.into_iter().flat_map(|person| &mut person.memberships);
        for membership in memberships.filter(|one| one.workspace == workspace) {
            membership.level = level;
        }
    }

    /// The account with an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_id.get(id)?;
        Some((index, self.people.get(index)?))
    }

    /// The account with an address, in whatever case it is written.
    #[must_use]
    pub fn find_by_email(&self, email: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_email.get(&email.trim().to_lowercase())?;
        Some((index, self.people.get(index)?))
    }

    /// The one primary owner.
    #[must_use]
    pub fn primary_owner(&self) -> Option<&Person> {
        self.people.iter().find(|person| person.org_level == OrgLevel::PrimaryOwner)
    }

    /// The workspace with an id, and its position.
    #[must_use]
    pub fn workspace(&self, id: &str) -> Option<(usize, &Workspace)> {
        self.workspaces.iter().enumerate().find(|(_, workspace)| workspace.id == id)
    }

    /// The account with a handle, in whatever case it is written.
    #[must_use]
    pub fn find_by_username(&self, username: &str) -> Option<(PersonIndex, &Person)> {
        let index = *self.by_username.get(&username.trim().to_lowercase())?;
        Some((index, self.people.get(index)?))
    }

    /// Gives an account another handle.
    pub(super) fn rename(&mut self, index: PersonIndex, username: &str) {
        let Some(person) = self.people.get_mut(index) else {
            return;
        };
        let old = std::mem::replace(&mut person.username, username.to_owned());
        self.by_username.remove(&old.to_lowercase());
        self.by_username.insert(username.to_lowercase(), index);
    }

    /// Gives an account another primary address.
    pub(super) fn readdress(&mut self, index: PersonIndex, email: &str) {
        let Some(person) = self.people.get_mut(index) else {
            return;
        };
        let old = std::mem::replace(&mut person.email, email.to_owned());
        self.by_email.remove(&old.to_lowercase());
        self.by_email.insert(email.to_lowercase(), index);
    }

    /// Writes down when a guest's stay ends, so that somebody looks when it does.
    pub(super) fn note_stay(&mut self, index: PersonIndex) {
        let expires = self.people.get(index).map_or(0, Person::expires);
        if expires > 0 {
            self.stays.insert((expires, index));
        }
    }

    /// The guests who are still active although their stay has ended at `now`, in Unix seconds.
    pub(super) fn stays_until(&mut self, now: i64) -> Vec<PersonIndex> {
        let later = self.stays.split_off(&(now + 1, 0));
        let ended = std::mem::replace(&mut self.stays, later);
        let is_over = |index: &PersonIndex| {
            let person = self.people.get(*index).filter(|person| person.is_active());
            person.is_some_and(|person| (1..=now).contains(&person.expires()))
        };
        ended.into_iter().map(|(_, index)| index).filter(is_over).collect()
    }

    /// Whether a guest's stay has ended that nobody has looked at yet.
    pub(crate) fn has_stays_until(&self, now: i64) -> bool {
        self.stays.first().is_some_and(|(at, _)| *at <= now)
    }

    /// A new id: the prefix and ten capitals and digits, the same ones after the same start.
    pub(super) fn new_id(&mut self, prefix: &str) -> String {
        const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        self.ids_made += 1;
        let digest = Sha256::digest(format!("{} {prefix} {}", self.id, self.ids_made));
        let letter = |byte: &u8| {
            let place = usize::from(*byte) % ALPHABET.len();
            ALPHABET.get(place).map_or('0', |byte| char::from(*byte))
        };
        // The generator's own ids have a 0 in the second place; these have a 1.
        format!("{prefix}1{}", digest.iter().take(9).map(letter).collect::<String>())
    }

    /// The workspaces' ids of one account, in its own order.
    #[must_use]
    pub fn workspace_ids(&self, person: &Person) -> Vec<&str> {
        let of = |membership: &Membership| self.workspaces.get(membership.workspace);
        person.memberships.iter().filter_map(of).map(|workspace| workspace.id.as_str()).collect()
    }

    /// Where the organization's pages are.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}.enterprise.slack.com/", self.domain)
    }
}
