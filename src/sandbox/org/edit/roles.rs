//! System roles that are given and taken away.

use super::{Change, Edit, Rule};
use crate::sandbox::org::{PersonIndex, RoleAssignment};

impl Edit<'_> {
    /// Gives a system role for an organization, workspace or channel. Whoever holds it already
    /// goes on holding it.
    ///
    /// # Errors
    ///
    /// [`Rule::Bot`], [`Rule::Guest`], [`Rule::Deactivated`]: those cannot hold any.
    pub fn give_role(
        &mut self,
        index: PersonIndex,
        role_id: &str,
        entity_id: &str,
    ) -> Result<(), Rule> {
        self.can_hold_roles(index)?;
        let (role_id, entity_id) = (role_id.to_owned(), entity_id.to_owned());
        let row = RoleAssignment { role_id, entity_id, user: index, created: self.now };
        if self.org.roles.add(row.clone()) {
            self.record(Change::RoleAssigned(row));
        }
        Ok(())
    }

    /// Whether an account may hold system roles at all.
    ///
    /// # Errors
    ///
    /// As for [`Edit::give_role`].
    pub fn can_hold_roles(&self, index: PersonIndex) -> Result<(), Rule> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            Err(Rule::Bot)
        } else if !person.is_active() {
            Err(Rule::Deactivated)
        } else if person.guest().is_some() {
            Err(Rule::Guest)
        } else {
            Ok(())
        }
    }

    /// Takes a system role away. Whoever does not hold it goes on not holding it.
    pub fn take_role(&mut self, index: PersonIndex, role_id: &str, entity_id: &str) {
        if let Some(row) = self.org.roles.remove(role_id, entity_id, index) {
            self.record(Change::RoleRemoved(row));
        }
    }

    /// Takes those system roles of an account away that `which` picks.
    pub(super) fn take_roles(
        &mut self,
        index: PersonIndex,
        which: impl Fn(&RoleAssignment) -> bool,
    ) {
        let rows: Vec<RoleAssignment> =
            self.roles.of(index).filter(|row| which(row)).cloned().collect();
        for row in rows {
            self.take_role(index, &row.role_id, &row.entity_id);
        }
    }
}
