//! Ranks: owner, admin or plain member, of a workspace or of the whole organization; and how long
//! guests stay.

use super::{Change, Edit, Rule};
use crate::sandbox::org::{Level, OrgLevel, PersonIndex};

/// Where a rank is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The organization as a whole.
    Organization,
    /// The workspace with this position.
    Workspace(usize),
}

/// A rank that can be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// None.
    Regular,
    /// Admin.
    Admin,
    /// Owner.
    Owner,
}

impl Edit<'_> {
    /// Gives an account a rank. The one it has already is given again without further ado.
    ///
    /// # Errors
    ///
    /// [`Rule::ActorIsNoOwner`] when anybody but an org owner makes owners or unmakes them;
    /// [`Rule::PrimaryOwner`]; [`Rule::Bot`]; [`Rule::Deactivated`]; [`Rule::NotMember`] of the
    /// workspace; [`Rule::Guest`]; [`Rule::RanksInOrganization`] for an org admin or owner who is to
    /// be a plain member of a workspace.
    pub fn rank_as(&mut self, index: PersonIndex, at: Scope, rank: Rank) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot);
        }
        if !person.is_active() {
            return Err(Rule::Deactivated);
        }
        let is_guest = person.guest().is_some();
        match at {
            Scope::Organization if is_guest && rank == Rank::Regular => self.make_member(index),
            _ if is_guest => Err(Rule::Guest),
            Scope::Organization => self.rank_in_organization(index, rank),
            Scope::Workspace(team) => self.rank_in_workspace(index, team, rank),
        }
    }

    /// Makes a guest a full member wherever it is.
    ///
    /// # Errors
    ///
    /// [`Rule::NotGuest`].
    pub fn make_member(&mut self, index: PersonIndex) -> Result<(), Rule> {
        let now = self.now;
        let person = self.org.person_mut(index).ok_or(Rule::NoSuchPerson)?;
        if person.guest().is_none() {
            return Err(Rule::NotGuest);
        }
        for membership in &mut person.memberships {
            membership.level = Level::Member;
            membership.expires = 0;
        }
        person.unplaced = None;
        person.updated = now;
        let places: Vec<usize> = person.memberships.iter().map(|one| one.workspace).collect();
        for workspace in places {
            self.record(Change::Level { person: index, workspace, level: Level::Member });
        }
        Ok(())
    }

    fn rank_in_organization(&mut self, index: PersonIndex, rank: Rank) -> Result<(), Rule> {
        let held = self.person(index).map_or(OrgLevel::Member, |person| person.org_level);
        let level = match rank {
            Rank::Regular => OrgLevel::Member,
            Rank::Admin => OrgLevel::Admin,
            Rank::Owner => OrgLevel::Owner,
        };
        if held == OrgLevel::PrimaryOwner {
            return Err(Rule::PrimaryOwner);
        }
        if (held == OrgLevel::Owner || level == OrgLevel::Owner) && !self.actor_owns() {
            return Err(Rule::ActorIsNoOwner);
        }
        if held == level {
            return Ok(());
        }
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.org_level = level;
            person.updated = now;
        }
        self.record(Change::OrgLevel { person: index, level });
        Ok(())
    }

    fn rank_in_workspace(
        &mut self,
        index: PersonIndex,
        team: usize,
        rank: Rank,
    ) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        let held = person.membership(team).ok_or(Rule::NotMember)?.level;
        let level = match rank {
            Rank::Regular => Level::Member,
            Rank::Admin => Level::Admin,
            Rank::Owner => Level::Owner,
        };
        if held == Level::PrimaryOwner || person.org_level == OrgLevel::PrimaryOwner {
            return Err(Rule::PrimaryOwner);
        }
        if rank == Rank::Owner && !self.actor_owns() {
            return Err(Rule::ActorIsNoOwner);
        }
        if rank == Rank::Regular && held != level && person.org_level >= OrgLevel::Admin {
            return Err(Rule::RanksInOrganization);
        }
        if held == level {
            return Ok(());
        }
        self.org.rank(index, team, level);
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.updated = now;
        }
        self.record(Change::Level { person: index, workspace: team, level });
        Ok(())
    }

    /// Whether an owner of the organization acts, or the provider itself.
    #[must_use]
    pub fn actor_owns(&self) -> bool {
        let level = |index| self.person(index).map(|person| person.org_level);
        self.actor().is_none_or(|index| level(index) >= Some(OrgLevel::Owner))
    }

    /// Sets when a guest's stay in a workspace ends: Unix seconds, 0 for no end.
    ///
    /// # Errors
    ///
    /// [`Rule::Malformed`] for a moment that has passed, or the one that is set already;
    /// [`Rule::Deactivated`]; [`Rule::NotMember`]; [`Rule::NotGuest`].
    pub fn set_expiration(&mut self, index: PersonIndex, team: usize, at: i64) -> Result<(), Rule> {
        let now = self.now;
        let person = self.org.person_mut(index).ok_or(Rule::NoSuchPerson)?;
        if !person.is_active() {
            return Err(Rule::Deactivated);
        }
        let mut memberships = person.memberships.iter_mut();
        let held = memberships.find(|one| one.workspace == team).ok_or(Rule::NotMember)?;
        if !held.level.is_guest() {
            return Err(Rule::NotGuest);
        }
        if at == held.expires || (at != 0 && at <= now) {
            return Err(Rule::Malformed);
        }
        held.expires = at;
        person.updated = now;
        self.org.note_stay(index);
        self.record(Change::Expiration { person: index, at });
        Ok(())
    }
}
