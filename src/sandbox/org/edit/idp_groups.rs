//! The groups that the identity provider keeps. Whoever comes into one comes into the workspaces
//! that it is linked to, and leaves them with it.

use std::collections::BTreeSet;

use super::{Change, Edit, Entry};
use crate::sandbox::org::{Group, GroupIndex, Keeper, Level, PersonIndex};

/// A group of the identity provider has no more members than this.
const MOST_MEMBERS: usize = 15_000;

/// Why a group of the identity provider is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupFlaw {
    /// The identity provider keeps no group with that number.
    NoSuchGroup,
    /// It would have no name.
    NameEmpty,
    /// It would have too many members.
    TooMany,
    /// Somebody is switched off, or a guest of a single channel.
    NotAdmitted,
    /// Channels depend on it.
    Linked,
}

impl Edit<'_> {
    /// Makes a group.
    ///
    /// # Errors
    ///
    /// All but [`GroupFlaw::NoSuchGroup`] and [`GroupFlaw::Linked`].
    pub fn create_group(
        &mut self,
        name: &str,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<GroupIndex, GroupFlaw> {
        self.check_group(name, members.len(), members.iter())?;
        let id = self.org.new_id("S");
        let by = self.actor().unwrap_or_default();
        let group = Group::new(id, name.trim(), Keeper::IdentityProvider, by, self.now);
        let index = self.org.add_group(group);
        self.record(Change::GroupCreated(index));
        self.let_in(index, members);
        Ok(index)
    }

    /// Gives a group a name and its members.
    ///
    /// # Errors
    ///
    /// All but [`GroupFlaw::Linked`].
    pub fn update_group(
        &mut self,
        index: GroupIndex,
        name: &str,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<(), GroupFlaw> {
        let group = self.provided_group(index)?;
        let renamed = group.name != name.trim();
        // One that is too large already may still lose members.
        let grows = members.difference(&group.members).next().is_some();
        let size = if grows { members.len() } else { 0 };
        self.check_group(name, size, members.difference(&group.members))?;
        if renamed {
            self.touch(index, |group| name.trim().clone_into(&mut group.name));
            self.record(Change::GroupChanged(index));
        }
        self.let_in(index, members);
        Ok(())
    }

    /// Removes a group for good. Its members stay in the workspaces that it was linked to.
    ///
    /// # Errors
    ///
    /// [`GroupFlaw::NoSuchGroup`], [`GroupFlaw::Linked`].
    pub fn delete_group(&mut self, index: GroupIndex) -> Result<(), GroupFlaw> {
        if !self.provided_group(index)?.channels.is_empty() {
            return Err(GroupFlaw::Linked);
        }
        let group = self.org.groups.remove(index).ok_or(GroupFlaw::NoSuchGroup)?;
        for member in group.members {
            if let Some(person) = self.org.person_mut(member) {
                person.groups.retain(|one| *one != index);
            }
        }
        self.record(Change::GroupDeleted { id: group.id, name: group.name });
        Ok(())
    }

    fn provided_group(&self, index: GroupIndex) -> Result<&Group, GroupFlaw> {
        let group = self.groups.get(index).ok_or(GroupFlaw::NoSuchGroup)?;
        let provided = group.keeper == Keeper::IdentityProvider;
        if provided { Ok(group) } else { Err(GroupFlaw::NoSuchGroup) }
    }

    fn check_group<'b>(
        &self,
        name: &str,
        size: usize,
        mut added: impl Iterator<Item = &'b PersonIndex>,
    ) -> Result<(), GroupFlaw> {
        if name.trim().is_empty() {
            return Err(GroupFlaw::NameEmpty);
        }
        if size > MOST_MEMBERS {
            return Err(GroupFlaw::TooMany);
        }
        let admitted = |index: &PersonIndex| {
            let person = self.person(*index).filter(|person| person.is_active());
            person.is_some_and(|person| person.guest() != Some(Level::SingleChannelGuest))
        };
        if added.all(admitted) { Ok(()) } else { Err(GroupFlaw::NotAdmitted) }
    }

    /// Lets a group have these members, and the workspaces that it is linked to as well.
    fn let_in(&mut self, index: GroupIndex, members: &BTreeSet<PersonIndex>) {
        let linked = self.groups.get(index).map(|group| group.workspaces.clone());
        let (added, removed) = self.set_members(index, members);
        for team in linked.unwrap_or_default() {
            self.follow_link(team, &added, &removed);
        }
    }

    /// Brings those who came into a group into a workspace that it is linked to, and takes those
    /// out who left it, unless another group keeps them there.
    fn follow_link(&mut self, team: usize, added: &[PersonIndex], removed: &[PersonIndex]) {
        let entry = Entry { level: Level::Member, channels: Vec::new(), expires: 0 };
        for member in added.iter().copied() {
            // Guests, and those who are there already, stay where they are.
            let _ = self.assign(member, team, &entry);
        }
        for member in removed.iter().copied() {
            let links = |group: &Group| group.workspaces.contains(&team);
            let groups = self.person(member).map(|person| person.groups.iter());
            let mut others = groups.into_iter().flatten().filter_map(|one| self.groups.get(*one));
            if !others.any(links) {
                // Primary owners and those who are not there stay as they are.
                let _ = self.remove(member, team);
            }
        }
    }
}
