//! Rows of a provider's list: limits their number, and leaves out single unreadable rows.

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::parse::{ParseError, TOO_MANY_ROWS, parse_text};
use super::unreadable_rows::UnreadableRow;
use super::{CallContext, ConnectorError};
use crate::domain::page::MAX_LIMIT;

/// The list of rows in a response. It is required: `null` is not a list. Parsing stops at the maximum page size.
#[derive(Debug)]
pub(super) struct Rows<R>(pub(super) Vec<R>);

impl<'de, R: Deserialize<'de>> Deserialize<'de> for Rows<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor(std::marker::PhantomData))
    }
}

struct RowsVisitor<R>(std::marker::PhantomData<R>);

impl<'de, R: Deserialize<'de>> Visitor<'de> for RowsVisitor<R> {
    type Value = Rows<R>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Rows<R>, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = access.next_element()? {
            if rows.len() >= usize::from(MAX_LIMIT) {
                return Err(A::Error::custom(format!("{TOO_MANY_ROWS} a page can have")));
            }
            rows.push(row);
        }
        Ok(Rows(rows))
    }
}

/// The unparsed rows of a response, and their source.
#[derive(Debug)]
pub(super) struct ResponseRows<'a> {
    /// The method.
    pub(super) method: &'static str,
    /// The field of the response.
    pub(super) list: &'static str,
    /// The requested number of rows.
    pub(super) max_rows: usize,
    /// The raw rows.
    pub(super) rows: Vec<&'a RawValue>,
}

impl<'a> ResponseRows<'a> {
    /// Parses each row and maps it by `read`, which also gets the raw row when requested. An unreadable row is recorded
    /// and left out.
    ///
    /// # Errors
    ///
    /// When there are more rows than were requested, or none of them can be read.
    pub(super) fn read<W: Deserialize<'a> + Send, T>(
        self,
        cx: &CallContext<'_>,
        mut read: impl FnMut(W, Option<Box<RawValue>>) -> Option<T>,
    ) -> Result<Vec<T>, ConnectorError> {
        let Self { method, list, max_rows: most, rows } = self;
        reject_excess_rows(cx, method, (list, rows.len()), most)?;
        let mut unreadable = Vec::new();
        let (mut all, sent) = (Vec::with_capacity(rows.len()), rows.len());
        for (index, raw) in rows.into_iter().enumerate() {
            match parse_text::<W>(raw.get()) {
                Ok(row) => all.extend(read(row, cx.include_remote.then(|| raw.to_owned()))),
                Err(ParseError { field, reason }) => {
                    let id = id_of(raw);
                    unreadable.push(UnreadableRow { method, list, index, id, field, reason });
                }
            }
        }
        if sent > 0 && unreadable.len() == sent {
            let first = unreadable.into_iter().next();
            let odd = first.map(|row| match &*row.field {
                "" => format!("`{list}[0]` {}", row.reason),
                field => format!("`{list}[0].{field}` {}", row.reason),
            });
            return Err(cx.invalid_response(method, odd.unwrap_or_default()));
        }
        for row in unreadable {
            cx.unreadable_rows.record(row);
        }
        Ok(all)
    }
}

/// Rejects a page with more rows than requested.
pub(super) fn reject_excess_rows(
    cx: &CallContext<'_>,
    method: &'static str,
    (list, sent): (&str, usize),
    most: usize,
) -> Result<(), ConnectorError> {
    if sent <= most {
        return Ok(());
    }
    let odd = format!("`{list}` has {sent} rows, and {most} were requested at most");
    Err(cx.invalid_response(method, odd))
}

/// Returns the id of a row, if it can be parsed.
fn id_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct WithId {
        id: Option<String>,
    }
    // Ids of providers are shorter.
    parse_text::<WithId>(raw.get()).ok()?.id.filter(|id| id.len() <= 128)
}
