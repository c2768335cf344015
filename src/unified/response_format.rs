//! Response formats of objects: unified, without nulls, or the provider's own.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::connectors::Unified;

/// The field of the provider's objects.
const REMOTE_DATA: &str = "remote_data";

/// The format of objects in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseFormat {
    /// All unified fields, absent ones as null.
    #[default]
    Unified,
    /// The unified fields with a value.
    Normalized,
    /// The provider's objects, unchanged.
    Raw,
}

/// How objects are rendered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RenderOptions {
    /// The format.
    pub format: ResponseFormat,
    /// Whether the provider's objects are included beside the unified fields.
    pub include_remote_data: bool,
    /// Fields to leave out.
    pub exclude_fields: Vec<String>,
}

/// A rendered object.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum RenderedResource<T> {
    /// The unified object with all fields, serialized only once, with the response.
    Typed(Box<T>),
    /// Any other format, as JSON.
    Json(Box<RawValue>),
}

impl<T: Serialize> RenderedResource<T> {
    /// Serializes the object.
    pub(super) fn into_raw(self) -> Box<RawValue> {
        match self {
            Self::Typed(thing) => raw(&thing),
            Self::Json(raw) => raw,
        }
    }
}

impl RenderOptions {
    /// Whether the provider's objects are needed.
    #[must_use]
    pub fn needs_remote_data(&self) -> bool {
        self.include_remote_data || self.format == ResponseFormat::Raw
    }

    /// Renders an object.
    pub(super) fn render<T: Serialize>(&self, record: Unified<T>) -> RenderedResource<T> {
        let Unified { resource: unified, remote } = record;
        if *self == Self::default() {
            return RenderedResource::Typed(unified);
        }
        match remote {
            Some(remote) if self.format == ResponseFormat::Raw => RenderedResource::Json(remote),
            remote => {
                let fields = match serde_json::to_value(unified) {
                    Ok(Value::Object(fields)) => fields,
                    _ => Map::new(),
                };
                RenderedResource::Json(self.render_fields(fields, Vec::new(), remote.as_ref()))
            }
        }
    }

    /// Renders an object that is JSON already, with custom fields; the provider's object is unknown.
    #[must_use]
    pub fn render_text(
        &self,
        unified: String,
        custom: Vec<(&str, Box<RawValue>)>,
    ) -> Box<RawValue> {
        if *self != Self::default() || !custom.is_empty() {
            let fields: Map<String, Value> = serde_json::from_str(&unified).unwrap_or_default();
            return self.render_fields(fields, custom, None::<&Value>);
        }
        RawValue::from_string(unified).unwrap_or_else(|_| RawValue::NULL.to_owned())
    }

    /// Renders unified fields, with custom fields appended or in their places. Custom fields remain text: a parsed
    /// value takes many times as much memory.
    pub(super) fn render_fields(
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
            fields.push((REMOTE_DATA.to_owned(), raw(&remote)));
        }
        fields.retain(|(name, _)| !self.exclude_fields.contains(name));
        raw(&FieldMap(fields))
    }
}

/// An object of a response: its fields in order.
struct FieldMap(Vec<(String, Box<RawValue>)>);

impl Serialize for FieldMap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Removes nulls; `None` when nothing remains.
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

    fn shaped(shape: &RenderOptions) -> Value {
        let unified =
            serde_json::json!({"id": "U1", "title": null, "roles": [{"a": null, "b": 1}]});
        let record = Unified::new(unified, to_raw_value(&serde_json::json!({"ID": "U1"})).ok());
        serde_json::from_str(shape.render(record).into_raw().get()).unwrap()
    }

    #[test]
    fn renders_each_format() {
        let form = |format| RenderOptions { format, ..RenderOptions::default() };
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
    fn includes_remote_data_and_excludes_fields() {
        let shape = RenderOptions {
            include_remote_data: true,
            exclude_fields: vec!["roles".to_owned()],
            ..RenderOptions::default()
        };
        assert_eq!(
            shaped(&shape),
            serde_json::json!({"id": "U1", "title": null, "remote_data": {"ID": "U1"}})
        );
    }
}
