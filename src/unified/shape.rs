//! How much of a thing the caller wants to see: unified, without nulls, or the provider's own.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::connectors::Record;

/// The field of the provider's objects.
const REMOTE: &str = "remote_data";

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// Every unified field, absent ones as null.
    #[default]
    Unified,
    /// The unified fields that have a value.
    Normalized,
    /// The provider's objects, untouched.
    Raw,
}

/// What the caller wants to see.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shape {
    /// The form.
    pub format: ResponseFormat,
    /// Whether the provider's objects stand beside the unified fields.
    pub include_remote_data: bool,
    /// Fields to leave out.
    pub exclude_fields: Vec<String>,
}

/// A thing in the form that the caller wants.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Thing<T> {
    /// Unified, with all its fields: it is written only once, in its place in the answer.
    Plain(Box<T>),
    /// In any other form.
    Shaped(Box<RawValue>),
}

impl<T: Serialize> Thing<T> {
    /// The same, written.
    pub(super) fn into_raw(self) -> Box<RawValue> {
        match self {
            Self::Plain(thing) => raw(&thing),
            Self::Shaped(raw) => raw,
        }
    }
}

impl Shape {
    /// Whether the provider's objects are needed at all.
    #[must_use]
    pub fn wants_remote(&self) -> bool {
        self.include_remote_data || self.format == ResponseFormat::Raw
    }

    /// A thing in the form wanted.
    pub(super) fn apply<T: Serialize>(&self, record: Record<T>) -> Thing<T> {
        let Record { unified, remote } = record;
        if *self == Self::default() {
            return Thing::Plain(unified);
        }
        match remote {
            Some(remote) if self.format == ResponseFormat::Raw => Thing::Shaped(remote),
            remote => {
                let fields = match serde_json::to_value(unified) {
                    Ok(Value::Object(fields)) => fields,
                    _ => Map::new(),
                };
                Thing::Shaped(self.finish_mapped(fields, Vec::new(), remote.as_ref()))
            }
        }
    }

    /// Unified fields in the form wanted, with custom ones behind them or in their places. The custom ones stay
    /// text: parsed, a value takes many times its room.
    pub(super) fn finish_mapped(
        &self,
        unified: Map<String, Value>,
        custom: Vec<(&str, Box<RawValue>)>,
        remote: Option<&impl Serialize>,
    ) -> Box<RawValue> {
        let mut fields: Vec<_> =
            unified.into_iter().map(|(name, value)| (name, raw(&value))).collect();
        for (name, value) in custom {
            match fields.iter_mut().find(|(known, _)| known == name) {
                Some((_, place)) => *place = value,
                None => fields.push((name.to_owned(), value)),
            }
        }
        if self.format == ResponseFormat::Normalized {
            let fields_of = fields.into_iter();
            fields =
                fields_of.filter_map(|(name, value)| Some((name, without_nulls(value)?))).collect();
        }
        if self.include_remote_data {
            fields.push((REMOTE.to_owned(), raw(&remote)));
        }
        fields.retain(|(name, _)| !self.exclude_fields.contains(name));
        raw(&Row(fields))
    }
}

/// A row of an answer: its fields in their order.
struct Row(Vec<(String, Box<RawValue>)>);

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The same JSON without nulls; `None` when it is nothing else.
fn without_nulls(value: Box<RawValue>) -> Option<Box<RawValue>> {
    if !value.get().contains("null") {
        return Some(value);
    }
    let mut parsed: Value = serde_json::from_str(value.get()).ok()?;
    drop_nulls(&mut parsed);
    (!parsed.is_null()).then(|| raw(&parsed))
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(shape: &Shape) -> Value {
        let unified =
            serde_json::json!({"id": "U1", "title": null, "roles": [{"a": null, "b": 1}]});
        let record = Record::new(unified, to_raw_value(&serde_json::json!({"ID": "U1"})).ok());
        serde_json::from_str(shape.apply(record).into_raw().get()).unwrap()
    }

    #[test]
    fn each_form_shows_what_it_says() {
        let form = |format| Shape { format, ..Shape::default() };
        assert_eq!(
            shaped(&form(ResponseFormat::Unified)),
            serde_json::json!({"id": "U1", "title": null, "roles": [{"a": null, "b": 1}]})
        );
        assert_eq!(
            shaped(&form(ResponseFormat::Normalized)),
            serde_json::json!({"id": "U1", "roles": [{"b": 1}]})
        );
        assert_eq!(shaped(&form(ResponseFormat::Raw)), serde_json::json!({"ID": "U1"}));
    }

    #[test]
    fn remote_data_comes_and_fields_go_when_asked() {
        let shape = Shape {
            include_remote_data: true,
            exclude_fields: vec!["roles".to_owned()],
            ..Shape::default()
        };
        assert_eq!(
            shaped(&shape),
            serde_json::json!({"id": "U1", "title": null, "remote_data": {"ID": "U1"}})
        );
    }
}
