//! Page tokens of connectors that serialize them as JSON.

use serde::{Deserialize, Serialize};

use super::{CallContext, ConnectorError, ErrorKind, PageToken};

/// Parses a page token; no token is the start of the list.
pub(super) fn decode<T: Default + for<'de> Deserialize<'de>>(
    cx: &CallContext<'_>,
    method: &'static str,
    position: Option<&PageToken>,
) -> Result<T, ConnectorError> {
    match position {
        None => Ok(T::default()),
        Some(PageToken(text)) => {
            serde_json::from_str(text).map_err(|_| cx.error(method, ErrorKind::InvalidCursor))
        }
    }
}

/// Serializes a page token.
pub(super) fn encode(at: &impl Serialize) -> PageToken {
    PageToken(serde_json::to_string(at).unwrap_or_default())
}
