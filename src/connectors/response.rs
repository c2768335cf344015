//! Parsing of responses, shared by all connectors, and the check for reserved arguments.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::parse::{json_text, parse, parse_text};
use super::{CallContext, ConnectorError, ErrorKind};
use crate::domain::filter::RemoteQuery;
use crate::upstream::BufferedBody;

/// The body of a successful response.
pub(super) struct SuccessBody {
    /// The called method.
    pub(super) method: &'static str,
    /// The whole body.
    pub(super) body: BufferedBody,
}

impl SuccessBody {
    /// Reads the response's fields.
    pub(super) fn read<'a, T: Deserialize<'a> + Send>(
        &'a self,
        cx: &CallContext<'_>,
    ) -> Result<T, ConnectorError> {
        parse(&self.body).map_err(|odd| cx.invalid_response(self.method, odd.to_string()))
    }

    /// Returns the whole body as raw JSON.
    pub(super) fn remote(&self) -> Box<RawValue> {
        let raw = json_text(&self.body).ok().and_then(|text| serde_json::from_str(text).ok());
        raw.unwrap_or_else(null)
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// Merges several of the provider's objects into one, each by its name.
pub(super) fn merge_remote<const N: usize>(parts: [(&str, Option<&RawValue>); N]) -> Box<RawValue> {
    to_raw_value(&BTreeMap::from(parts)).unwrap_or_else(|_| null())
}

/// Reads an object inside of a response, and holds it as it came when that is wanted.
pub(super) fn parse_object<'a, T: Deserialize<'a> + Send>(
    cx: &CallContext<'_>,
    method: &'static str,
    raw: &'a RawValue,
) -> Result<(T, Option<Box<RawValue>>), ConnectorError> {
    let read = parse_text(raw.get()).map_err(|odd| cx.invalid_response(method, odd.to_string()))?;
    Ok((read, cx.include_remote.then(|| raw.to_owned())))
}

/// Rejects caller's arguments that the gateway sets itself.
pub(super) fn reject_reserved(
    cx: &CallContext<'_>,
    method: &'static str,
    remote: &RemoteQuery,
    ours: &[&str],
) -> Result<(), ConnectorError> {
    let taken = remote.0.iter().find(|(name, _)| ours.contains(&name.as_str()));
    taken.map_or(Ok(()), |(name, _)| {
        Err(cx.error(method, ErrorKind::ReservedArgument).with_code(name))
    })
}

/// Converts "not found" to `None`.
pub(super) fn not_found_as_none<T>(
    result: Result<T, ConnectorError>,
) -> Result<Option<T>, ConnectorError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Converts "not found", "missing scope" and "forbidden" to `None`, for optional data.
pub(super) fn unavailable_as_none<T>(
    result: Result<T, ConnectorError>,
) -> Result<Option<T>, ConnectorError> {
    match result {
        Err(error) if matches!(error.kind, ErrorKind::MissingScope | ErrorKind::Forbidden) => {
            Ok(None)
        }
        other => not_found_as_none(other),
    }
}
