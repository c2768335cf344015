//! Accounts that are switched off and on again, everywhere at once.

use super::{Change, Edit, Rule};
use crate::sandbox::org::{Level, OrgLevel, PersonIndex, Standing};

impl Edit<'_> {
    /// Switches an account off everywhere. Once is enough: a second time changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::check_deactivation`].
    pub fn deactivate(&mut self, index: PersonIndex) -> Result<(), Rule> {
        self.check_deactivation(index)?;
        self.close_sessions(index);
        let person = self.org.person_mut(index).ok_or(Rule::NoSuchPerson)?;
        if !person.is_active() {
            return Ok(());
        }
        person.standing = Standing::Deactivated { at: self.now };
        person.updated = self.now;
        self.record(Change::Deactivated(index));
        Ok(())
    }

    /// Whether an account may be switched off.
    ///
    /// # Errors
    ///
    /// [`Rule::Bot`] for an app's account, [`Rule::PrimaryOwner`] for the one of the organization
    /// or of a workspace, [`Rule::OrgOwner`].
    pub fn check_deactivation(&self, index: PersonIndex) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot);
        }
        let first = person.memberships.iter().any(|one| one.level == Level::PrimaryOwner);
        if first || person.org_level == OrgLevel::PrimaryOwner {
            return Err(Rule::PrimaryOwner);
        }
        if person.org_level == OrgLevel::Owner {
            return Err(Rule::OrgOwner);
        }
        Ok(())
    }

    /// Switches an account on again, in the workspaces where it was. A guest's stay
    /// that has ended has no end from now on.
    ///
    /// # Errors
    ///
    /// [`Rule::Bot`] for an app's account.
    pub fn reactivate(&mut self, index: PersonIndex) -> Result<(), Rule> {
        let person = self.org.person_mut(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot);
        }
        if person.is_active() {
            return Ok(());
        }
        person.standing = Standing::Active;
        person.forget_ended_stays(self.now);
        person.updated = self.now;
        self.record(Change::Reactivated(index));
        Ok(())
    }

    /// Switches off the guests whose stay has ended.
    pub(crate) fn end_stays(&mut self) {
        let now = self.now;
        let over = self.org.stays_until(now);
        for index in over {
            // Guests are neither bots nor owners, so nothing refuses this.
            let _ = self.deactivate(index);
        }
    }
}
