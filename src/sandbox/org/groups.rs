//! Groups: those that the identity provider keeps, and those that a workspace made for itself.
//! Slack gives both an id with `S` and shows both to `usergroups.*`; SCIM knows the first alone.

use std::collections::{BTreeMap, BTreeSet};

use super::PersonIndex;

/// The number of a group. It is never given to another one.
pub type GroupIndex = usize;

/// A group of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `S…`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is mentioned by, without the `@`.
    pub handle: String,
    /// A sentence about it.
    pub description: String,
    /// Who keeps it.
    pub keeper: Keeper,
    /// Who is in it.
    pub members: BTreeSet<PersonIndex>,
    /// The workspaces that a group of the identity provider is linked to.
    pub workspaces: BTreeSet<usize>,
    /// The channels that its members are put into, `C…`.
    pub channels: Vec<String>,
    /// Who made it.
    pub created_by: PersonIndex,
    /// Who changed it last.
    pub updated_by: PersonIndex,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub updated: i64,
    /// Unix seconds since when it is switched off; 0 while it is on.
    pub disabled: i64,
}

/// Who keeps a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// The identity provider, through SCIM.
    IdentityProvider,
    /// The workspace with this position, through `usergroups.*`.
    Workspace(usize),
}

impl Group {
    /// A group without anybody in it.
    #[must_use]
    pub fn new(id: String, name: &str, keeper: Keeper, by: PersonIndex, created: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            handle: String::new(),
            description: String::new(),
            keeper,
            members: BTreeSet::new(),
            workspaces: BTreeSet::new(),
            channels: Vec::new(),
            created_by: by,
            updated_by: by,
            created,
            updated: created,
            disabled: 0,
        }
    }
}

/// All groups, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupBook {
    rows: BTreeMap<GroupIndex, Group>,
    next: GroupIndex,
}

impl GroupBook {
    /// Adds a group.
    pub(super) fn add(&mut self, group: Group) -> GroupIndex {
        let index = self.next;
        self.next += 1;
        self.rows.insert(index, group);
        index
    }

    /// Forgets a group.
    pub(super) fn remove(&mut self, index: GroupIndex) -> Option<Group> {
        self.rows.remove(&index)
    }

    /// Changes a group.
    pub(super) fn get_mut(&mut self, index: GroupIndex) -> Option<&mut Group> {
        self.rows.get_mut(&index)
    }

    /// The group with a number.
    #[must_use]
    pub fn get(&self, index: GroupIndex) -> Option<&Group> {
        self.rows.get(&index)
    }

    /// The group with an id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(GroupIndex, &Group)> {
        self.iter().find(|(_, group)| group.id == id)
    }

    /// All groups with their numbers.
    #[must_use = "an iterator does nothing by itself"]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (GroupIndex, &Group)> {
        self.rows.iter().map(|(index, group)| (*index, group))
    }

    /// The groups that the identity provider keeps.
    #[must_use = "an iterator does nothing by itself"]
    pub fn of_identity_provider(&self) -> impl Iterator<Item = (GroupIndex, &Group)> {
        self.iter().filter(|(_, group)| group.keeper == Keeper::IdentityProvider)
    }
}
