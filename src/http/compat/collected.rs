//! Rows on their way into one response: in a list, or by the value of a field. What one request gathers is bounded, and
//! rows are held as text: parsed, they take many times their room.

use std::collections::HashSet;

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

/// No page is added behind so many rows.
const MOST_ROWS: usize = 10_000;
/// Nor behind so many bytes.
const MOST_BYTES: usize = 8 << 20;

/// Rows of one response.
pub(super) struct Collected {
    key_by: Option<String>,
    /// In order; with the value of the field where there is one to go by.
    rows: Vec<(String, Box<RawValue>)>,
    keys: HashSet<String>,
    /// How many there are.
    pub(super) count: usize,
    bytes: usize,
}

impl Collected {
    /// None yet, to be found by this field.
    pub(super) fn new(key_by: Option<String>) -> Self {
        Self { key_by, rows: Vec::new(), keys: HashSet::new(), count: 0, bytes: 0 }
    }

    /// Whether they are found by a field.
    pub(super) fn is_keyed(&self) -> bool {
        self.key_by.is_some()
    }

    /// Whether no further page is to be added: the caller goes on with the cursor.
    pub(super) fn is_full(&self) -> bool {
        self.count >= MOST_ROWS || self.bytes >= MOST_BYTES
    }

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// Why it would be lost: the field is not there, or another row has the same value.
    pub(super) fn add(&mut self, row: &Value) -> Result<(), String> {
        let key = match &self.key_by {
            None => String::new(),
            Some(field) => key_of(row, field)?,
        };
        if let Some(field) = &self.key_by
            && !self.keys.insert(key.clone())
        {
            return Err(format!(
                "truto_key_by: several rows have {key:?} as their {field:?}, and all but one would be lost. Use a \
                 field that is unique, such as `id`."
            ));
        }
        let text = to_raw_value(row).map_err(|_| "A row can't be written.".to_owned())?;
        self.bytes += text.get().len() + key.len();
        self.count += 1;
        self.rows.push((key, text));
        Ok(())
    }

    /// What stands in `result`.
    pub(super) fn finish(self) -> Gathered {
        if self.key_by.is_some() {
            return Gathered::ByKey(ByKey(self.rows));
        }
        Gathered::InOrder(self.rows.into_iter().map(|(_, row)| row).collect())
    }
}

/// The rows of a response.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Gathered {
    /// One after the other.
    InOrder(Vec<Box<RawValue>>),
    /// Each by the value of a field.
    ByKey(ByKey),
}

/// Rows by the value of a field, in their order.
pub(super) struct ByKey(Vec<(String, Box<RawValue>)>);

impl Serialize for ByKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, row)| (key, row)))
    }
}

/// The value of a field, as a name.
fn key_of(row: &Value, field: &str) -> Result<String, String> {
    match row.get(field) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            let id = row.get("id").and_then(Value::as_str).unwrap_or("without an id");
            Err(format!(
                "truto_key_by: the row {id} has no text or number as its {field:?}, and would be lost. Use a field \
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
    fn refuses_a_row_that_would_be_lost() {
        let mut rows = Collected::new(Some("name".to_owned()));
        assert_eq!(rows.add(&json!({"id": "1", "name": "a"})), Ok(()));
        let again = rows.add(&json!({"id": "2", "name": "a"})).unwrap_err();
        assert!(again.contains("\"a\"") && again.contains("`id`"), "{again}");
        let absent = rows.add(&json!({"id": "3"})).unwrap_err();
        assert!(absent.contains("row 3") && absent.contains("\"name\""), "{absent}");
        let text = to_raw_value(&rows.finish()).unwrap();
        assert_eq!(text.get(), r#"{"a":{"id":"1","name":"a"}}"#);
    }

    #[test]
    fn stops_at_a_number_of_rows_and_of_bytes() {
        let mut rows = Collected::new(None);
        for _ in 0..MOST_ROWS {
            assert!(!rows.is_full());
            assert_eq!(rows.add(&json!(1)), Ok(()));
        }
        assert!(rows.is_full());
        let mut rows = Collected::new(None);
        assert_eq!(rows.add(&json!("x".repeat(MOST_BYTES))), Ok(()));
        assert!(rows.is_full());
    }
}
