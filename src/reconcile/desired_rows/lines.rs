//! NDJSON: a person in each line, as a JSON object.

use serde_json::{Map, Value};

use super::collector::RowCollector;
use super::report::MAX_ROW_BYTES;
use crate::domain::strict_json::parse_strict;

/// The line that is being read.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The number of lines before.
    ended: u64,
    line: Vec<u8>,
    is_too_long: bool,
}

impl Lines {
    pub(super) fn push(&mut self, mut bytes: &[u8], into: &mut RowCollector) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.add(line);
            self.end_line(into);
            bytes = rest.get(1..).unwrap_or_default();
            if into.is_unusable() {
                return;
            }
        }
        self.add(bytes);
    }

    /// Reads the last line, which may have no end.
    pub(super) fn finish(&mut self, into: &mut RowCollector) {
        self.end_line(into);
    }

    fn add(&mut self, bytes: &[u8]) {
        self.is_too_long |= self.line.len() + bytes.len() > MAX_ROW_BYTES;
        if !self.is_too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, into: &mut RowCollector) {
        self.ended += 1;
        if std::mem::take(&mut self.is_too_long) {
            into.reject(self.ended, None, format!("the row is longer than {MAX_ROW_BYTES} bytes"));
        } else if !self.line.trim_ascii().is_empty() {
            match parse(&self.line) {
                Ok(person) => into.accept(self.ended, person, &str::to_owned),
                Err((field, message)) => into.reject(self.ended, field, message),
            }
        }
        self.line.clear();
    }
}

/// Parses a line; fails with the field and what is wrong with it.
fn parse(line: &[u8]) -> Result<Map<String, Value>, (Option<String>, String)> {
    let text = str::from_utf8(line).map_err(|_| (None, "the row is not valid UTF-8".to_owned()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let person = parse_strict(&mut json).map_err(|(_, message)| {
        // The line number of a row is that of the upload.
        let message = message.split(" at line ").next().unwrap_or_default();
        (None, format!("the row is not a JSON object of a person: {message}"))
    })?;
    json.end()
        .map_err(|_| (None, "the row has more than one JSON value: write one a line".to_owned()))?;
    Ok(person)
}
