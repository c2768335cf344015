//! Collects what a request could not read of the provider's lists: rows, and the ends of lists.

use std::sync::{Mutex, PoisonError};

/// Maximum number of unreadable rows reported individually; further ones are only counted.
const MAX_REPORTED: usize = 100;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The method whose response it is in.
    pub method: &'static str,
    /// The field of the response that holds the rows.
    pub list: &'static str,
    /// The index of the row, from 0.
    pub index: usize,
    /// The row's id, if it could be read.
    pub id: Option<String>,
    /// The path in the row of the field that could not be read.
    pub field: String,
    /// The defect.
    pub reason: &'static str,
}

/// A list that may have more rows than the provider returned: it counts more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IncompleteList {
    /// The method that lists.
    pub method: &'static str,
    /// The number of rows that were returned.
    pub returned: u64,
}

/// The rows that could not be read during one request, and the lists that may have more rows.
#[derive(Debug, Default)]
pub struct UnreadableRows(Mutex<RecordedRows>);

#[derive(Debug, Default)]
struct RecordedRows {
    rows: Vec<UnreadableRow>,
    omitted: usize,
    lists: Vec<IncompleteList>,
}

impl UnreadableRows {
    /// Records a row.
    pub(super) fn record(&self, row: UnreadableRow) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.rows.len() < MAX_REPORTED {
            noted.rows.push(row);
        } else {
            noted.omitted += 1;
        }
    }

    /// Records a list that may have more rows. A list is recorded once.
    pub(super) fn record_incomplete(&self, list: IncompleteList) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.lists.contains(&list) {
            noted.lists.push(list);
        }
    }

    /// Takes the recorded rows, and the number of further ones.
    pub fn take(&self) -> (Vec<UnreadableRow>, usize) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut noted.rows), std::mem::take(&mut noted.omitted))
    }

    /// Takes the recorded lists.
    pub fn take_incomplete(&self) -> Vec<IncompleteList> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut noted.lists)
    }
}
