//! User groups: those that a workspace makes for itself, and the links of the identity provider's
//! groups to workspaces and channels.

use std::collections::BTreeSet;

use super::{Change, Edit, Entry, Rule};
use crate::sandbox::org::{Group, GroupIndex, Keeper, Level, PersonIndex};

/// The longest name, in characters.
const LONGEST_NAME: usize = 100;

/// What a workspace's group is to be like; what is absent stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupWish {
    /// Its name.
    pub name: Option<String>,
    /// What it is mentioned by.
    pub handle: Option<String>,
    /// A sentence about it.
    pub description: Option<String>,
    /// The channels that its members are put into.
    pub channels: Option<Vec<String>>,
}

impl Edit<'_> {
    /// Makes a group of a workspace.
    ///
    /// # Errors
    ///
    /// [`Rule::NameTaken`]; [`Rule::Taken`] for the handle; [`Rule::Malformed`] for a handle with
    /// other letters than small ones, digits and `-_.`; [`Rule::TooMany`] for a name that is too
    /// long; [`Rule::NoSuchChannel`].
    pub fn create_usergroup(&mut self, team: usize, wish: GroupWish) -> Result<GroupIndex, Rule> {
        self.check_wish(team, None, &wish)?;
        let by = self.actor().unwrap_or_default();
        let id = self.org.new_id("S");
        let mut group = Group::new(id, "", Keeper::Workspace(team), by, self.now);
        fill(&mut group, wish);
        let index = self.org.add_group(group);
        self.record(Change::GroupCreated(index));
        Ok(index)
    }

    /// Changes a group of a workspace.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::create_usergroup`], and [`Rule::NotMember`] for a group that the identity
    /// provider keeps.
    pub fn change_usergroup(&mut self, index: GroupIndex, wish: GroupWish) -> Result<(), Rule> {
        let team = self.keeper(index)?;
        self.check_wish(team, Some(index), &wish)?;
        self.touch(index, |group| fill(group, wish));
        self.record(Change::GroupChanged(index));
        Ok(())
    }

    /// Switches a group of a workspace on or off.
    ///
    /// # Errors
    ///
    /// [`Rule::NotMember`] for a group that the identity provider keeps.
    pub fn switch_usergroup(&mut self, index: GroupIndex, on: bool) -> Result<(), Rule> {
        self.keeper(index)?;
        let since = if on { 0 } else { self.now };
        self.touch(index, |group| group.disabled = since);
        self.record(Change::GroupChanged(index));
        Ok(())
    }

    /// Says who is in a group of a workspace.
    ///
    /// # Errors
    ///
    /// [`Rule::NotMember`] for a group that the identity provider keeps; [`Rule::NoSuchPerson`] for
    /// somebody who is not in the workspace; [`Rule::Deactivated`], [`Rule::Bot`], [`Rule::Guest`].
    pub fn fill_usergroup(
        &mut self,
        index: GroupIndex,
        members: &BTreeSet<PersonIndex>,
    ) -> Result<(), Rule> {
        let team = self.keeper(index)?;
        for member in members {
            let person = self.person(*member).ok_or(Rule::NoSuchPerson)?;
            let membership = person.membership(team).ok_or(Rule::NoSuchPerson)?;
            match (person.is_bot(), membership.level.is_guest(), person.is_active()) {
                (true, _, _) => return Err(Rule::Bot),
                (false, true, _) => return Err(Rule::Guest),
                (false, false, false) => return Err(Rule::Deactivated),
                (false, false, true) => {}
            }
        }
        self.set_members(index, members);
        Ok(())
    }

    /// Lets a group have these members and no others. Says who came and who left.
    pub(super) fn set_members(
        &mut self,
        index: GroupIndex,
        members: &BTreeSet<PersonIndex>,
    ) -> (Vec<PersonIndex>, Vec<PersonIndex>) {
        let held = self.groups.get(index).map(|group| group.members.clone()).unwrap_or_default();
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
        let change =
            Change::GroupMembers { group: index, added: added.clone(), removed: removed.clone() };
        self.record(change);
        (added, removed)
    }

    /// Links a group of the identity provider to workspaces; `provision` puts its members into them.
    pub fn link_usergroup(&mut self, index: GroupIndex, teams: &[usize], provision: bool) {
        self.touch(index, |group| group.workspaces.extend(teams));
        self.record(Change::GroupChanged(index));
        let members = self.groups.get(index).map(|group| group.members.clone());
        if !provision {
            return;
        }
        let entry = Entry { level: Level::Member, channels: Vec::new(), expires: 0 };
        for member in members.unwrap_or_default() {
            for team in teams {
                // Whoever is there already, or cannot be, stays as it is.
                let _ = self.assign(member, *team, &entry);
            }
        }
    }

    /// Gives a group of the identity provider its default channels.
    pub fn set_usergroup_channels(&mut self, index: GroupIndex, channels: Vec<String>) {
        self.touch(index, |group| group.channels = channels);
        self.record(Change::GroupChanged(index));
    }

    /// The workspace that keeps a group.
    fn keeper(&self, index: GroupIndex) -> Result<usize, Rule> {
        match self.groups.get(index).ok_or(Rule::NoSuchGroup)?.keeper {
            Keeper::Workspace(team) => Ok(team),
            Keeper::IdentityProvider => Err(Rule::NotMember),
        }
    }

    pub(super) fn touch(&mut self, index: GroupIndex, change: impl FnOnce(&mut Group)) {
        let (now, by) = (self.now, self.actor());
        if let Some(group) = self.org.groups.get_mut(index) {
            change(group);
            group.updated = now;
            group.updated_by = by.unwrap_or(group.updated_by);
        }
    }

    fn check_wish(
        &self,
        team: usize,
        own: Option<GroupIndex>,
        wish: &GroupWish,
    ) -> Result<(), Rule> {
        let others = || {
            let others = self.groups.iter().filter(|(index, _)| Some(*index) != own);
            others.filter(|(_, group)| group.keeper == Keeper::Workspace(team))
        };
        if let Some(name) = &wish.name {
            if name.chars().count() > LONGEST_NAME {
                return Err(Rule::TooMany);
            }
            if others().any(|(_, group)| group.name.to_lowercase() == name.to_lowercase()) {
                return Err(Rule::NameTaken);
            }
        }
        let handle = wish.handle.as_deref().unwrap_or_default();
        let fits = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_.".contains(letter)
        };
        if !handle.chars().all(fits) {
            return Err(Rule::Malformed);
        }
        let is_taken = |handle: &str| {
            let workspace = self.workspaces.get(team);
            let mut channels = workspace.into_iter().flat_map(|one| &one.channels);
            channels.any(|channel| channel.name == handle)
                || self.find_by_username(handle).is_some()
                || others().any(|(_, group)| group.handle == handle)
        };
        if !handle.is_empty() && is_taken(handle) {
            return Err(Rule::Taken);
        }
        let channels = wish.channels.as_deref().unwrap_or_default();
        let is_here = |id: &String| self.channel(id).is_some_and(|(at, _)| at == team);
        if channels.iter().all(is_here) { Ok(()) } else { Err(Rule::NoSuchChannel) }
    }
}

fn fill(group: &mut Group, wish: GroupWish) {
    let GroupWish { name, handle, description, channels } = wish;
    group.name = name.unwrap_or_else(|| std::mem::take(&mut group.name));
    group.handle = handle.unwrap_or_else(|| std::mem::take(&mut group.handle));
    group.description = description.unwrap_or_else(|| std::mem::take(&mut group.description));
    group.channels = channels.unwrap_or_else(|| std::mem::take(&mut group.channels));
}
