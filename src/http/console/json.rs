//! Reads fields of the API's JSON: absent fields and those of another type are empty.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// The value of absent fields.
static NULL: Value = Value::Null;

/// Fields of a JSON object. A name that begins with `/` is a JSON pointer.
pub(in crate::http) trait Fields {
    /// Returns a field; null if it is absent.
    fn field(&self, name: &str) -> &Value;

    /// Returns a text; empty if it is absent.
    fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_default()
    }

    /// Returns a text that is not empty.
    fn some(&self, name: &str) -> Option<&str> {
        self.field(name).as_str().filter(|text| !text.is_empty())
    }

    /// Returns a list; empty if it is absent.
    fn list(&self, name: &str) -> &[Value] {
        self.field(name).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the texts of a list.
    fn texts(&self, name: &str) -> Vec<&str> {
        self.list(name).iter().filter_map(Value::as_str).collect()
    }

    /// Returns a whole number; 0 if it is absent.
    fn int(&self, name: &str) -> i64 {
        self.field(name).as_i64().unwrap_or_default()
    }

    /// Returns a flag; `false` if it is absent.
    fn flag(&self, name: &str) -> bool {
        self.field(name).as_bool().unwrap_or_default()
    }

    /// Returns a time.
    fn time(&self, name: &str) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.some(name)?, &Rfc3339).ok()
    }
}

impl Fields for Value {
    fn field(&self, name: &str) -> &Value {
        let found = if name.starts_with('/') { self.pointer(name) } else { self.get(name) };
        found.unwrap_or(&NULL)
    }
}
