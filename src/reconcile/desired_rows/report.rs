//! The limits of rows, and what became of them.

use crate::domain::reconciliation::RowError;

/// The maximum number of rows.
pub(super) const MAX_ROWS: u64 = 100_000;
/// The maximum size of a row, in bytes.
pub(super) const MAX_ROW_BYTES: usize = 65_536;
/// How many errors of rows are reported; the others are counted.
pub(super) const MAX_REPORTED: usize = 100;
/// What became of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowReport {
    /// The number of rows that can be used.
    pub rows: u64,
    /// The number of rows that can't.
    pub bad_rows: u64,
    /// The first errors.
    pub errors: Vec<RowError>,
    /// Whether the rest can't be used either: the header is wrong, or there are too many rows.
    pub is_unusable: bool,
}
