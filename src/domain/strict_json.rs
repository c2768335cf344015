//! Strict JSON: an object is read from an object only, a variant from a text only, and a repeated name is an error, at
//! every depth. Serde alone would accept arrays for structs, objects for variants, and keep the last of two equal
//! names.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, EnumAccess, Error, IntoDeserializer as _, MapAccess,
    SeqAccess, Visitor,
};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

use super::patch::json_pointer;

/// Parses a value strictly.
///
/// # Errors
///
/// The JSON pointer and the message of the error.
pub fn parse_strict<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    json: D,
) -> Result<T, (String, String)> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    T::deserialize(StrictDeserializer(tracked))
        .map_err(|error| (json_pointer(&track.path()), error.to_string()))
}

/// Whether a text in a value contains U+0000, which neither the database nor a provider accepts.
#[must_use]
pub fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A deserializer that reads a value strictly.
struct StrictDeserializer<D>(D);

macro_rules! forward {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(StrictVisitor(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StrictDeserializer<D> {
    type Error = D::Error;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option deserialize_unit
        deserialize_seq deserialize_map deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, StrictVisitor(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, StrictVisitor(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, StrictVisitor(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, StrictVisitor(visitor))
    }

    /// Accepts an object only: an array would be read by position.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(StrictVisitor(visitor))
    }

    /// Accepts a text only: an object would be read as a variant with content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_str(VariantVisitor(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A visitor whose inner values are read strictly.
struct StrictVisitor<V>(V);

macro_rules! visit {
    ($($method:ident: $kind:ty,)*) => {
        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool: bool,
        visit_i64: i64,
        visit_i128: i128,
        visit_u64: u64,
        visit_u128: u128,
        visit_f64: f64,
        visit_char: char,
        visit_str: &str,
        visit_borrowed_str: &'de str,
        visit_string: String,
        visit_bytes: &[u8],
        visit_borrowed_bytes: &'de [u8],
        visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(StrictDeserializer(inner))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(StrictDeserializer(inner))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(StrictItems(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(StrictEntries { entries, names: HashSet::new() })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(variant)
    }
}

/// Reads the variant of an enumeration by its name.
struct VariantVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for VariantVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<V::Value, E> {
        self.0.visit_enum(name.into_deserializer())
    }
}

struct StrictItems<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for StrictItems<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(StrictSeed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

struct StrictEntries<A> {
    entries: A,
    names: HashSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for StrictEntries<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.entries.next_key_seed(NameSeed { seed, names: &mut self.names })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.entries.next_value_seed(StrictSeed(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.entries.size_hint()
    }
}

/// Reads a name that must be unique in its object.
struct NameSeed<'a, S> {
    seed: S,
    names: &'a mut HashSet<String>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for NameSeed<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<S::Value, D::Error> {
        let name = String::deserialize(name)?;
        if self.names.contains(&name) {
            return Err(D::Error::custom(format_args!("duplicate field `{name}`")));
        }
        let key = self.seed.deserialize(name.as_str().into_deserializer())?;
        self.names.insert(name);
        Ok(key)
    }
}

struct StrictSeed<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for StrictSeed<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(StrictDeserializer(inner))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::{Map, json};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Inner {
        id: String,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        inner: Option<Inner>,
        #[serde(default)]
        list: Vec<Inner>,
        kind: Option<Kind>,
        #[serde(default)]
        map: Map<String, Value>,
        #[serde(default)]
        any: Value,
    }

    fn read(text: &str) -> Result<Outer, String> {
        let mut json = serde_json::Deserializer::from_str(text);
        Outer::deserialize(StrictDeserializer(&mut json)).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_objects_from_objects_at_every_depth() {
        let text = json!({"inner": {"id": "a"}, "list": [{"id": "b"}], "kind": "one",
            "map": {"x": [1, {"y": null}]}, "any": {"z": 1.5}});
        let read_strictly = read(&text.to_string()).unwrap();
        assert_eq!(read_strictly, serde_json::from_value(text).unwrap());
        assert_eq!(read("{}").unwrap().inner, None);
    }

    #[test]
    fn rejects_arrays_for_structs_objects_for_variants_and_repeated_names() {
        for (text, error) in [
            (r#"[{"id": "a"}, [], null, {}, 1]"#, "invalid type: sequence"),
            (r#"{"inner": ["a"]}"#, "invalid type: sequence"),
            (r#"{"list": [["a"]]}"#, "invalid type: sequence"),
            (r#"{"kind": {"one": null}}"#, "invalid type: map"),
            (r#"{"kind": "two"}"#, "unknown variant `two`"),
            (r#"{"inner": {"id": "a", "id": "b"}}"#, "duplicate field `id`"),
            (r#"{"map": {"x": 1, "x": 2}}"#, "duplicate field `x`"),
            (r#"{"any": [{"x": 1, "y": 2, "x": 1}]}"#, "duplicate field `x`"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(error), "{text}: {refused}");
        }
    }
}
