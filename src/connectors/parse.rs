//! Parses providers' JSON. Errors name the path of a value, never the value itself, which is customer data.

use super::lenient_json::Lenient;
use super::low_priority::at_low_priority;
use serde::Deserialize;

/// Length in bytes from which a text is parsed without blocking other requests: a page of 8 MiB takes tens of
/// milliseconds.
const OFFLOAD_THRESHOLD_BYTES: usize = 256 * 1024;

/// Why a response, or a part of it, can't be parsed, in words for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParseError {
    /// The path of the field; empty when the whole is not JSON.
    pub(super) field: String,
    /// The defect.
    pub(super) reason: &'static str,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.field {
            "" => f.write_str(self.reason),
            field => write!(f, "`{field}` {}", self.reason),
        }
    }
}

impl ParseError {
    /// Returns an error about the whole text.
    pub(super) fn whole(reason: &'static str) -> Self {
        Self { field: String::new(), reason }
    }
}

/// Reads JSON. It is read as text: known to be UTF-8 as a whole, a long one takes almost half of the time.
pub(super) fn parse<'b, T: Deserialize<'b> + Send>(body: &'b [u8]) -> Result<T, ParseError> {
    parse_text(json_text(body)?)
}

/// Reads JSON text.
pub(super) fn parse_text<'b, T: Deserialize<'b> + Send>(text: &'b str) -> Result<T, ParseError> {
    if text.len() < OFFLOAD_THRESHOLD_BYTES { read(text) } else { at_low_priority(|| read(text)) }
}

fn read<'b, T: Deserialize<'b>>(text: &'b str) -> Result<T, ParseError> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = T::deserialize(Lenient(&mut json)).and_then(|read| json.end().map(|()| read));
    // The path is computed only for errors.
    read.map_err(|_| explain::<T>(text))
}

/// Returns a body as JSON text, without a byte order mark (RFC 8259 §8.1).
pub(super) fn json_text(body: &[u8]) -> Result<&str, ParseError> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    std::str::from_utf8(body).map_err(|_| ParseError::whole("it is not UTF-8"))
}

/// Explains why a text can't be parsed as `T`.
fn explain<'b, T: Deserialize<'b>>(text: &'b str) -> ParseError {
    if text.trim().is_empty() {
        return ParseError::whole("it is empty");
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(Lenient(&mut json)) else {
        return ParseError::whole("it has text after its end");
    };
    let path = match error.path().to_string() {
        path if path == "." => String::new(),
        path => path,
    };
    let inner = error.into_inner();
    match inner.classify() {
        serde_json::error::Category::Syntax => ParseError::whole("it is not JSON"),
        serde_json::error::Category::Eof => ParseError::whole("it ends too early"),
        serde_json::error::Category::Data | serde_json::error::Category::Io => {
            error_of_serde(path, &inner.to_string())
        }
    }
}

/// Returns the field and the reason of a serde error. Its message may contain values, so only known parts are used.
fn error_of_serde(path: String, message: &str) -> ParseError {
    let named = |prefix: &str| Some(message.strip_prefix(prefix)?.split_once('`')?.0.to_owned());
    let below = |name: String| if path.is_empty() { name } else { format!("{path}.{name}") };
    if let Some(name) = named("missing field `") {
        return ParseError { field: below(name), reason: "is absent" };
    }
    if let Some(name) = named("duplicate field `") {
        return ParseError { field: below(name), reason: "occurs twice" };
    }
    let reason = if message.starts_with(TOO_MANY_ROWS) {
        "has more rows than were requested"
    } else {
        "has an unexpected type or value"
    };
    ParseError { field: path, reason }
}

/// The prefix of the error of a list with too many rows.
pub(super) const TOO_MANY_ROWS: &str = "more rows than";

/// Asserts that a type parses the whole sample, and parses a null field like an absent one, for every field of the
/// sample.
#[cfg(test)]
pub(super) fn assert_null_is_absent<T: serde::de::DeserializeOwned + Send + std::fmt::Debug>(
    sample: &serde_json::Value,
) {
    let read = |value: &serde_json::Value| {
        parse_text::<T>(&value.to_string()).map(|read| format!("{read:?}")).ok()
    };
    assert!(read(sample).is_some(), "{sample}");
    for (place, name) in fields_of(sample, "") {
        let mut null = sample.clone();
        let Some(fields) = null.pointer_mut(&place).and_then(serde_json::Value::as_object_mut)
        else {
            continue;
        };
        let mut absent = sample.clone();
        fields.insert(name.clone(), serde_json::Value::Null);
        if let Some(fields) = absent.pointer_mut(&place).and_then(serde_json::Value::as_object_mut)
        {
            fields.remove(&name);
        }
        assert_eq!(read(&null), read(&absent), "{place}/{name}");
    }
}

/// Returns every nested field of a value: the pointer of its object, and its name.
#[cfg(test)]
fn fields_of(value: &serde_json::Value, place: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (index, row) in value.as_array().into_iter().flatten().enumerate() {
        all.extend(fields_of(row, &format!("{place}/{index}")));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        all.push((place.to_owned(), name.clone()));
        let escaped = name.replace('~', "~0").replace('/', "~1");
        all.extend(fields_of(field, &format!("{place}/{escaped}")));
    }
    all
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
    fn converts_values_to_the_expected_types() {
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
    fn errors_name_the_path_without_the_value() {
        let rows = [
            ("<html>", "it is not JSON"),
            ("", "it is empty"),
            (r#"{"flag":true"#, "it ends too early"),
            ("{} {}", "it has text after its end"),
            (r#"{"number":NaN}"#, "it is not JSON"),
            (r#"{"flag":"secret"}"#, "`flag` has an unexpected type or value"),
            (
                r#"{"inner":{"title":{"secret":1}}}"#,
                "`inner.title` has an unexpected type or value",
            ),
            (r#"{"list":["a",["secret"]]}"#, "`list[1]` has an unexpected type or value"),
            (r#"{"flag":true,"flag":true}"#, "`flag` occurs twice"),
            (r"[1]", "has an unexpected type or value"),
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
