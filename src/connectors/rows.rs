//! The rows of a provider's list: no more than were requested, and one that can't be read costs itself only.

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::parse::{TOO_MANY, Unreadable, parse_text};
use super::unreadable_rows::UnreadableRow;
use super::{CallContext, ConnectorError};
use crate::domain::page::MAX_LIMIT;

/// The list of rows in a response. It must be there: `null` is no list, and nothing longer than the longest page is
/// read at all.
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
                return Err(A::Error::custom(format!("{TOO_MANY} a page can have")));
            }
            rows.push(row);
        }
        Ok(Rows(rows))
    }
}

/// A response's rows, and where they come from.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    /// The method.
    pub(super) method: &'static str,
    /// The field of the response.
    pub(super) list: &'static str,
    /// So many were requested.
    pub(super) most: usize,
    /// The rows as they came.
    pub(super) rows: Vec<&'a RawValue>,
}

impl<'a> Listed<'a> {
    /// What `read` makes of each row, and the row as it came when that is wanted. A row that can't be read is noted
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
        let Self { method, list, most, rows } = self;
        refuse_more(cx, method, (list, rows.len()), most)?;
        let mut unreadable = Vec::new();
        let (mut all, sent) = (Vec::with_capacity(rows.len()), rows.len());
        for (index, raw) in rows.into_iter().enumerate() {
            match parse_text::<W>(raw.get()) {
                Ok(row) => all.extend(read(row, cx.wants_remote.then(|| raw.to_owned()))),
                Err(Unreadable { field, reason }) => {
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
            return Err(cx.unreadable(method, odd.unwrap_or_default()));
        }
        for row in unreadable {
            cx.unreadable_rows.note(row);
        }
        Ok(all)
    }
}

/// Refuses a page with more rows than were requested.
pub(super) fn refuse_more(
    cx: &CallContext<'_>,
    method: &'static str,
    (list, sent): (&str, usize),
    most: usize,
) -> Result<(), ConnectorError> {
    if sent <= most {
        return Ok(());
    }
    let odd = format!("`{list}` has {sent} rows, and {most} were requested at most");
    Err(cx.unreadable(method, odd))
}

/// The id of a row, if that much can be read.
fn id_of(raw: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct WithId {
        id: Option<String>,
    }
    // A long one is none of a provider's.
    parse_text::<WithId>(raw.get()).ok()?.id.filter(|id| id.len() <= 128)
}
