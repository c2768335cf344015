//! Explains why a condition is true or false for a person.

use serde_json::Value;

use super::condition::{Comparator, Condition, ExpressionResults, select};
use super::person::Person;

/// The maximum number of values that a reason lists.
const MAX_LISTED: usize = 5;

impl Condition {
    /// Returns why the condition is true, false or unknown for a person: what its deciding parts found.
    #[must_use]
    pub fn reason(&self, person: &Person, results: &ExpressionResults<'_>) -> String {
        let holds = self.holds(person, results);
        match self {
            Self::Field { field, op, value } => field_reason(person, field, *op, value),
            Self::All(parts) | Self::Any(parts) => {
                // The part that decides, or all of them when none does.
                let is_deciding = match (self, holds) {
                    (Self::All(_), Some(true)) | (Self::Any(_), Some(false)) => None,
                    (_, holds) => Some(holds),
                };
                let parts = parts.iter();
                let mut parts = parts.filter(|part| {
                    is_deciding.is_none_or(|holds| part.holds(person, results) == holds)
                });
                let listed =
                    parts.by_ref().take(if is_deciding.is_some() { 1 } else { MAX_LISTED });
                let mut reasons: Vec<String> =
                    listed.map(|part| part.reason(person, results)).collect();
                if is_deciding.is_none() && parts.next().is_some() {
                    reasons.push("…".to_owned());
                }
                reasons.join("; ")
            }
            Self::Not(part) => part.reason(person, results),
            Self::Expression(_) => match holds {
                Some(is_true) => format!("the expression is {is_true}"),
                None => "the expression failed".to_owned(),
            },
        }
    }
}

/// Returns the values of a field of a person.
fn values_of(person: &Person, field: &str) -> Vec<Value> {
    if field == "email" {
        return person.email().into_iter().map(Value::from).collect();
    }
    let mut found = Vec::new();
    select(person.json(), field, &mut found);
    found.into_iter().cloned().collect()
}

/// Returns what a field is, and what it is compared with.
fn field_reason(person: &Person, field: &str, op: Comparator, value: &Value) -> String {
    let found = values_of(person, field);
    let mut values: Vec<String> = found.iter().take(MAX_LISTED).map(display).collect();
    if found.len() > MAX_LISTED {
        values.push("…".to_owned());
    }
    let is = if values.is_empty() {
        "has no value".to_owned()
    } else {
        format!("is {}", values.join(", "))
    };
    let value = match (op, value.as_array()) {
        (Comparator::In, Some(values)) => {
            let mut listed: Vec<String> = values.iter().take(MAX_LISTED).map(display).collect();
            if values.len() > MAX_LISTED {
                listed.push("…".to_owned());
            }
            listed.join(", ")
        }
        _ => display(value),
    };
    format!("`{field}` {is} (condition: {op} {value})")
}

fn display(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    }
}
