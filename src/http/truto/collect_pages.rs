//! Collects the rows of several pages into one response, as a list or keyed by a field. Rows and bytes are bounded;
//! rows are held as text, which is smaller than parsed values.

use std::collections::HashSet;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// Maximum rows; no page is added after that.
const MAX_ROWS: usize = 10_000;
/// Maximum bytes; no page is added after that.
const MAX_BYTES: usize = 8 << 20;

/// Collects the rows of one response.
pub(super) struct RowCollector {
    key_by: Option<String>,
    /// In order, each with its key; the key is empty for a list.
    rows: Vec<(String, Box<RawValue>)>,
    keys: HashSet<String>,
    /// The number of rows.
    pub(super) count: usize,
    bytes: usize,
}

impl RowCollector {
    /// Creates an empty collector, keyed by this field if there is one.
    pub(super) fn new(key_by: Option<String>) -> Self {
        Self { key_by, rows: Vec::new(), keys: HashSet::new(), count: 0, bytes: 0 }
    }

    /// Whether rows are keyed by a field.
    pub(super) fn is_keyed(&self) -> bool {
        self.key_by.is_some()
    }

    /// Whether the limits are reached; the caller continues with the cursor.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MAX_ROWS || self.bytes >= MAX_BYTES
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// A message for the caller if the field is missing, or another row has the same value.
    pub(super) fn add(&mut self, row: &Value) -> Result<(), String> {
        let key = match &self.key_by {
            None => String::new(),
            Some(field) => key_of(row, field)?,
        };
        if let Some(field) = &self.key_by
            && !self.keys.insert(key.clone())
        {
            return Err(format!(
                "truto_key_by: several rows have {key:?} as their {field:?}, so only one would be returned. Use a \
                 field that is unique, such as `id`."
            ));
        }
        let text = to_raw_value(row).map_err(|_| "A row cannot be serialized.".to_owned())?;
        self.bytes += text.get().len() + key.len();
        self.count += 1;
        self.rows.push((key, text));
        Ok(())
    }

    /// Returns the value of `result`.
    pub(super) fn finish(self) -> CollectedRows {
        if self.key_by.is_some() {
            return CollectedRows::ByKey(RowsByKey(self.rows));
        }
        CollectedRows::List(self.rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// The rows of a response.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum CollectedRows {
    /// As a list.
    List(Vec<Box<RawValue>>),
    /// As an object, keyed by the value of a field.
    ByKey(RowsByKey),
}

/// Rows keyed by the value of a field, in order.
pub(super) struct RowsByKey(Vec<(String, Box<RawValue>)>);

impl Serialize for RowsByKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, row)| (key, row)))
    }
}

/// Returns the value of a field as a key.
fn key_of(row: &Value, field: &str) -> Result<String, String> {
    match row.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            let id = row.get("id").and_then(Value::as_str).unwrap_or("without an id");
            Err(format!(
                "truto_key_by: the row {id} has no text or number as its {field:?}, so it cannot be a key. Use a field \
                 that every row has, such as `id`."
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rejects_missing_and_duplicate_keys() {
        let mut rows = RowCollector::new(Some("name".to_owned()));
        assert_eq!(rows.add(&json!({"id": "1", "name": "a"})), Ok(()));
        let again = rows.add(&json!({"id": "2", "name": "a"})).unwrap_err();
        assert!(again.contains("\"a\"") && again.contains("`id`"), "{again}");
        let absent = rows.add(&json!({"id": "3"})).unwrap_err();
        assert!(absent.contains("row 3") && absent.contains("\"name\""), "{absent}");
        let text = to_raw_value(&rows.finish()).unwrap();
        assert_eq!(text.get(), r#"{"a":{"id":"1","name":"a"}}"#);
    }

    #[test]
    fn is_full_at_the_maximum_of_rows_or_bytes() {
        let mut rows = RowCollector::new(None);
        for _ in 0..MAX_ROWS {
            assert!(!rows.is_full());
            assert_eq!(rows.add(&json!(1)), Ok(()));
        }
        assert!(rows.is_full());
        let mut rows = RowCollector::new(None);
        assert_eq!(rows.add(&json!("x".repeat(MAX_BYTES))), Ok(()));
        assert!(rows.is_full());
    }
}
