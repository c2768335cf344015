//! The two formats of `PATCH`. Version 1.1 sends a partial resource; version 2.0 sends operations,
//! or a partial resource for Slack's profile extension.

use serde_json::{Map, Value};

use super::path::AttributeTarget;
use super::user_draft::{ListMode, UserDraft};
use super::value::{field, fields};
use super::version::{ScimError, ScimVersion};

/// Error code for an unreadable request.
const INVALID_PAYLOAD: &str = "invalid_request_payload";

/// Kind of a version 2.0 operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchOp {
    /// Adds a value.
    Add,
    /// Replaces a value.
    Replace,
    /// Removes a value.
    Remove,
}

/// A version 2.0 operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct PatchOperation<'a> {
    /// Kind.
    pub(super) op: PatchOp,
    /// Path; `None` for the whole resource.
    pub(super) path: Option<&'a str>,
    /// Value.
    pub(super) value: &'a Value,
}

/// Returns the operations of a version 2.0 request, or `None` if it has no `Operations`.
pub(super) fn operations(
    body: &Map<String, Value>,
) -> Result<Option<Vec<PatchOperation<'_>>>, ScimError> {
    let Some(list) = field(body, "Operations") else {
        return Ok(None);
    };
    let list = list.as_array().ok_or_else(|| ScimError::bad_request(INVALID_PAYLOAD))?;
    list.iter().map(operation).collect::<Result<_, _>>().map(Some)
}

fn operation(value: &Value) -> Result<PatchOperation<'_>, ScimError> {
    let unreadable = || ScimError::bad_request(INVALID_PAYLOAD);
    let parts = value.as_object().ok_or_else(unreadable)?;
    let word = field(parts, "op").and_then(Value::as_str).ok_or_else(unreadable)?;
    let verb = match word.to_ascii_lowercase().as_str() {
        "add" => PatchOp::Add,
        "replace" => PatchOp::Replace,
        "remove" => PatchOp::Remove,
        _ => return Err(unreadable()),
    };
    let path = match field(parts, "path") {
        None | Some(Value::Null) => None,
        Some(path) => Some(path.as_str().ok_or_else(unreadable)?),
    };
    let value = field(parts, "value");
    // `add` needs a value, and `remove` a path.
    if value.is_none() && verb != PatchOp::Remove || path.is_none() && verb == PatchOp::Remove {
        return Err(unreadable());
    }
    Ok(PatchOperation { op: verb, path, value: value.unwrap_or(&Value::Null) })
}

/// Returns the attributes to remove in `meta.attributes` (version 1.1).
pub(super) fn cleared_attributes<'a>(
    body: &'a Map<String, Value>,
) -> Result<Vec<&'a str>, ScimError> {
    let list = field(body, "meta").and_then(Value::as_object);
    let list = match list.and_then(|meta| field(meta, "attributes")) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(|| ScimError::bad_request(INVALID_PAYLOAD))?,
    };

    let name =
        |name: &'a Value| name.as_str().ok_or_else(|| ScimError::bad_request(INVALID_PAYLOAD));
    list.iter().map(name).collect()
}

/// Applies a `PATCH` request to a user's draft.
pub(super) fn apply(draft: &mut UserDraft<'_>, body: &Map<String, Value>) -> Result<(), ScimError> {
    let operations = match draft.version {
        ScimVersion::One => None,
        ScimVersion::Two => operations(body)?,
    };
    let Some(operations) = operations else {
        for name in cleared_attributes(body)? {
            draft.clear(&target(draft.version, name)?)?;
        }
        return draft.write_all(body, ListMode::Merge);
    };
    for operation in operations {
        apply_operation(draft, operation)?;
    }
    Ok(())
}

fn apply_operation(
    draft: &mut UserDraft<'_>,
    operation: PatchOperation<'_>,
) -> Result<(), ScimError> {
    let mode = if operation.op == PatchOp::Add { ListMode::Merge } else { ListMode::Replace };
    let Some(path) = operation.path else {
        return draft.write_all(fields(operation.value)?, mode);
    };
    let target = target(draft.version, path)?;
    if operation.op == PatchOp::Remove {
        draft.clear(&target)
    } else {
        draft.write(&target, operation.value, mode)
    }
}

fn target(version: ScimVersion, path: &str) -> Result<AttributeTarget, ScimError> {
    AttributeTarget::parse(version, path).ok_or_else(|| ScimError::bad_request(INVALID_PAYLOAD))
}
