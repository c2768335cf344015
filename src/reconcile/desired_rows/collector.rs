//! Validates the rows of a desired state, and collects the errors.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::report::{MAX_REPORTED, MAX_ROWS, RowReport};
use crate::domain::reconciliation::{DesiredUser, InvalidDesired, MatchBy, RowError};
use crate::domain::strict_json::has_nul;
use crate::store::StagedRow;

/// Validated rows and errors.
#[derive(Debug)]
pub(super) struct RowCollector {
    match_by: MatchBy,
    /// The row of each key, by the beginning of the key's digest: keys can be long.
    rows_of_keys: HashMap<u128, u64>,
    pending: Vec<StagedRow>,
    pending_bytes: usize,
    report: RowReport,
}

impl RowCollector {
    pub(super) fn new(match_by: MatchBy) -> Self {
        Self {
            match_by,
            rows_of_keys: HashMap::new(),
            pending: Vec::new(),
            pending_bytes: 0,
            report: RowReport::default(),
        }
    }

    /// Adds a row; `column_of` returns the column of a field.
    pub(super) fn accept(
        &mut self,
        row: u64,
        person: Map<String, Value>,
        column_of: &dyn Fn(&str) -> String,
    ) {
        if self.is_unusable() {
            return;
        }
        if self.report.rows + self.report.bad_rows >= MAX_ROWS {
            let message = format!(
                "there are more than {MAX_ROWS} rows: split them into several reconciliations"
            );
            return self.reject_all(row, None, message);
        }
        match self.validate(row, person) {
            Ok((staged, bytes)) => {
                self.pending.push(staged);
                self.pending_bytes += bytes;
                self.report.rows += 1;
            }
            Err(InvalidDesired { pointer, message }) => {
                let field = field_of(&pointer);
                self.reject(row, (!field.is_empty()).then(|| column_of(&field)), message);
            }
        }
    }

    /// Reports a row that can't be used.
    pub(super) fn reject(&mut self, row: u64, column: Option<String>, message: impl Into<String>) {
        self.report.bad_rows += 1;
        if self.report.bad_rows > MAX_ROWS {
            self.report.is_unusable = true;
        }
        self.add_error(row, column, message.into());
    }

    /// Reports why nothing after this row can be used.
    pub(super) fn reject_all(
        &mut self,
        row: u64,
        column: Option<String>,
        message: impl Into<String>,
    ) {
        self.report.is_unusable = true;
        // The reason is reported in any case.
        self.report.errors.truncate(MAX_REPORTED - 1);
        self.add_error(row, column, message.into());
    }

    pub(super) fn is_unusable(&self) -> bool {
        self.report.is_unusable
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    pub(super) fn pending_rows(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn take(&mut self) -> Vec<StagedRow> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.pending)
    }

    pub(super) fn into_report(self) -> RowReport {
        self.report
    }

    fn add_error(&mut self, row: u64, column: Option<String>, message: String) {
        if self.report.errors.len() < MAX_REPORTED {
            self.report.errors.push(RowError { row, column, message });
        }
    }

    fn validate(
        &mut self,
        row: u64,
        person: Map<String, Value>,
    ) -> Result<(StagedRow, usize), InvalidDesired> {
        let user = DesiredUser::parse(person)?;
        let match_key = user.key(self.match_by)?;
        let person = user.to_json();
        let text = person.to_string();
        // U+0000 in JSON; the database can't store it.
        if text.contains("\\u0000") && has_nul(&person) {
            let message = "the row contains the character U+0000".to_owned();
            return Err(InvalidDesired { pointer: String::new(), message });
        }
        let first = *self.rows_of_keys.entry(digest_of(&match_key)).or_insert(row);
        if first != row {
            let message = format!("is the same in row {first}: a person must have one row");
            return Err(InvalidDesired { pointer: format!("/{}", self.match_by), message });
        }
        let row_number = i64::try_from(row).unwrap_or(i64::MAX);
        Ok((StagedRow { row_number, match_key, person }, text.len()))
    }
}

/// Returns a JSON pointer as names with dots.
fn field_of(pointer: &str) -> String {
    let names = pointer.trim_start_matches('/').replace('/', ".");
    names.replace("~1", "/").replace("~0", "~")
}

fn digest_of(key: &str) -> u128 {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
