//! Custom fields, computed from the unified fields and the provider's objects by the workers of
//! [`crate::expressions`]. An expression that fails costs its own field only, never the response.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::connectors::{IncompleteList, UnreadableRow};
use crate::domain::ids::EnvironmentId;
use crate::domain::mapping::Mapping;
use crate::expressions::{ExpressionError, ExpressionPool, JobInputs};

/// A warning about missing data: a custom field that could not be computed and is null, a provider's row that could not
/// be read and is left out, or a provider's list that may have more rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// The field; for an unreadable row, the path of the provider's field, such as
    /// `admin.users.list: users[3].is_admin`; for a list that may have more rows, the provider's method.
    pub field: String,
    /// The object's id; `null` for all further objects of the response.
    pub id: Option<String>,
    /// The cause.
    pub message: String,
    /// For an unreadable row, its index in the provider's page, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

impl Warning {
    /// Returns the warning about an unreadable row.
    pub(super) fn of_row(row: UnreadableRow) -> Self {
        let UnreadableRow { method, list, index, id, field, reason } = row;
        let (dot, what) = if field.is_empty() { ("", "The row") } else { (".", &*field) };
        Self {
            message: format!("{what} {reason}. The row is left out; the other rows are returned."),
            field: format!("{method}: {list}[{index}]{dot}{field}"),
            id,
            index: Some(index),
        }
    }

    /// Returns the warning about unreadable rows that are not reported individually.
    pub(super) fn of_further_rows(further: usize) -> Self {
        let message = format!("{further} more rows could not be read. They are left out.");
        Self { message, ..Self::default() }
    }

    /// Returns the warning about a list that may have more rows.
    pub(super) fn of_list(IncompleteList { method, returned }: IncompleteList) -> Self {
        let message = format!(
            "The provider counts more than the {returned} rows that it returned. The list may be incomplete."
        );
        Self { field: method.to_owned(), message, ..Self::default() }
    }
}

/// The input of custom fields: an object's unified fields and the provider's objects.
pub type MappingInput<R> = (Map<String, Value>, Option<R>);

/// Names and values of custom fields, for each object.
pub type MappedFields<'m> = Vec<Vec<(&'m str, Box<RawValue>)>>;

/// Evaluates one expression on an object given as JSON.
///
/// # Errors
///
/// Why the expression has no value.
pub async fn preview(
    expressions: &ExpressionPool,
    environment_id: EnvironmentId,
    expression: &str,
    (unified, remote): (&RawValue, &RawValue),
) -> Result<Box<RawValue>, ExpressionError> {
    let write = |_: usize, out: &mut Vec<u8>| write_input(out, &unified, &remote);
    let inputs = JobInputs { count: 1, write: &write };
    let held = unified.get().len() + remote.get().len() + expression.len();
    let computed = expressions.compute(environment_id, &[expression], inputs, held).await;
    match computed.errors.into_iter().next() {
        Some(failed) => Err(failed.error),
        None => computed.values.into_iter().flatten().flatten().next().ok_or(ExpressionError::Busy),
    }
}

/// Computes the custom fields of objects. All expressions see the built-in fields. A failure is a warning.
pub async fn apply<'m, R: Serialize + Send + Sync>(
    expressions: &ExpressionPool,
    environment_id: EnvironmentId,
    mappings: &[&'m Mapping],
    objects: &[MappingInput<R>],
) -> (MappedFields<'m>, Vec<Warning>) {
    let texts: Vec<&str> = mappings.iter().map(|mapping| mapping.expression.as_str()).collect();
    let write = |index: usize, out: &mut Vec<u8>| {
        if let Some((unified, remote)) = objects.get(index) {
            write_input(out, unified, remote);
        }
    };
    let inputs = JobInputs { count: objects.len(), write: &write };
    // The response holds the objects with or without mappings.
    let computed = expressions.compute(environment_id, &texts, inputs, 0).await;
    let warnings = computed.errors.into_iter().filter_map(|failed| {
        let object = failed.input.and_then(|input| objects.get(input));
        let id = object.and_then(|(unified, _)| unified.get("id")).and_then(Value::as_str);
        Some(Warning {
            field: mappings.get(failed.expression)?.field.clone(),
            id: id.map(str::to_owned),
            message: failed.error.to_string(),
            index: None,
        })
    });
    let warnings = warnings.collect();
    let fields = computed.values.into_iter().map(|values| {
        let values = values.into_iter().map(|value| value.unwrap_or_else(null));
        mappings.iter().map(|mapping| mapping.field.as_str()).zip(values).collect()
    });
    (fields.collect(), warnings)
}

fn write_input(out: &mut Vec<u8>, unified: &impl Serialize, remote: &impl Serialize) {
    #[derive(Serialize)]
    struct Input<U, R> {
        unified: U,
        remote: R,
    }
    let before = out.len();
    if serde_json::to_writer(&mut *out, &Input { unified, remote }).is_err() {
        out.truncate(before);
        out.extend_from_slice(b"{}");
    }
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}
