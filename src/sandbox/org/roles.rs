//! Assignments of system roles: user, role, and organization, workspace or channel.

use std::collections::{BTreeMap, HashMap};

use super::PersonIndex;

/// Assignment of a role to a user for an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemRoleAssignment {
    /// `Rl…`.
    pub role_id: String,
    /// `E…`, `T…` or `C…`.
    pub entity_id: String,
    /// User who has the role.
    pub user: PersonIndex,
    /// Unix seconds.
    pub created: i64,
}

/// All assignments, oldest first.
#[derive(Debug, Clone, Default)]
pub struct RoleAssignmentTable {
    rows: BTreeMap<u64, SystemRoleAssignment>,
    by_user: HashMap<PersonIndex, Vec<u64>>,
    last: u64,
}

impl RoleAssignmentTable {
    /// Adds an assignment. Returns whether it is new.
    pub fn add(&mut self, row: SystemRoleAssignment) -> bool {
        let same = |other: &SystemRoleAssignment| {
            other.role_id == row.role_id && other.entity_id == row.entity_id
        };
        if self.for_user(row.user).any(same) {
            return false;
        }
        self.last += 1;
        self.by_user.entry(row.user).or_default().push(self.last);
        self.rows.insert(self.last, row);
        true
    }

    /// Removes an assignment and returns it, or `None` if there is none.
    pub(super) fn remove(
        &mut self,
        role_id: &str,
        entity_id: &str,
        user: PersonIndex,
    ) -> Option<SystemRoleAssignment> {
        let numbers = self.by_user.get_mut(&user)?;
        let same = |number: &u64| {
            let row = self.rows.get(number);
            row.is_some_and(|row| row.role_id == role_id && row.entity_id == entity_id)
        };
        let position = numbers.iter().position(same)?;
        let number = numbers.remove(position);
        self.rows.remove(&number)
    }

    /// Returns the assignments with their numbers, oldest first.
    #[must_use = "an iterator does nothing unless consumed"]
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (u64, &SystemRoleAssignment)> {
        self.rows.iter().map(|(number, row)| (*number, row))
    }

    /// Returns the assignments of one user.
    pub fn for_user(&self, user: PersonIndex) -> impl Iterator<Item = &SystemRoleAssignment> {
        let numbers = self.by_user.get(&user).into_iter().flatten();
        numbers.filter_map(|number| self.rows.get(number))
    }

    /// Returns the number of assignments.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are no assignments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
