//! Rows of a provider that could not be read.

use std::sync::{Mutex, PoisonError};

/// So many unreadable rows are reported with their places; of further ones, only how many there are.
const REPORTED: usize = 100;

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The method whose response it is in.
    pub method: &'static str,
    /// The field of the response that holds the rows.
    pub list: &'static str,
    /// Which row it is, from 0.
    pub index: usize,
    /// Its id, where that could be read.
    pub id: Option<String>,
    /// The field that could not be read, as a path in the row.
    pub field: String,
    /// What is odd about it.
    pub reason: &'static str,
}

/// The rows that could not be read during one request.
#[derive(Debug, Default)]
pub struct UnreadableRows(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    rows: Vec<UnreadableRow>,
    further: usize,
}

impl UnreadableRows {
    /// Notes one.
    pub(super) fn note(&self, row: UnreadableRow) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.rows.len() < REPORTED {
            noted.rows.push(row);
        } else {
            noted.further += 1;
        }
    }

    /// Takes them out, and how many more there were than are reported.
    pub fn take(&self) -> (Vec<UnreadableRow>, usize) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Noted { rows, further } = std::mem::take(&mut *noted);
        (rows, further)
    }
}
