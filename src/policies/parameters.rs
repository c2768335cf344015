//! Validates the kind and the parameters of a policy before it is stored.

use serde_json::Value;

use super::kinds::{PolicyKind, Reference};
use crate::domain::patch::ValidationError;

/// The kind and the parameters of a policy, validated.
#[derive(Debug)]
pub struct ValidParameters {
    /// The ids that the parameters name; pointers are relative to the parameters.
    pub references: Vec<Reference>,
    /// The JSONata expressions with their pointers, to be parsed.
    pub expressions: Vec<(String, String)>,
}

/// Validates the kind and the parameters of a policy; pointers are those of a request body with `kind` and
/// `parameters`.
///
/// # Errors
///
/// The validation errors.
pub fn validate(kind: &str, parameters: &Value) -> Result<ValidParameters, Vec<ValidationError>> {
    let Some(kind) = PolicyKind::named(kind) else {
        let message = "is not a kind of policy: GET /policies/kinds lists them";
        return Err(vec![ValidationError::at("/kind", message)]);
    };
    let check = kind.check(parameters).map_err(|errors| {
        let within = |error: ValidationError| {
            ValidationError::at(format!("/parameters{}", error.pointer), error.message)
        };
        errors.into_iter().map(within).collect::<Vec<_>>()
    })?;
    let expressions = check.expressions().into_iter().map(|expression| {
        let pointer = pointer_to(parameters, expression).unwrap_or_default();
        (format!("/parameters{pointer}"), expression.to_owned())
    });
    Ok(ValidParameters { references: check.references(), expressions: expressions.collect() })
}

/// Returns where parameters or conditions have an expression: the value of a field `expression`, at any depth.
#[must_use]
pub fn pointer_to(value: &Value, expression: &str) -> Option<String> {
    let within =
        |name: &str, value: &Value| Some(format!("/{name}{}", pointer_to(value, expression)?));
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let is_it = name == "expression" && value == expression;
            if is_it { Some("/expression".to_owned()) } else { within(name, value) }
        }),
        Value::Array(elements) => {
            elements.iter().enumerate().find_map(|(index, value)| within(&index.to_string(), value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
