//! Levels of accounts (owner, admin or member of a workspace or of the organization), and
//! expirations of guests.

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{OrgLevel, PersonIndex, WorkspaceLevel};

/// Where a level applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LevelScope {
    /// The organization.
    Organization,
    /// The workspace at this position.
    Workspace(usize),
}

/// A level that can be assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignableLevel {
    /// Ordinary member.
    Regular,
    /// Admin.
    Admin,
    /// Owner.
    Owner,
}

impl Edit<'_> {
    /// Assigns a level to an account. Has no effect if it has this level already.
    ///
    /// # Errors
    ///
    /// [`EditError::ActorNotOwner`] if anyone but an org owner assigns or removes the owner level;
    /// [`EditError::PrimaryOwner`]; [`EditError::Bot`]; [`EditError::Deactivated`];
    /// [`EditError::NotMember`]; [`EditError::Guest`]; [`EditError::HasOrgLevel`] for an org admin
    /// or owner who would become an ordinary member of a workspace.
    pub fn assign_level(
        &mut self,
        index: PersonIndex,
        at: LevelScope,
        rank: AssignableLevel,
    ) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot);
        }
        if !person.is_active() {
            return Err(EditError::Deactivated);
        }
        let is_guest = person.guest_level().is_some();
        match at {
            LevelScope::Organization if is_guest && rank == AssignableLevel::Regular => {
                self.promote_guest(index)
            }
            _ if is_guest => Err(EditError::Guest),
            LevelScope::Organization => self.assign_org_level(index, rank),
            LevelScope::Workspace(team) => self.assign_workspace_level(index, team, rank),
        }
    }

    /// Makes a guest a full member in all its workspaces.
    ///
    /// # Errors
    ///
    /// [`EditError::NotGuest`].
    pub fn promote_guest(&mut self, index: PersonIndex) -> Result<(), EditError> {
        let now = self.now;
        let person = self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?;
        if person.guest_level().is_none() {
            return Err(EditError::NotGuest);
        }
        for membership in &mut person.memberships {
            membership.level = WorkspaceLevel::Member;
            membership.expires = 0;
        }
        person.pending_guest_expiration = None;
        person.updated = now;
        let places = person.memberships.iter().map(|one| Some(one.workspace));
        let mut places: Vec<Option<usize>> = places.collect();
        if places.is_empty() {
            places.push(None);
        }
        for workspace in places {
            self.record(OrgChange::Level {
                person: index,
                workspace,
                level: WorkspaceLevel::Member,
            });
        }
        Ok(())
    }

    fn assign_org_level(
        &mut self,
        index: PersonIndex,
        rank: AssignableLevel,
    ) -> Result<(), EditError> {
        let held = self.person(index).map_or(OrgLevel::Member, |person| person.org_level);
        let level = match rank {
            AssignableLevel::Regular => OrgLevel::Member,
            AssignableLevel::Admin => OrgLevel::Admin,
            AssignableLevel::Owner => OrgLevel::Owner,
        };
        if held == OrgLevel::PrimaryOwner {
            return Err(EditError::PrimaryOwner);
        }
        if (held == OrgLevel::Owner || level == OrgLevel::Owner) && !self.actor_is_owner() {
            return Err(EditError::ActorNotOwner);
        }
        if held == level {
            return Ok(());
        }
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.org_level = level;
            person.updated = now;
        }
        self.record(OrgChange::OrgLevel { person: index, level });
        Ok(())
    }

    fn assign_workspace_level(
        &mut self,
        index: PersonIndex,
        team: usize,
        rank: AssignableLevel,
    ) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        let held = person.membership(team).ok_or(EditError::NotMember)?.level;
        let level = match rank {
            AssignableLevel::Regular => WorkspaceLevel::Member,
            AssignableLevel::Admin => WorkspaceLevel::Admin,
            AssignableLevel::Owner => WorkspaceLevel::Owner,
        };
        if held == WorkspaceLevel::PrimaryOwner || person.org_level == OrgLevel::PrimaryOwner {
            return Err(EditError::PrimaryOwner);
        }
        if rank == AssignableLevel::Owner && !self.actor_is_owner() {
            return Err(EditError::ActorNotOwner);
        }
        if rank == AssignableLevel::Regular && held != level && person.org_level >= OrgLevel::Admin
        {
            return Err(EditError::HasOrgLevel);
        }
        if held == level {
            return Ok(());
        }
        self.org.set_workspace_level(index, team, level);
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.updated = now;
        }
        self.record(OrgChange::Level { person: index, workspace: Some(team), level });
        Ok(())
    }

    /// Whether the actor is an owner of the organization, or the provider itself.
    #[must_use]
    pub fn actor_is_owner(&self) -> bool {
        let level = |index| self.person(index).map(|person| person.org_level);
        self.actor().is_none_or(|index| level(index) >= Some(OrgLevel::Owner))
    }

    /// Sets when a guest's access to a workspace expires: Unix seconds, 0 for never.
    ///
    /// # Errors
    ///
    /// [`EditError::Malformed`] for a time in the past, or the current value;
    /// [`EditError::Deactivated`]; [`EditError::NotMember`]; [`EditError::NotGuest`].
    pub fn set_expiration(
        &mut self,
        index: PersonIndex,
        team: usize,
        at: i64,
    ) -> Result<(), EditError> {
        let now = self.now;
        let person = self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?;
        if !person.is_active() {
            return Err(EditError::Deactivated);
        }
        let mut memberships = person.memberships.iter_mut();
        let held = memberships.find(|one| one.workspace == team).ok_or(EditError::NotMember)?;
        if !held.level.is_guest() {
            return Err(EditError::NotGuest);
        }
        if at == held.expires || (at != 0 && at <= now) {
            return Err(EditError::Malformed);
        }
        held.expires = at;
        person.updated = now;
        self.org.index_guest_expiration(index);
        self.record(OrgChange::Expiration { person: index, at });
        Ok(())
    }
}
