//! Positions of ours: what a cursor holds, written as JSON.

use serde::{Deserialize, Serialize};

use super::{CallContext, ConnectorError, Kind, Position};

/// Reads a position of ours; no position is the start.
pub(super) fn position<T: Default + for<'de> Deserialize<'de>>(
    cx: &CallContext<'_>,
    method: &'static str,
    position: Option<&Position>,
) -> Result<T, ConnectorError> {
    match position {
        None => Ok(T::default()),
        Some(Position(text)) => {
            serde_json::from_str(text).map_err(|_| cx.error(method, Kind::InvalidCursor))
        }
    }
}

/// Writes a position of ours.
pub(super) fn encode(at: &impl Serialize) -> Position {
    Position(serde_json::to_string(at).unwrap_or_default())
}
