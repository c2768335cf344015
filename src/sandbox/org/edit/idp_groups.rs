//! Groups managed by the identity provider. Their members join the workspaces that the group is
//! linked to, and leave them with the group.

use std::collections::BTreeSet;

use super::{Edit, MembershipInput, OrgChange};
use crate::sandbox::org::{GroupIndex, GroupOwner, OrgGroup, PersonIndex, WorkspaceLevel};

/// Maximum number of members of an identity provider's group.
const MAX_MEMBERS: usize = 15_000;

/// Reasons why a change of an identity provider's group is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupError {
    /// The identity provider has no group with this number.
    NoSuchGroup,
    /// The name is empty.
    NameEmpty,
    /// There are too many members.
    TooMany,
    /// A member is deactivated or a single-channel guest.
    MemberNotAllowed,
    /// The group has linked channels.
    HasLinkedChannels,
}

impl Edit<'_> {
    /// Creates a group.
    ///
    /// # Errors
    ///
    /// All but [`GroupError::NoSuchGroup`] and [`GroupError::HasLinkedChannels`].
    pub fn create_group(
        &mut self,
        name: &str,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<GroupIndex, GroupError> {
        self.validate_group(name, members.len(), members.iter())?;
        let id = self.org.new_id("S");
        let by = self.actor().unwrap_or_default();
        let group = OrgGroup::new(id, name.trim(), GroupOwner::IdentityProvider, by, self.now);
        let index = self.org.add_group(group);
        self.record(OrgChange::GroupCreated(index));
        self.replace_members(index, members);
        Ok(index)
    }

    /// Sets the name and the members of a group.
    ///
    /// # Errors
    ///
    /// All but [`GroupError::HasLinkedChannels`].
    pub fn update_group(
        &mut self,
        index: GroupIndex,
        name: &str,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<(), GroupError> {
        let group = self.idp_group(index)?;
        let renamed = group.name != name.trim();
        // A group above the maximum may still lose members.
        let grows = members.difference(&group.members).next().is_some();
        let size = if grows { members.len() } else { 0 };
        self.validate_group(name, size, members.difference(&group.members))?;
        if renamed {
            self.touch(index, |group| name.trim().clone_into(&mut group.name));
            self.record(OrgChange::GroupChanged(index));
        }
        self.replace_members(index, members);
        Ok(())
    }

    /// Deletes a group. Its members stay in the linked workspaces.
    ///
    /// # Errors
    ///
    /// [`GroupError::NoSuchGroup`], [`GroupError::HasLinkedChannels`].
    pub fn delete_group(&mut self, index: GroupIndex) -> Result<(), GroupError> {
        if !self.idp_group(index)?.channels.is_empty() {
            return Err(GroupError::HasLinkedChannels);
        }
        let group = self.org.groups.remove(index).ok_or(GroupError::NoSuchGroup)?;
        for member in group.members {
            if let Some(person) = self.org.person_mut(member) {
                person.groups.retain(|one| *one != index);
            }
        }
        self.record(OrgChange::GroupDeleted { id: group.id, name: group.name });
        Ok(())
    }

    fn idp_group(&self, index: GroupIndex) -> Result<&OrgGroup, GroupError> {
        let group = self.groups.get(index).ok_or(GroupError::NoSuchGroup)?;
        let provided = group.owner == GroupOwner::IdentityProvider;
        if provided { Ok(group) } else { Err(GroupError::NoSuchGroup) }
    }

    fn validate_group<'b>(
        &self,
        name: &str,
        size: usize,
        mut added: impl Iterator<Item = &'b PersonIndex>,
    ) -> Result<(), GroupError> {
        if name.trim().is_empty() {
            return Err(GroupError::NameEmpty);
        }
        if size > MAX_MEMBERS {
            return Err(GroupError::TooMany);
        }
        let admitted = |index: &PersonIndex| {
            let person = self.person(*index).filter(|person| person.is_active());
            person.is_some_and(|person| {
                person.guest_level() != Some(WorkspaceLevel::SingleChannelGuest)
            })
        };
        if added.all(admitted) { Ok(()) } else { Err(GroupError::MemberNotAllowed) }
    }

    /// Replaces the members of a group, and updates the linked workspaces.
    fn replace_members(&mut self, index: GroupIndex, members: &BTreeSet<PersonIndex>) {
        let linked = self.groups.get(index).map(|group| group.workspaces.clone());
        let (added, removed) = self.set_members(index, members);
        for team in linked.unwrap_or_default() {
            self.sync_linked_workspace(team, &added, &removed);
        }
    }

    /// Adds new members of a group to a linked workspace, and removes former members unless another
    /// linked group contains them.
    fn sync_linked_workspace(
        &mut self,
        team: usize,
        added: &[PersonIndex],
        removed: &[PersonIndex],
    ) {
        let entry =
            MembershipInput { level: WorkspaceLevel::Member, channels: Vec::new(), expires: 0 };
        for member in added.iter().copied() {
            // Guests and existing members are left unchanged.
            let _ = self.assign(member, team, &entry);
        }
        for member in removed.iter().copied() {
            let links = |group: &OrgGroup| group.workspaces.contains(&team);
            let groups = self.person(member).map(|person| person.groups.iter());
            let mut others = groups.into_iter().flatten().filter_map(|one| self.groups.get(*one));
            if !others.any(links) {
                // Primary owners and non-members are left unchanged.
                let _ = self.remove(member, team);
            }
        }
    }
}
