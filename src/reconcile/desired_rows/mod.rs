//! Reads the people of a desired state from an upload, piece by piece: NDJSON with a person in each line, or CSV with a
//! header row. Rows that can't be used are reported by their line and column; the memory for a row is bounded.

mod collector;
mod columns;
mod csv;
mod csv_quotes;
mod lines;
mod report;

use serde_json::{Map, Value};

use self::collector::RowCollector;
use self::csv::CsvRows;
use self::lines::Lines;
pub use self::report::RowReport;
use crate::domain::reconciliation::MatchBy;
use crate::store::StagedRow;

/// The byte order mark that spreadsheets write at the beginning of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The format of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// A JSON object in each line.
    Ndjson,
    /// Comma-separated values with a header row (RFC 4180).
    Csv,
}

/// Reads rows while they arrive.
#[derive(Debug)]
pub struct DesiredRows {
    /// The first bytes, until it is known whether they are a byte order mark.
    begin: Option<Vec<u8>>,
    reader: Reader,
    collector: RowCollector,
}

#[derive(Debug)]
enum Reader {
    Lines(Lines),
    Csv(Box<CsvRows>),
}

impl DesiredRows {
    /// Returns a reader of an upload.
    #[must_use]
    pub fn new(format: RowFormat, match_by: MatchBy) -> Self {
        let reader = match format {
            RowFormat::Ndjson => Reader::Lines(Lines::default()),
            RowFormat::Csv => Reader::Csv(Box::default()),
        };
        Self { begin: Some(Vec::new()), reader, collector: RowCollector::new(match_by) }
    }

    /// Reads the people of a list, which need no format.
    #[must_use]
    pub fn of_list(
        people: Vec<Map<String, Value>>,
        match_by: MatchBy,
    ) -> (Vec<StagedRow>, RowReport) {
        let mut collector = RowCollector::new(match_by);
        for (row, person) in (1..).zip(people) {
            collector.accept(row, person, &str::to_owned);
        }
        (collector.take(), collector.into_report())
    }

    /// Reads the next bytes. Does nothing once the rest can't be used.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(begin) = &mut self.begin else { return self.read(bytes) };
        begin.extend_from_slice(bytes);
        if begin.len() >= BYTE_ORDER_MARK.len() {
            self.read_begin();
        }
    }

    /// Ends the upload.
    pub fn finish(&mut self) {
        self.read_begin();
        match &mut self.reader {
            Reader::Lines(lines) => lines.finish(&mut self.collector),
            Reader::Csv(rows) => rows.finish(&mut self.collector),
        }
    }

    /// Whether the rest can't be used.
    #[must_use]
    pub fn is_unusable(&self) -> bool {
        self.collector.is_unusable()
    }

    /// Returns the size of the rows that [`Self::take`] returns, in bytes.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.collector.pending_bytes()
    }

    /// Returns the number of rows that [`Self::take`] returns.
    #[must_use]
    pub fn pending_rows(&self) -> usize {
        self.collector.pending_rows()
    }

    /// Returns the rows that were read since the last call.
    pub fn take(&mut self) -> Vec<StagedRow> {
        self.collector.take()
    }

    /// Returns what became of the rows.
    #[must_use]
    pub fn into_report(self) -> RowReport {
        self.collector.into_report()
    }

    fn read_begin(&mut self) {
        let Some(begin) = self.begin.take() else { return };
        self.read(begin.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&begin));
    }

    fn read(&mut self, bytes: &[u8]) {
        match &mut self.reader {
            Reader::Lines(lines) => lines.push(bytes, &mut self.collector),
            Reader::Csv(rows) => rows.push(bytes, &mut self.collector),
        }
    }
}

#[cfg(test)]
mod tests;
