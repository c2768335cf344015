//! User groups of workspaces, and the links of the identity provider's groups to workspaces and
//! channels.

use std::collections::BTreeSet;

use super::{Edit, EditError, MembershipInput, OrgChange};
use crate::sandbox::org::{GroupIndex, GroupOwner, OrgGroup, PersonIndex, WorkspaceLevel};

/// Maximum length of a name in characters.
const MAX_NAME_LENGTH: usize = 100;

/// Attributes of a user group to set; `None` leaves one unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserGroupInput {
    /// Display name.
    pub name: Option<String>,
    /// Mention handle.
    pub handle: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Default channels of its members.
    pub channels: Option<Vec<String>>,
}

impl Edit<'_> {
    /// Creates a user group of a workspace.
    ///
    /// # Errors
    ///
    /// [`EditError::NameTaken`]; [`EditError::Taken`] for the handle; [`EditError::Malformed`] for
    /// a handle with characters other than lower-case letters, digits and `-_.`;
    /// [`EditError::TooMany`] for a name that is too long; [`EditError::NoSuchChannel`].
    pub fn create_usergroup(
        &mut self,
        team: usize,
        input: UserGroupInput,
    ) -> Result<GroupIndex, EditError> {
        self.validate_usergroup(team, None, &input)?;
        let by = self.actor().unwrap_or_default();
        let id = self.org.new_id("S");
        let mut group = OrgGroup::new(id, "", GroupOwner::Workspace(team), by, self.now);
        apply_input(&mut group, input);
        let index = self.org.add_group(group);
        self.record(OrgChange::GroupCreated(index));
        Ok(index)
    }

    /// Updates a user group of a workspace.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::create_usergroup`], and [`EditError::NotMember`] for a group managed by the
    /// identity provider.
    pub fn update_usergroup(
        &mut self,
        index: GroupIndex,
        input: UserGroupInput,
    ) -> Result<(), EditError> {
        let team = self.owner_workspace(index)?;
        self.validate_usergroup(team, Some(index), &input)?;
        self.touch(index, |group| apply_input(group, input));
        self.record(OrgChange::GroupChanged(index));
        Ok(())
    }

    /// Enables or disables a user group of a workspace.
    ///
    /// # Errors
    ///
    /// [`EditError::NotMember`] for a group managed by the identity provider.
    pub fn set_usergroup_enabled(&mut self, index: GroupIndex, on: bool) -> Result<(), EditError> {
        self.owner_workspace(index)?;
        let since = if on { 0 } else { self.now };
        self.touch(index, |group| group.disabled = since);
        self.record(OrgChange::GroupChanged(index));
        Ok(())
    }

    /// Replaces the members of a user group of a workspace.
    ///
    /// # Errors
    ///
    /// [`EditError::NotMember`] for a group managed by the identity provider;
    /// [`EditError::NoSuchPerson`] for an account outside the workspace;
    /// [`EditError::Deactivated`], [`EditError::Bot`], [`EditError::Guest`].
    pub fn set_usergroup_members(
        &mut self,
        index: GroupIndex,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<(), EditError> {
        let team = self.owner_workspace(index)?;
        for member in members {
            let person = self.person(*member).ok_or(EditError::NoSuchPerson)?;
            let membership = person.membership(team).ok_or(EditError::NoSuchPerson)?;
            match (person.is_bot(), membership.level.is_guest(), person.is_active()) {
                (true, _, _) => return Err(EditError::Bot),
                (false, true, _) => return Err(EditError::Guest),
                (false, false, false) => return Err(EditError::Deactivated),
                (false, false, true) => {}
            }
        }
        self.set_members(index, members);
        Ok(())
    }

    /// Replaces the members of a group. Returns the added and the removed accounts.
    pub(super) fn set_members(
        &mut self,
        index: GroupIndex,
        members: &BTreeSet<PersonIndex>,
    ) -> (Vec<PersonIndex>, Vec<PersonIndex>) {
        let group = self.groups.get(index);
        let previous_update = group.map_or(0, |group| group.updated);
        let held = group.map(|group| group.members.clone()).unwrap_or_default();
        let added: Vec<PersonIndex> = members.difference(&held).copied().collect();
        let removed: Vec<PersonIndex> = held.difference(members).copied().collect();
        if added.is_empty() && removed.is_empty() {
            return (added, removed);
        }
        for one in &added {
            if let Some(person) = self.org.person_mut(*one) {
                person.groups.push(index);
            }
        }
        for one in &removed {
            if let Some(person) = self.org.person_mut(*one) {
                person.groups.retain(|group| *group != index);
            }
        }
        self.touch(index, |group| group.members.clone_from(members));
        let change = OrgChange::GroupMembers {
            group: index,
            added: added.clone(),
            removed: removed.clone(),
            previous_update,
        };
        self.record(change);
        (added, removed)
    }

    /// Links an identity provider's group to workspaces; `provision` adds its members to them.
    pub fn link_usergroup(&mut self, index: GroupIndex, teams: &[usize], provision: bool) {
        let linked = |team: &usize| {
            self.groups.get(index).is_some_and(|group| group.workspaces.contains(team))
        };
        let added: Vec<usize> = teams.iter().copied().filter(|team| !linked(team)).collect();
        if !added.is_empty() {
            self.touch(index, |group| group.workspaces.extend(&added));
            self.record(OrgChange::GroupLinked { group: index, workspaces: added });
        }
        let members = self.groups.get(index).map(|group| group.members.clone());
        if !provision {
            return;
        }
        let entry =
            MembershipInput { level: WorkspaceLevel::Member, channels: Vec::new(), expires: 0 };
        for member in members.unwrap_or_default() {
            for team in teams {
                // Existing members, and accounts that cannot join, are left unchanged.
                let _ = self.assign(member, *team, &entry);
            }
        }
    }

    /// Sets the default channels of an identity provider's group.
    pub fn set_usergroup_channels(&mut self, index: GroupIndex, channels: Vec<String>) {
        let held = self.groups.get(index).map(|group| group.channels.clone()).unwrap_or_default();
        let missing = |from: &[String], of: &[String]| -> Vec<String> {
            of.iter().filter(|id| !from.contains(id)).cloned().collect()
        };
        let (added, removed) = (missing(&held, &channels), missing(&channels, &held));
        if added.is_empty() && removed.is_empty() {
            return;
        }
        self.touch(index, |group| group.channels = channels);
        self.record(OrgChange::GroupChannels { group: index, added, removed });
    }

    /// Returns the workspace that manages a group.
    fn owner_workspace(&self, index: GroupIndex) -> Result<usize, EditError> {
        match self.groups.get(index).ok_or(EditError::NoSuchGroup)?.owner {
            GroupOwner::Workspace(team) => Ok(team),
            GroupOwner::IdentityProvider => Err(EditError::NotMember),
        }
    }

    pub(super) fn touch(&mut self, index: GroupIndex, change: impl FnOnce(&mut OrgGroup)) {
        let (now, by) = (self.now, self.actor());
        if let Some(group) = self.org.groups.get_mut(index) {
            change(group);
            group.updated = now;
            group.updated_by = by.unwrap_or(group.updated_by);
        }
    }

    fn validate_usergroup(
        &self,
        team: usize,
        own: Option<GroupIndex>,
        input: &UserGroupInput,
    ) -> Result<(), EditError> {
        let others = || {
            let others = self.groups.iter().filter(|(index, _)| Some(*index) != own);
            others.filter(|(_, group)| group.owner == GroupOwner::Workspace(team))
        };
        if let Some(name) = &input.name {
            if name.chars().count() > MAX_NAME_LENGTH {
                return Err(EditError::TooMany);
            }
            if others().any(|(_, group)| group.name.to_lowercase() == name.to_lowercase()) {
                return Err(EditError::NameTaken);
            }
        }
        let handle = input.handle.as_deref().unwrap_or_default();
        let fits = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter)
        };
        if !handle.chars().all(fits) {
            return Err(EditError::Malformed);
        }
        let is_taken = |handle: &str| {
            let workspace = self.workspaces.get(team);
            let mut channels = workspace.into_iter().flat_map(|one| &one.channels);
            channels.any(|channel| channel.name == handle)
                || self.find_by_username(handle).is_some()
                || others().any(|(_, group)| group.handle == handle)
        };
        if !handle.is_empty() && is_taken(handle) {
            return Err(EditError::Taken);
        }
        let channels = input.channels.as_deref().unwrap_or_default();
        let is_here = |id: &String| self.channel(id).is_some_and(|(at, _)| at == team);
        if channels.iter().all(is_here) { Ok(()) } else { Err(EditError::NoSuchChannel) }
    }
}

fn apply_input(group: &mut OrgGroup, input: UserGroupInput) {
    let UserGroupInput { name, handle, description, channels } = input;
    group.name = name.unwrap_or_else(|| std::mem::take(&mut group.name));
    group.handle = handle.unwrap_or_else(|| std::mem::take(&mut group.handle));
    group.description = description.unwrap_or_else(|| std::mem::take(&mut group.description));
    group.channels = channels.unwrap_or_else(|| std::mem::take(&mut group.channels));
}
