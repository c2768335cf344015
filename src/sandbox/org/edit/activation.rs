//! Deactivation and reactivation of accounts, in all workspaces.

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{OrgLevel, PersonIndex, PersonStatus, WorkspaceLevel};

impl Edit<'_> {
    /// Deactivates an account in all workspaces. Has no effect on a deactivated one.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::check_deactivation`].
    pub fn deactivate(&mut self, index: PersonIndex) -> Result<(), EditError> {
        self.check_deactivation(index)?;
        self.end_all_sessions(index);
        let person = self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?;
        if !person.is_active() {
            return Ok(());
        }
        person.status = PersonStatus::Deactivated { at: self.now };
        person.updated = self.now;
        self.record(OrgChange::Deactivated(index));
        Ok(())
    }

    /// Checks whether an account may be deactivated.
    ///
    /// # Errors
    ///
    /// [`EditError::Bot`]; [`EditError::PrimaryOwner`] for that of the organization or of a
    /// workspace; [`EditError::OrgOwner`].
    pub fn check_deactivation(&self, index: PersonIndex) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot);
        }
        let first = person.memberships.iter().any(|one| one.level == WorkspaceLevel::PrimaryOwner);
        if first || person.org_level == OrgLevel::PrimaryOwner {
            return Err(EditError::PrimaryOwner);
        }
        if person.org_level == OrgLevel::Owner {
            return Err(EditError::OrgOwner);
        }
        Ok(())
    }

    /// Reactivates an account in its previous workspaces. A guest's past expiration becomes 0
    /// (never).
    ///
    /// # Errors
    ///
    /// [`EditError::Bot`].
    pub fn reactivate(&mut self, index: PersonIndex) -> Result<(), EditError> {
        let person = self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot);
        }
        if person.is_active() {
            return Ok(());
        }
        person.status = PersonStatus::Active;
        person.clear_past_expirations(self.now);
        person.updated = self.now;
        self.record(OrgChange::Reactivated(index));
        Ok(())
    }

    /// Deactivates the guests whose access has expired.
    pub(crate) fn deactivate_expired_guests(&mut self) {
        let now = self.now;
        let over = self.org.take_expired_guests(now);
        for index in over {
            // Guests are neither bots nor owners, so this cannot fail.
            let _ = self.deactivate(index);
        }
    }
}
