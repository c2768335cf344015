//! The two grammars of `PATCH`. Version 1.1 sends a part of the resource; version 2.0 a list of
//! operations, or a part of the resource for Slack's own profile.

use serde_json::{Map, Value};

use super::draft::{Draft, Mode};
use super::path::Target;
use super::value::{field, fields};
use super::version::{Trouble, Version};

/// What is wrong with a request that cannot be read.
const UNREADABLE: &str = "invalid_request_payload";

/// What an operation of version 2.0 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// Adds to what is there.
    Add,
    /// Takes the place of what is there.
    Replace,
    /// Takes away.
    Remove,
}

/// An operation of version 2.0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation<'a> {
    /// What it does.
    pub(super) verb: Verb,
    /// To what; to the resource as a whole when absent.
    pub(super) path: Option<&'a str>,
    /// With what.
    pub(super) value: &'a Value,
}

/// The operations of a request of version 2.0. None when it has no such list.
pub(super) fn operations(body: &Map<String, Value>) -> Result<Option<Vec<Operation<'_>>>, Trouble> {
    let Some(list) = field(body, "Operations") else {
        return Ok(None);
    };
    let list = list.as_array().ok_or_else(|| Trouble::bad(UNREADABLE))?;
    list.iter().map(operation).collect::<Result<_, _>>().map(Some)
}

fn operation(value: &Value) -> Result<Operation<'_>, Trouble> {
    let unreadable = || Trouble::bad(UNREADABLE);
    let parts = value.as_object().ok_or_else(unreadable)?;
    let word = field(parts, "op").and_then(Value::as_str).ok_or_else(unreadable)?;
    let verb = match word.to_ascii_lowercase().as_str() {
        "add" => Verb::Add,
        "replace" => Verb::Replace,
        "remove" => Verb::Remove,
        _ => return Err(unreadable()),
    };
    let path = match field(parts, "path") {
        None | Some(Value::Null) => None,
        Some(path) => Some(path.as_str().ok_or_else(unreadable)?),
    };
    let value = field(parts, "value");
    // There has to be something to add, and something to take away.
    if value.is_none() && verb != Verb::Remove || path.is_none() && verb == Verb::Remove {
        return Err(unreadable());
    }
    Ok(Operation { verb, path, value: value.unwrap_or(&Value::Null) })
}

/// Clears what `meta.attributes` names; version 1.1 has no other way to.
pub(super) fn cleared<'a>(body: &'a Map<String, Value>) -> Result<Vec<&'a str>, Trouble> {
    let list = field(body, "meta").and_then(Value::as_object);
    let list = match list.and_then(|meta| field(meta, "attributes")) {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or_else(|| Trouble::bad(UNREADABLE))?,
    };

    let name = |name: &'a Value| name.as_str().ok_or_else(|| Trouble::bad(UNREADABLE));
    list.iter().map(name).collect()
}

/// Writes what a request wants changed into a user's draft.
pub(super) fn apply(draft: &mut Draft<'_>, body: &Map<String, Value>) -> Result<(), Trouble> {
    let operations = match draft.version {
        Version::One => None,
        Version::Two => operations(body)?,
    };
    let Some(operations) = operations else {
        for name in cleared(body)? {
            draft.clear(&target(draft.version, name)?)?;
        }
        return draft.write_all(body, Mode::Merge);
    };
    for operation in operations {
        perform(draft, operation)?;
    }
    Ok(())
}

fn perform(draft: &mut Draft<'_>, operation: Operation<'_>) -> Result<(), Trouble> {
    let mode = if operation.verb == Verb::Add { Mode::Merge } else { Mode::Replace };
    let Some(path) = operation.path else {
        return draft.write_all(fields(operation.value)?, mode);
    };
    let target = target(draft.version, path)?;
    if operation.verb == Verb::Remove {
        draft.clear(&target)
    } else {
        draft.write(&target, operation.value, mode)
    }
}

fn target(version: Version, path: &str) -> Result<Target, Trouble> {
    Target::parse(version, path).ok_or_else(|| Trouble::bad(UNREADABLE))
}
