//! List responses (RFC 7644 §3.4.2). Servers differ in the names and types of the two members that matter.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::complex_type::{NameSeed, SeenNames};
use crate::connectors::parse::{ParseError, TOO_MANY_ROWS, json_text, parse_text};
use crate::domain::page::MAX_LIMIT;

/// Maximum rows of one response: some servers send all rows at once.
const MAX_ROWS: usize = 100_000;
/// Maximum rows of a response whose rows are parsed with it.
const MAX_PARSED_ROWS: usize = MAX_LIMIT as usize;

const TOTAL: &str = "totalResults";
const ROWS: &str = "Resources";

/// A list response with unparsed rows.
pub(super) type ScimListResponse<'a> = ListResponse<&'a RawValue, MAX_ROWS>;
/// A list response whose rows are parsed with it. It can't be read when one of the rows can't.
pub(super) type ParsedListResponse<W> = ListResponse<W, MAX_PARSED_ROWS>;

/// A list response of at most `MAX` rows.
#[derive(Debug)]
pub(super) struct ListResponse<R, const MAX: usize> {
    /// The total number of rows, as the server counts them; `None` without a usable number.
    pub(super) total_results: Option<u64>,
    /// The rows; `None` when there is no list.
    pub(super) resources: Option<ResourceRows<R, MAX>>,
}

/// The rows of a list response.
#[derive(Debug)]
pub(super) struct ResourceRows<R, const MAX: usize>(pub(super) Vec<R>);

/// Reads a list response with unparsed rows. One row may stand in place of the list.
pub(super) fn read_list(body: &[u8]) -> Result<ScimListResponse<'_>, ParseError> {
    /// A list response with unparsed members.
    struct Single<'a> {
        total: Total,
        row: Option<&'a RawValue>,
    }
    struct SingleVisitor;
    impl<'de> Visitor<'de> for SingleVisitor {
        type Value = Single<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Single<'de>, A::Error> {
            let mut single = Single { total: Total(None), row: None };
            read_members(&mut access, |access, name| {
                match name {
                    TOTAL => single.total = access.next_value()?,
                    _ => single.row = access.next_value()?,
                }
                Ok(())
            })?;
            Ok(single)
        }
    }
    impl<'de: 'a, 'a> Deserialize<'de> for Single<'a> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(SingleVisitor)
        }
    }
    let text = json_text(body)?;
    parse_text(text).or_else(|error| {
        let Ok(Single { total, row: Some(row) }) = parse_text(text) else { return Err(error) };
        if !row.get().starts_with('{') {
            return Err(error);
        }
        Ok(ListResponse { total_results: total.0, resources: Some(ResourceRows(vec![row])) })
    })
}

/// Reads the two members of a list response by `read`, and skips the others.
fn read_members<'de, A: MapAccess<'de>>(
    access: &mut A,
    mut read: impl FnMut(&mut A, &'static str) -> Result<(), A::Error>,
) -> Result<(), A::Error> {
    let mut seen = SeenNames::default();
    while let Some(known) = access.next_key_seed(NameSeed(&[TOTAL, ROWS]))? {
        match known {
            None => {
                access.next_value::<IgnoredAny>()?;
            }
            Some(known) => {
                let name = seen.add(known)?;
                read(access, name)?;
            }
        }
    }
    Ok(())
}

impl<'de, R: Deserialize<'de>, const MAX: usize> Deserialize<'de> for ListResponse<R, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

struct ListVisitor<R, const MAX: usize>(PhantomData<R>);

impl<'de, R: Deserialize<'de>, const MAX: usize> Visitor<'de> for ListVisitor<R, MAX> {
    type Value = ListResponse<R, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list response")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = ListResponse { total_results: None, resources: None };
        read_members(&mut access, |access, name| {
            match name {
                TOTAL => list.total_results = access.next_value::<Total>()?.0,
                _ => list.resources = access.next_value()?,
            }
            Ok(())
        })?;
        Ok(list)
    }

    /// A list without its envelope; an empty one says too little.
    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        let rows = RowsVisitor(PhantomData).visit_seq(access)?;
        let resources = Some(rows).filter(|rows: &ResourceRows<R, MAX>| !rows.0.is_empty());
        Ok(ListResponse { total_results: None, resources })
    }
}

impl<'de, R: Deserialize<'de>, const MAX: usize> Deserialize<'de> for ResourceRows<R, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor(PhantomData))
    }
}

struct RowsVisitor<R, const MAX: usize>(PhantomData<R>);

impl<'de, R: Deserialize<'de>, const MAX: usize> Visitor<'de> for RowsVisitor<R, MAX> {
    type Value = ResourceRows<R, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        Ok(ResourceRows(vec![R::deserialize(MapAccessDeserializer::new(access))?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = access.next_element()? {
            if rows.len() >= MAX {
                return Err(A::Error::custom(format!("{TOO_MANY_ROWS} a response can have")));
            }
            rows.push(row);
        }
        Ok(ResourceRows(rows))
    }
}

/// A total number of rows; `None` for a value that is none.
struct Total(Option<u64>);

impl<'de> Deserialize<'de> for Total {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TotalVisitor)
    }
}

struct TotalVisitor;

impl<'de> Visitor<'de> for TotalVisitor {
    type Value = Total;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Total, E> {
        Ok(Total(None))
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Total, E> {
        Ok(Total(None))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Total, E> {
        Ok(Total(u64::try_from(value).ok()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Total, E> {
        Ok(Total(Some(value)))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Total, E> {
        // `3.0`, but not `3.5`.
        Ok(Total(value.to_string().parse().ok()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Total, E> {
        Ok(Total(text.trim().parse().ok()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Total, A::Error> {
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Total(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Total, A::Error> {
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Total(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Option<u64>, Option<Vec<String>>), String> {
        let list = read_list(text.as_bytes()).map_err(|odd| odd.to_string())?;
        let rows =
            list.resources.map(|rows| rows.0.iter().map(|row| row.get().to_owned()).collect());
        Ok((list.total_results, rows))
    }

    #[test]
    fn reads_totals_of_any_type() {
        for (text, expected) in [
            ("3", Some(3)),
            ("3.0", Some(3)),
            ("\" 3 \"", Some(3)),
            ("3.5", None),
            ("-1", None),
            ("\"many\"", None),
            ("null", None),
            ("true", None),
            ("[3]", None),
            ("{\"value\": 3}", None),
        ] {
            let list = format!(r#"{{"totalResults": {text}, "Resources": []}}"#);
            assert_eq!(read(&list), Ok((expected, Some(Vec::new()))), "{text}");
        }
    }

    #[test]
    fn reads_rows_in_any_form() {
        let row = || Some(vec![r#"{"id":"1"}"#.to_owned()]);
        for (text, expected) in [
            (r#"{"Resources":[{"id":"1"}]}"#, (None, row())),
            (r#"{"RESOURCES":[{"id":"1"}],"TOTALRESULTS":1}"#, (Some(1), row())),
            (r#"{"schemas":["x"],"Resources":{"id":"1"},"totalResults":1}"#, (Some(1), row())),
            (r#"[{"id":"1"}]"#, (None, row())),
            (r#"{"totalResults":1,"Resources":null}"#, (Some(1), None)),
            (r#"{"totalResults":1}"#, (Some(1), None)),
            ("{}", (None, None)),
            ("[]", (None, None)),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        for (text, reason) in [
            (r#"{"Resources":"none"}"#, "`Resources` has an unexpected type or value"),
            (r#"{"Resources":7}"#, "`Resources` has an unexpected type or value"),
            ("<html>", "it is not JSON"),
            ("null", "has an unexpected type or value"),
            ("", "it is empty"),
        ] {
            assert_eq!(read(text), Err(reason.to_owned()), "{text}");
        }
        let rows = format!(r#"{{"Resources":[{}0]}}"#, "0,".repeat(MAX_ROWS));
        assert_eq!(read(&rows), Err("`Resources` has more rows than were requested".to_owned()));
    }

    #[test]
    fn rows_are_parsed_with_their_list_if_all_of_them_can_be() {
        use crate::connectors::scim::wire::UserResource;
        let parse = |text| {
            let list = parse_text::<ParsedListResponse<UserResource>>(text).ok()?;
            Some(list.resources?.0.into_iter().map(|user| user.id).collect::<Vec<_>>())
        };
        let ids = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(r#"{"Resources":[{"id":1},{"ID":"2"}]}"#), ids(&["1", "2"]));
        assert_eq!(parse(r#"{"Resources":{"id":"1"}}"#), ids(&["1"]));
        assert_eq!(parse(r#"{"Resources":[{"id":"1"},{}]}"#), None);
    }
}
