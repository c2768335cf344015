//! Parsing of request bodies.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde_json::{Map, Value};

use super::value::field;
use super::version::ScimError;

/// Parses a body as a JSON object. It must contain `schemas`.
pub(super) fn parse_body(
    body: Result<Bytes, BytesRejection>,
) -> Result<Map<String, Value>, ScimError> {
    let unreadable = || ScimError::bad_request("invalid_request_payload");
    let body = body.map_err(|_| unreadable())?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        return Err(unreadable());
    };
    let schemas = field(&fields, "schemas").and_then(Value::as_array);
    if schemas.is_none_or(Vec::is_empty) {
        return Err(ScimError::bad_request("missing_schema_element"));
    }
    Ok(fields)
}
