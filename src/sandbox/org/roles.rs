//! System roles: who holds which, and for which organization, workspace or channel.

use std::collections::{BTreeMap, HashMap};

use super::PersonIndex;

/// One row: this user holds this role for this entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// `Rl…`.
    pub role_id: String,
    /// `E…`, `T…` or `C…`.
    pub entity_id: String,
    /// Who holds the role.
    pub user: PersonIndex,
    /// Unix seconds.
    pub created: i64,
}

/// All rows, in the order they were made.
#[derive(Debug, Clone, Default)]
pub struct RoleBook {
    rows: BTreeMap<u64, RoleAssignment>,
    by_user: HashMap<PersonIndex, Vec<u64>>,
    last: u64,
}

impl RoleBook {
    /// Writes a row, unless the same one is there already. Says whether it was new.
    pub fn add(&mut self, row: RoleAssignment) -> bool {
        let same = |other: &RoleAssignment| {
            other.role_id == row.role_id && other.entity_id == row.entity_id
        };
        if self.of(row.user).any(same) {
            return false;
        }
        self.last += 1;
        self.by_user.entry(row.user).or_default().push(self.last);
        self.rows.insert(self.last, row);
        true
    }

    /// Strikes a row out. Says whether it was there, and gives it back.
    pub(super) fn remove(
        &mut self,
        role_id: &str,
        entity_id: &str,
        user: PersonIndex,
    ) -> Option<RoleAssignment> {
        let numbers = self.by_user.get_mut(&user)?;
        let same = |number: &u64| {
            let row = self.rows.get(number);
            row.is_some_and(|row| row.role_id == role_id && row.entity_id == entity_id)
        };
        let place = numbers.iter().position(same)?;
        let number = numbers.remove(place);
        self.rows.remove(&number)
    }

    /// The rows with their numbers, oldest first.
    #[must_use = "an iterator does nothing by itself"]
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (u64, &RoleAssignment)> {
        self.rows.iter().map(|(number, row)| (*number, row))
    }

    /// The rows of one user.
    pub fn of(&self, user: PersonIndex) -> impl Iterator<Item = &RoleAssignment> {
        let numbers = self.by_user.get(&user).into_iter().flatten();
        numbers.filter_map(|number| self.rows.get(number))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
