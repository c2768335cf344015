//! What every connector does alike: reading a response, "not found" as `None`, arguments that are not the caller's to
//! give.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::parse::{json_text, parse, parse_text};
use super::{CallContext, ConnectorError, Kind};
use crate::domain::filter::RemoteQuery;
use crate::upstream::WholeBody;

/// An answer that is no failure.
pub(super) struct Okay {
    /// What was called.
    pub(super) method: &'static str,
    /// The whole body.
    pub(super) body: WholeBody,
}

impl Okay {
    /// Reads the answer's fields.
    pub(super) fn read<'a, T: Deserialize<'a> + Send>(
        &'a self,
        cx: &CallContext<'_>,
    ) -> Result<T, ConnectorError> {
        parse(&self.body).map_err(|odd| cx.unreadable(self.method, odd.to_string()))
    }

    /// The whole answer as it came.
    pub(super) fn remote(&self) -> Box<RawValue> {
        let raw = json_text(&self.body).ok().and_then(|text| serde_json::from_str(text).ok());
        raw.unwrap_or_else(null)
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// Several of the provider's objects as one, each by its name.
pub(super) fn together<const N: usize>(parts: [(&str, Option<&RawValue>); N]) -> Box<RawValue> {
    to_raw_value(&BTreeMap::from(parts)).unwrap_or_else(|_| null())
}

/// Reads an object inside of an answer, and holds it as it came when that is wanted.
pub(super) fn object<'a, T: Deserialize<'a> + Send>(
    cx: &CallContext<'_>,
    method: &'static str,
    raw: &'a RawValue,
) -> Result<(T, Option<Box<RawValue>>), ConnectorError> {
    let read = parse_text(raw.get()).map_err(|odd| cx.unreadable(method, odd.to_string()))?;
    Ok((read, cx.wants_remote.then(|| raw.to_owned())))
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
