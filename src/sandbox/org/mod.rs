//! The organization: its accounts, workspaces, system roles and groups, and ways to find them.
//! Rules and state only; `api` gives them Slack's shapes, `seed` makes them up.

mod people;
mod roles;
mod workspaces;

use std::collections::{BTreeSet, HashMap};

pub use people::{Job, Kind, Level, Membership, OrgLevel, Person, Place, Standing};
pub use roles::{RoleAssignment, RoleBook};
pub use workspaces::{Channel, Discoverability, Workspace};

/// Where an account stands in the organization's list. Slack deletes no account, so it is stable.
pub type PersonIndex = usize;

/// A group that the identity provider keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `S…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: BTreeSet<PersonIndex>,
    /// Unix seconds.
    pub created: i64,
}

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
    pub groups: Vec<Group>,
    /// Who holds which system role.
    pub roles: RoleBook,
    people: Vec<Person>,
    /// The positions of the accounts that SCIM shows: all but bots.
    directory: Vec<PersonIndex>,
    by_id: HashMap<String, PersonIndex>,
    by_email: HashMap<String, PersonIndex>,
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
            groups: Vec::new(),
            roles: RoleBook::default(),
            people: Vec::new(),
            directory: Vec::new(),
            by_id: HashMap::new(),
            by_email: HashMap::new(),
        }
    }

    /// Adds an account and enters it into the indexes and its workspaces' lists.
    pub(crate) fn add_person(&mut self, person: Person) -> PersonIndex {
        let index = self.people.len();
        self.by_id.insert(person.id.clone(), index);
        if !person.email.is_empty() {
            self.by_email.insert(person.email.to_lowercase(), index);
        }
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
        index
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

    /// Changes one account. The id and the address must stay as they are.
    pub fn person_mut(&mut self, index: PersonIndex) -> Option<&mut Person> {
        self.people.get_mut(index)
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

    /// The group with an id.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.id == id)
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
