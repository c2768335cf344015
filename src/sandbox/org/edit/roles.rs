//! Assignment and removal of system roles.

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{PersonIndex, SystemRoleAssignment};

impl Edit<'_> {
    /// Assigns a system role for an organization, workspace or channel. Has no effect if the
    /// account has it already.
    ///
    /// # Errors
    ///
    /// [`EditError::Bot`], [`EditError::Guest`] and [`EditError::Deactivated`] for accounts that
    /// cannot have roles.
    pub fn assign_role(
        &mut self,
        index: PersonIndex,
        role_id: &str,
        entity_id: &str,
    ) -> Result<(), EditError> {
        self.check_role_eligibility(index)?;
        let (role_id, entity_id) = (role_id.to_owned(), entity_id.to_owned());
        let row = SystemRoleAssignment { role_id, entity_id, user: index, created: self.now };
        if self.org.roles.add(row.clone()) {
            self.record(OrgChange::RoleAssigned(row));
        }
        Ok(())
    }

    /// Checks whether an account may have system roles.
    ///
    /// # Errors
    ///
    /// Those of [`Edit::assign_role`].
    pub fn check_role_eligibility(&self, index: PersonIndex) -> Result<(), EditError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            Err(EditError::Bot)
        } else if !person.is_active() {
            Err(EditError::Deactivated)
        } else if person.guest_level().is_some() {
            Err(EditError::Guest)
        } else {
            Ok(())
        }
    }

    /// Removes a system role. Has no effect if the account does not have it.
    pub fn remove_role(&mut self, index: PersonIndex, role_id: &str, entity_id: &str) {
        if let Some(row) = self.org.roles.remove(role_id, entity_id, index) {
            self.record(OrgChange::RoleRemoved(row));
        }
    }

    /// Removes the system roles of an account that `which` selects.
    pub(super) fn remove_roles(
        &mut self,
        index: PersonIndex,
        which: impl Fn(&SystemRoleAssignment) -> bool,
    ) {
        let rows: Vec<SystemRoleAssignment> =
            self.roles.for_user(index).filter(|row| which(row)).cloned().collect();
        for row in rows {
            self.remove_role(index, &row.role_id, &row.entity_id);
        }
    }
}
