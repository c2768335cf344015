//! What every connector does alike: reading an answer and its rows, "not found" as `None`, arguments that are not the
//! caller's to give.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{CallContext, ConnectorError, Kind};
use crate::domain::filter::RemoteQuery;

/// An answer that is no failure.
pub(super) struct Okay {
    /// What was called.
    pub(super) method: &'static str,
    /// The whole body.
    pub(super) body: Bytes,
}

impl Okay {
    /// Reads the answer's fields.
    pub(super) fn read<'a, T: Deserialize<'a>>(
        &'a self,
        cx: &CallContext<'_>,
    ) -> Result<T, ConnectorError> {
        parsed(&self.body).ok_or_else(|| cx.error(self.method, Kind::Trouble))
    }

    /// The whole answer as it came.
    pub(super) fn remote(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// Reads JSON, as a text: known to be UTF-8 as a whole, a long one takes almost half of the time.
pub(super) fn parsed<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
}

/// Reads one row of an answer, and keeps it as it came when that is wanted.
pub(super) fn row<'a, T: Deserialize<'a>>(
    cx: &CallContext<'_>,
    method: &'static str,
    raw: &'a RawValue,
) -> Result<(T, Option<serde_json::Value>), ConnectorError> {
    let read = serde_json::from_str(raw.get()).map_err(|_| cx.error(method, Kind::Trouble))?;
    let remote = cx.wants_remote.then(|| serde_json::from_str(raw.get()).unwrap_or_default());
    Ok((read, remote))
}

/// Refuses the caller's own arguments that are ours to set.
pub(super) fn refuse_reserved(
    cx: &CallContext<'_>,
    method: &'static str,
    remote: &RemoteQuery,
    ours: &[&str],
) -> Result<(), ConnectorError> {
    let taken = remote.0.iter().find(|(name, _)| ours.contains(&name.as_str()));
    taken.map_or(Ok(()), |(name, _)| Err(cx.error(method, Kind::Reserved).with_code(name)))
}

/// "Not found" as `None`.
pub(super) fn found<T>(result: Result<T, ConnectorError>) -> Result<Option<T>, ConnectorError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the rest can do without: "not found" and "not allowed" as `None`.
pub(super) fn optional<T>(result: Result<T, ConnectorError>) -> Result<Option<T>, ConnectorError> {
    match result {
        Err(error) if matches!(error.kind, Kind::MissingScope | Kind::Forbidden) => Ok(None),
        other => found(other),
    }
}
