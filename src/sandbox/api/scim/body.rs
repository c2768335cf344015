//! Reads what a request carries.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use serde_json::{Map, Value};

use super::value::field;
use super::version::Trouble;

/// The resource or the changes that a request carries. It has to name their schemas.
pub(super) fn read(body: Result<Bytes, BytesRejection>) -> Result<Map<String, Value>, Trouble> {
    let unreadable = || Trouble::bad("invalid_request_payload");
    let body = body.map_err(|_| unreadable())?;
    let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
        return Err(unreadable());
    };
    let schemas = field(&fields, "schemas").and_then(Value::as_array);
    if schemas.is_none_or(Vec::is_empty) {
        return Err(Trouble::bad("missing_schema_element"));
    }
    Ok(fields)
}
