//! JSON of providers, read by what a field is wanted for: `null` is the same as absent, a boolean or a number may be
//! text, and text may be a number. It is a deserializer around another one, so that it holds for every field of every
//! wire type. What can't be read is named by its path, never by its value, which is a customer's.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    self, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

/// Why a response, or a part of it, can't be read: names the field, in words for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The path of the field; empty when the whole is no JSON.
    pub(super) field: String,
    /// What is odd about it.
    pub(super) reason: &'static str,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.field {
            "" => f.write_str(self.reason),
            field => write!(f, "`{field}` {}", self.reason),
        }
    }
}

impl Unreadable {
    /// The whole is unreadable for this reason.
    pub(super) fn whole(reason: &'static str) -> Self {
        Self { field: String::new(), reason }
    }
}

/// Reads JSON. It is read as text: known to be UTF-8 as a whole, a long one takes almost half of the time.
pub(super) fn parse<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Unreadable> {
    parse_text(json_text(body)?)
}

/// Reads JSON text.
pub(super) fn parse_text<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, Unreadable> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(Lenient(&mut json)).and_then(|read| json.end().map(|()| read));
    // The path is looked for only when it is needed.
    read.map_err(|_| explain::<T>(text))
}

/// A body as JSON text. A byte order mark may be skipped (RFC 8259 §8.1).
pub(super) fn json_text(body: &[u8]) -> Result<&str, Unreadable> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|_| Unreadable::whole("it is not UTF-8"))
}

/// Why a text can't be read as `T`.
fn explain<'b, T: Deserialize<'b>>(text: &'b str) -> Unreadable {
    if text.trim().is_empty() {
        return Unreadable::whole("it is empty");
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(Lenient(&mut json)) else {
        return Unreadable::whole("it goes on after its end");
    };
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let inner = error.into_inner();
    match inner.classify() {
        serde_json::error::Category::Syntax => Unreadable::whole("it is not JSON"),
        serde_json::error::Category::Eof => Unreadable::whole("it ends too early"),
        serde_json::error::Category::Data | serde_json::error::Category::Io => {
            about(path, &inner.to_string())
        }
    }
}

/// The field and the reason that an error of serde tells. Its text may hold values, so only what is known is taken.
fn about(path: String, message: &str) -> Unreadable {
    let named = |prefix: &str| Some(message.strip_prefix(prefix)?.split_once('`')?.0.to_owned());
    let below = |name: String| if path.is_empty() { name } else { format!("{path}.{name}") };
    if let Some(name) = named("missing field `") {
        return Unreadable { field: below(name), reason: "is absent" };
    }
    if let Some(name) = named("duplicate field `") {
        return Unreadable { field: below(name), reason: "stands twice" };
    }
    let reason = if message.starts_with(TOO_MANY) {
        "has more rows than were requested"
    } else {
        "has an unexpected type or value"
    };
    Unreadable { field: path, reason }
}

/// How the error of a list that is too long begins.
pub(super) const TOO_MANY: &str = "more rows than";

/// A deserializer that takes what providers send for what is expected.
struct Lenient<D>(D);

/// A visitor whose parts are read the same way.
struct Within<V>(V);
/// For a boolean.
struct Flag<V>(V);
/// For an integer.
struct Integer<V>(V);
/// For text.
struct Text<V>(V);
/// For a list.
struct Sequence<V>(V);
/// For an object.
struct Object<V>(V);

type Nothing<E> = MapDeserializer<'static, std::iter::Empty<(&'static str, &'static str)>, E>;

fn no_fields<E: de::Error>() -> Nothing<E> {
    MapDeserializer::new(std::iter::empty())
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Lenient<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Within(visitor))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Flag(visitor))
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Integer(visitor))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Integer(visitor))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Text(visitor))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Text(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Within(visitor))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Sequence(visitor))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Object(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Object(visitor))
    }

    /// Raw JSON comes this way, and stays as it is.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_identifier(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct enum
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Within<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.expecting(f)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.0.visit_bool(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.0.visit_i64(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.0.visit_u64(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.0.visit_f64(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_str(value)
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.0.visit_borrowed_str(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Lenient(some))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Lenient(access))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Lenient(access))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Flag<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a boolean")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.0.visit_bool(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_bool(false)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        match value {
            0 => self.0.visit_bool(false),
            1 => self.0.visit_bool(true),
            other => Err(E::invalid_value(Unexpected::Unsigned(other), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        match value.trim() {
            "1" => self.0.visit_bool(true),
            "0" => self.0.visit_bool(false),
            word if word.eq_ignore_ascii_case("true") => self.0.visit_bool(true),
            word if word.eq_ignore_ascii_case("false") => self.0.visit_bool(false),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Integer<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.0.visit_i64(value)
    }

    /// One that no time and no count can have is the largest there is.
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.0.visit_i64(i64::try_from(value).unwrap_or(i64::MAX))
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the fraction of a second; too large is the largest"
    )]
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.0.visit_i64(value as i64)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        let text = value.trim();
        match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(value), _) => self.0.visit_i64(value),
            (Err(_), Ok(value)) if value.is_finite() => self.visit_f64(value),
            _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
        }
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Text<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<V::Value, E> {
        self.0.visit_str(value)
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.0.visit_borrowed_str(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.0.visit_string(value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.0.visit_string(value.to_string())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.0.visit_string(value.to_string())
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Sequence<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_seq(SeqDeserializer::<_, E>::new(std::iter::empty::<&str>()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Lenient(access))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_map(no_fields())
    }

    /// PHP writes an object without fields as a list without rows.
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<V::Value, A::Error> {
        match access.next_element::<IgnoredAny>()? {
            None => self.0.visit_map(no_fields()),
            Some(IgnoredAny) => Err(A::Error::invalid_type(Unexpected::Seq, &"an object")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Lenient(access))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Lenient<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        self.0.next_element_seed(Lenient(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Lenient<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Lenient(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Lenient<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Lenient(deserializer))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct All {
        flag: bool,
        maybe: Option<bool>,
        number: i64,
        count: Option<u64>,
        text: Option<String>,
        list: Vec<String>,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        title: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    struct Row<'a> {
        id: String,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let nulls = r#"{"flag":null,"maybe":null,"number":0,"count":null,"text":null,"list":null,"inner":null}"#;
        assert_eq!(parse_text(nulls), Ok(All::default()));
        assert_eq!(parse_text("{}"), Ok(All::default()));
        assert_eq!(parse_text(r#"{"inner":[]}"#), Ok(All::default()), "as PHP writes it");
        assert_eq!(parse(b"\xef\xbb\xbf{}"), Ok(All::default()), "with a byte order mark");
    }

    #[test]
    fn values_are_taken_for_what_is_expected() {
        let sent = r#"{"flag":"True","maybe":"0","number":"1.5e3","count":"250","text":7,
            "list":[1,"a"],"inner":{"title":2.5}}"#;
        let expected = All {
            flag: true,
            maybe: Some(false),
            number: 1500,
            count: Some(250),
            text: Some("7".to_owned()),
            list: vec!["1".to_owned(), "a".to_owned()],
            inner: Inner { title: Some("2.5".to_owned()) },
        };
        assert_eq!(parse_text(sent), Ok(expected));
        let large: All = parse_text(r#"{"number":1e300,"count":18446744073709551615}"#).unwrap();
        assert_eq!((large.number, large.count), (i64::MAX, Some(i64::MAX.unsigned_abs())));
    }

    #[test]
    fn what_cannot_be_read_is_named_without_its_value() {
        let rows = [
            ("<html>", "it is not JSON"),
            ("", "it is empty"),
            (r#"{"flag":true"#, "it ends too early"),
            ("{} {}", "it goes on after its end"),
            (r#"{"number":NaN}"#, "it is not JSON"),
            (r#"{"flag":"secret"}"#, "`flag` has an unexpected type or value"),
            (
                r#"{"inner":{"title":{"secret":1}}}"#,
                "`inner.title` has an unexpected type or value",
            ),
            (r#"{"list":["a",["secret"]]}"#, "`list[1]` has an unexpected type or value"),
            (r#"{"flag":true,"flag":true}"#, "`flag` stands twice"),
            (r#"[1]"#, "has an unexpected type or value"),
        ];
        for (text, expected) in rows {
            let error = parse_text::<All>(text).unwrap_err().to_string();
            assert_eq!(error, expected, "{text}");
        }
        let row =
            |text| parse_text::<Row<'_>>(text).map(|row| (row.id, row.raw.map(RawValue::get)));
        assert_eq!(row(r#"{"id":7,"raw":{"a": 1}}"#), Ok(("7".to_owned(), Some(r#"{"a": 1}"#))));
        assert_eq!(row("null").unwrap_err().to_string(), "`id` is absent");
        let null = row(r#"{"id":null}"#).unwrap_err().to_string();
        assert_eq!(null, "`id` has an unexpected type or value");
    }
}
