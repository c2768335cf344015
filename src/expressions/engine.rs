//! The JSONata engine: evaluates an expression on an input and writes the value as JSON. Runs in workers only.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonata_core::Expression;
use jsonata_core::evaluator::{EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;

use super::{EVALUATION_TIMEOUT, ExpressionError, MAX_VALUE_BYTES};

/// Maximum depth of an evaluation.
const MAX_DEPTH: usize = 200;
/// Maximum depth of a value: JSON readers commonly stop at 128, and the row around the value adds to it.
const MAX_VALUE_DEPTH: usize = 100;
/// Maximum length of a sequence.
const MAX_SEQUENCE_LENGTH: usize = 10_000;
/// Error codes of the engine for its own limits: depth, time, sequences, ranges.
const LIMIT_CODES: [&str; 6] = ["D1011", "D1012", "D2014", "D2015", "U1001", "U1002"];

/// Parses an expression.
pub(super) fn compile(text: &str) -> Result<Expression, ExpressionError> {
    let compiled = catch_unwind(|| Expression::compile(text));
    let compiled = compiled.map_err(|_| ExpressionError::evaluation("the parser failed"))?;
    compiled.map_err(|error| ExpressionError::evaluation(&error.to_string()))
}

/// Parses an input.
pub(super) fn input(text: &[u8]) -> Result<JValue, ExpressionError> {
    let text =
        std::str::from_utf8(text).map_err(|error| ExpressionError::limit(&error.to_string()))?;
    JValue::from_json_str(text)
        .map_err(|error| ExpressionError::limit(&format!("the input: {error}")))
}

/// Appends the value of an expression to `out`.
pub(super) fn evaluate(
    expression: &Expression,
    input: &JValue,
    out: &mut Vec<u8>,
) -> Result<(), ExpressionError> {
    let evaluate = AssertUnwindSafe(|| {
        let options = EvaluatorOptions {
            timeout_ms: u64::try_from(EVALUATION_TIMEOUT.as_millis()).ok(),
            max_stack_depth: Some(MAX_DEPTH),
            max_sequence_length: Some(MAX_SEQUENCE_LENGTH),
            ..EvaluatorOptions::default()
        };
        let value = expression.evaluate_with_options(input, options);
        let value = value.map_err(|error| classify(&error))?;
        check(&value, 0)?;
        let limit = out.len() + MAX_VALUE_BYTES;
        serde_json::to_writer(CappedBuffer { out: &mut *out, limit }, &value).map_err(|error| {
            if error.is_io() {
                ExpressionError::limit(&format!("the value exceeds {MAX_VALUE_BYTES} bytes"))
            } else {
                ExpressionError::evaluation(&error.to_string())
            }
        })
    });
    catch_unwind(evaluate)
        .unwrap_or_else(|_| Err(ExpressionError::evaluation("the evaluation failed")))
}

fn classify(error: &EvaluatorError) -> ExpressionError {
    let is_limit = error.code().is_some_and(|code| LIMIT_CODES.contains(&code));
    let message = error.to_string();
    if is_limit { ExpressionError::limit(&message) } else { ExpressionError::evaluation(&message) }
}

/// Checks that the value can be represented as JSON; the engine would write `null` or an empty text instead.
fn check(value: &JValue, depth: usize) -> Result<(), ExpressionError> {
    match value {
        JValue::Null | JValue::Bool(_) | JValue::String(_) | JValue::Undefined => Ok(()),
        JValue::Number(number) if number.is_finite() => Ok(()),
        JValue::Number(_) => Err(ExpressionError::evaluation(
            "D1001: Number out of range: the value contains a division by zero or a number above 1.8e308",
        )),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            Err(ExpressionError::evaluation(
                "the value contains a function; call it to get a JSON value",
            ))
        }
        JValue::Array(_) | JValue::Object(_) if depth == MAX_VALUE_DEPTH => {
            Err(ExpressionError::limit(&format!(
                "the value exceeds {MAX_VALUE_DEPTH} levels of nesting"
            )))
        }
        JValue::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        JValue::Object(fields) => fields.values().try_for_each(|field| check(field, depth + 1)),
    }
}

/// A buffer with a maximum size.
struct CappedBuffer<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl Write for CappedBuffer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.out.len() + bytes.len() > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(expression: &str) -> Result<Value, ExpressionError> {
        let data = json!({"unified": {"id": "U1", "name": "Ada Lovelace", "emails": [{"email": "a@b.c"}],
            "one": [{"n": 1}], "two": [{"n": 1}, {"n": 2}], "none": []}});
        let (data, mut out) = (input(data.to_string().as_bytes())?, Vec::new());
        evaluate(&compile(expression)?, &data, &mut out)?;
        Ok(serde_json::from_slice(&out).unwrap())
    }

    #[test]
    fn returns_values_of_json() {
        for (expression, expected) in [
            ("$uppercase(unified.name)", json!("ADA LOVELACE")),
            ("unified.emails.email", json!("a@b.c")),
            ("unified.missing", Value::Null),
            ("[1..3]", json!([1, 2, 3])),
            ("{\"a\": unified.missing}", json!({})),
        ] {
            assert_eq!(of(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn returns_lists_for_any_number_of_elements() {
        for (field, bare, suffixed, bracketed) in [
            ("none", Value::Null, Value::Null, json!([])),
            ("one", json!(1), json!([1]), json!([1])),
            ("two", json!([1, 2]), json!([1, 2]), json!([1, 2])),
            ("missing", Value::Null, Value::Null, json!([])),
        ] {
            assert_eq!(of(&format!("unified.{field}.n")), Ok(bare), "{field}");
            assert_eq!(of(&format!("unified.{field}.n[]")), Ok(suffixed), "{field}");
            assert_eq!(of(&format!("[unified.{field}.n]")), Ok(bracketed), "{field}");
        }
    }

    #[test]
    fn rejects_values_outside_json() {
        for expression in [
            "1/0",
            "-1/0",
            "0/0",
            "1%0",
            "1e308 * 10",
            "[1, 1/0]",
            "{\"a\": {\"b\": 1/0}}",
            "$sum([1e308, 1e308])",
            "function($x){$x}",
            "$uppercase",
            "[$sum]",
            "{\"a\": $sum}",
            "/a/",
        ] {
            assert!(matches!(of(expression), Err(ExpressionError::Evaluation(_))), "{expression}");
        }
    }

    #[test]
    fn names_exceeded_limits() {
        for expression in [
            "($f := function($x){1 + $f($x)}; $f(1))",
            "($f := function($x){$f($x)}; $f(1))",
            "$sum([1..9999999])",
            "$pad('x', 70000)",
            "($f := function($n){$n = 0 ? 1 : [[$f($n - 1)]]}; $f(60))",
        ] {
            let failure = of(expression);
            assert!(matches!(failure, Err(ExpressionError::Limit(_))), "{expression}: {failure:?}");
        }
        let long = of("$error($pad('x', 5000))").unwrap_err().to_string();
        assert!(long.len() < 310, "{}", long.len());
    }
}
