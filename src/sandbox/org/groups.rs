//! Groups: those managed by the identity provider, and user groups of a workspace. Slack gives both
//! ids with `S` and lists both in `usergroups.*`; SCIM lists only the former.

use std::collections::{BTreeMap, BTreeSet};

use super::PersonIndex;

/// Number of a group. Numbers are not reused.
pub type GroupIndex = usize;

/// A group of accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgGroup {
    /// `S…`.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Mention handle, without the `@`.
    pub handle: String,
    /// Description.
    pub description: String,
    /// Who manages it.
    pub owner: GroupOwner,
    /// Members.
    pub members: BTreeSet<PersonIndex>,
    /// The workspaces that a group of the identity provider is linked to.
    pub workspaces: BTreeSet<usize>,
    /// Default channels of its members, `C…`.
    pub channels: Vec<String>,
    /// Account that created it.
    pub created_by: PersonIndex,
    /// Account that last changed it.
    pub updated_by: PersonIndex,
    /// Unix seconds.
    pub created: i64,
    /// Unix seconds.
    pub updated: i64,
    /// Unix seconds when it was disabled; 0 while it is enabled.
    pub disabled: i64,
}

/// Who manages a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupOwner {
    /// The identity provider, through SCIM.
    IdentityProvider,
    /// The workspace at this position, through `usergroups.*`.
    Workspace(usize),
}

impl OrgGroup {
    /// Returns a group without members.
    #[must_use]
    pub fn new(id: String, name: &str, keeper: GroupOwner, by: PersonIndex, created: i64) -> Self {
        Self {
            id,
            name: name.to_owned(),
            handle: String::new(),
            description: String::new(),
            owner: keeper,
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
pub struct GroupTable {
    rows: BTreeMap<GroupIndex, OrgGroup>,
    next: GroupIndex,
}

impl GroupTable {
    /// Adds a group.
    pub(super) fn add(&mut self, group: OrgGroup) -> GroupIndex {
        let index = self.next;
        self.next += 1;
        self.rows.insert(index, group);
        index
    }

    /// Removes a group and returns it.
    pub(super) fn remove(&mut self, index: GroupIndex) -> Option<OrgGroup> {
        self.rows.remove(&index)
    }

    /// Returns a group for changes.
    pub(super) fn get_mut(&mut self, index: GroupIndex) -> Option<&mut OrgGroup> {
        self.rows.get_mut(&index)
    }

    /// Returns the group with this number.
    #[must_use]
    pub fn get(&self, index: GroupIndex) -> Option<&OrgGroup> {
        self.rows.get(&index)
    }

    /// Returns the group with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<(GroupIndex, &OrgGroup)> {
        self.iter().find(|(_, group)| group.id == id)
    }

    /// Returns all groups with their numbers.
    #[must_use = "an iterator does nothing unless consumed"]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (GroupIndex, &OrgGroup)> {
        self.rows.iter().map(|(index, group)| (*index, group))
    }

    /// Returns the groups managed by the identity provider.
    #[must_use = "an iterator does nothing unless consumed"]
    pub fn idp_groups(&self) -> impl Iterator<Item = (GroupIndex, &OrgGroup)> {
        self.iter().filter(|(_, group)| group.owner == GroupOwner::IdentityProvider)
    }
}
