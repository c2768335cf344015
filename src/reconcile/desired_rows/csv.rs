//! CSV with a header row (RFC 4180), in records of bounded size.

use std::str::Utf8Error;

use csv_core::{ReadRecordResult, Reader};
use serde_json::{Map, Value};

use super::collector::RowCollector;
use super::columns::Column;
use super::csv_quotes::CsvQuotes;
use super::report::MAX_ROW_BYTES;

/// The maximum number of columns.
const MAX_COLUMNS: usize = 500;

/// The columns with their names.
type Header = Vec<(String, Column)>;

/// Reads records.
pub(super) struct CsvRows {
    reader: Reader,
    /// `None` until it was read.
    header: Option<Header>,
    /// The bytes of the record, and where its cells end.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    byte_count: usize,
    cell_count: usize,
    is_too_large: bool,
    /// Whether a record has begun, the line in which it did, and its quotes.
    is_in_record: bool,
    first_line: u64,
    quotes: CsvQuotes,
    /// The current line.
    line: u64,
}

impl std::fmt::Debug for CsvRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvRows").field("line", &self.line).finish_non_exhaustive()
    }
}

impl Default for CsvRows {
    fn default() -> Self {
        let mut reader = Reader::new();
        // It would skip a byte order mark of its own, but only in front of everything else.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            reader,
            header: None,
            bytes: vec![0; MAX_ROW_BYTES],
            ends: vec![0; MAX_COLUMNS],
            byte_count: 0,
            cell_count: 0,
            is_too_large: false,
            is_in_record: false,
            first_line: 1,
            quotes: CsvQuotes::default(),
            line: 1,
        }
    }
}

impl CsvRows {
    pub(super) fn push(&mut self, mut bytes: &[u8], into: &mut RowCollector) {
        while !into.is_unusable() {
            if !self.is_in_record {
                bytes = self.skip_line_ends(bytes);
                self.first_line = self.line;
            }
            if bytes.is_empty() {
                return;
            }
            self.is_in_record = true;
            bytes = self.read(bytes, into);
        }
    }

    pub(super) fn finish(&mut self, into: &mut RowCollector) {
        if self.is_in_record && self.quotes.is_open() {
            self.is_in_record = false;
            return into.reject(self.first_line, None, "the row has a quote that does not end");
        }
        while self.is_in_record && !into.is_unusable() {
            self.read(&[], into);
        }
        if self.header.is_none() && !into.is_unusable() {
            into.reject_all(1, None, "the header is missing: the first row must name the columns");
        }
    }

    /// Reads up to the end of a record and returns the rest. No bytes are the end of the upload.
    fn read<'b>(&mut self, bytes: &'b [u8], into: &mut RowCollector) -> &'b [u8] {
        let output = self.bytes.get_mut(self.byte_count..).unwrap_or_default();
        let ends = self.ends.get_mut(self.cell_count..).unwrap_or_default();
        let (result, read, written, ended) = self.reader.read_record(bytes, output, ends);
        let (done, rest) = bytes.split_at_checked(read).unwrap_or((bytes, &[]));
        self.line += count(done, b'\n');
        self.quotes.read(done);
        self.byte_count += written;
        self.cell_count += ended;
        match result {
            ReadRecordResult::InputEmpty => {}
            ReadRecordResult::OutputFull | ReadRecordResult::OutputEndsFull => {
                // What is too much is read to its end, and not stored.
                self.is_too_large = true;
                (self.byte_count, self.cell_count) = (0, 0);
            }
            ReadRecordResult::Record => {
                self.end_record(into);
                self.begin_record();
            }
            ReadRecordResult::End => self.begin_record(),
        }
        rest
    }

    fn begin_record(&mut self) {
        (self.is_in_record, self.is_too_large) = (false, false);
        (self.byte_count, self.cell_count) = (0, 0);
        self.quotes = CsvQuotes::default();
    }

    /// Skips the ends of lines before a record.
    fn skip_line_ends<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let begin = bytes.iter().position(is_text).unwrap_or(bytes.len());
        let (skipped, rest) = bytes.split_at(begin);
        self.line += count(skipped, b'\n');
        rest
    }

    fn end_record(&mut self, into: &mut RowCollector) {
        let row = self.first_line;
        if self.is_too_large {
            let message = format!(
                "the row has more than {MAX_ROW_BYTES} bytes or {MAX_COLUMNS} columns; a quote may have no end"
            );
            return into.reject(row, None, message);
        }
        if self.quotes.is_misplaced() {
            let message =
                "a cell has text behind its closing quote: a quote before it may have no end";
            return into.reject(row, None, message);
        }
        let mut begin = 0;
        let ends = self.ends.get(..self.cell_count).unwrap_or_default();
        let cells = ends.iter().map(|end| {
            let cell = self.bytes.get(std::mem::replace(&mut begin, *end)..*end);
            str::from_utf8(cell.unwrap_or_default()).map(str::trim)
        });
        let cells: Vec<Result<&str, Utf8Error>> = cells.collect();
        match &self.header {
            None => match read_header(&cells) {
                Ok(header) => self.header = Some(header),
                Err(errors) => {
                    for (column, message) in errors {
                        into.reject_all(row, column, message);
                    }
                }
            },
            Some(header) => match read_person(header, &cells) {
                Ok(Some(person)) => into.accept(row, person, &|field| column_of(header, field)),
                Ok(None) => {}
                Err((column, message)) => into.reject(row, column, message),
            },
        }
    }
}

/// An error of a column or, without one, of a row.
type CellError = (Option<String>, String);

/// Reads the names of the columns.
fn read_header(cells: &[Result<&str, Utf8Error>]) -> Result<Header, Vec<CellError>> {
    let mut header = Header::new();
    let mut errors = Vec::new();
    for cell in cells {
        let Ok(name) = cell else {
            errors.push((None, "the header is not valid UTF-8".to_owned()));
            continue;
        };
        let is_repeated = header.iter().any(|(other, _)| other == name);
        match Column::named(name) {
            Ok(column) if !is_repeated => header.push(((*name).to_owned(), column)),
            Ok(_) => errors.push((Some((*name).to_owned()), "occurs more than once".to_owned())),
            Err(_) if cells.len() == 1 && name.contains([';', '\t']) => {
                errors.push((None, "the header must separate columns by commas".to_owned()));
            }
            Err(message) => errors.push((Some((*name).to_owned()), message)),
        }
    }
    if errors.is_empty() { Ok(header) } else { Err(errors) }
}

/// Reads a person; `None` for a row without any cell.
fn read_person(
    header: &Header,
    cells: &[Result<&str, Utf8Error>],
) -> Result<Option<Map<String, Value>>, CellError> {
    if cells.len() != header.len() {
        let (cells, columns) = (cells.len(), header.len());
        let message = format!("the row has {cells} cells, but the header names {columns} columns");
        return Err((None, message));
    }
    let mut person = Map::new();
    let mut is_empty = true;
    // Channels are added to a workspace, which may be in a later column.
    for is_channels in [false, true] {
        for ((name, column), cell) in header.iter().zip(cells) {
            if is_channels != (*column == Column::Channels) {
                continue;
            }
            let at = |message: String| (Some(name.clone()), message);
            let cell = cell.map_err(|_| at("is not valid UTF-8".to_owned()))?;
            if !cell.is_empty() {
                is_empty = false;
                column.set(cell, &mut person).map_err(at)?;
            }
        }
    }
    Ok((!is_empty).then_some(person))
}

/// Returns the column that has a field of a person.
fn column_of(header: &Header, field: &str) -> String {
    let column = header.iter().find(|(_, column)| column.has(field));
    column.map_or_else(|| field.to_owned(), |(name, _)| name.clone())
}

fn count(bytes: &[u8], wanted: u8) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == wanted)).sum()
}
