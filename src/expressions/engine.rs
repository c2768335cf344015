//! The JSONata engine: an expression, an input, and the JSON of the value. Runs in a worker only.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonata_core::Expression;
use jsonata_core::evaluator::{EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;

use super::{EVALUATION_TIMEOUT, Failure, MAX_VALUE_BYTES};

/// How deep an evaluation may nest.
const MAX_DEPTH: usize = 200;
/// How deep a value may nest: readers of JSON commonly stop at 128, and a row stands around the value.
const MAX_VALUE_DEPTH: usize = 100;
/// How long a sequence may become.
const MAX_SEQUENCE_LENGTH: usize = 10_000;
/// The engine's codes of its own limits: nesting, time, sequences, ranges.
const LIMIT_CODES: [&str; 6] = ["D1011", "D1012", "D2014", "D2015", "U1001", "U1002"];

/// Reads an expression.
pub(super) fn compile(text: &str) -> Result<Expression, Failure> {
    let compiled = catch_unwind(|| Expression::compile(text));
    let compiled = compiled.map_err(|_| Failure::expression("can't be parsed"))?;
    compiled.map_err(|error| Failure::expression(&error.to_string()))
}

/// Reads an input.
pub(super) fn input(text: &[u8]) -> Result<JValue, Failure> {
    let text = std::str::from_utf8(text).map_err(|error| Failure::limit(&error.to_string()))?;
    JValue::from_json_str(text).map_err(|error| Failure::limit(&format!("the input: {error}")))
}

/// Writes the value of an expression behind what `out` holds.
pub(super) fn evaluate(
    expression: &Expression,
    input: &JValue,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    let evaluate = AssertUnwindSafe(|| {
        let options = EvaluatorOptions {
            timeout_ms: u64::try_from(EVALUATION_TIMEOUT.as_millis()).ok(),
            max_stack_depth: Some(MAX_DEPTH),
            max_sequence_length: Some(MAX_SEQUENCE_LENGTH),
            ..EvaluatorOptions::default()
        };
        let value = expression.evaluate_with_options(input, options);
        let value = value.map_err(|error| classified(&error))?;
        check(&value, 0)?;
        let limit = out.len() + MAX_VALUE_BYTES;
        serde_json::to_writer(Capped { out: &mut *out, limit }, &value).map_err(|error| {
            if error.is_io() {
                Failure::limit(&format!("the value has more than {MAX_VALUE_BYTES} bytes"))
            } else {
                Failure::expression(&error.to_string())
            }
        })
    });
    catch_unwind(evaluate).unwrap_or_else(|_| Err(Failure::expression("can't be evaluated")))
}

fn classified(error: &EvaluatorError) -> Failure {
    let is_limit = error.code().is_some_and(|code| LIMIT_CODES.contains(&code));
    let message = error.to_string();
    if is_limit { Failure::limit(&message) } else { Failure::expression(&message) }
}

/// Whether JSON can say the value. The engine itself would write `null` or an empty text in its place.
fn check(value: &JValue, depth: usize) -> Result<(), Failure> {
    match value {
        JValue::Null | JValue::Bool(_) | JValue::String(_) | JValue::Undefined => Ok(()),
        JValue::Number(number) if number.is_finite() => Ok(()),
        JValue::Number(_) => Err(Failure::expression(
            "D1001: Number out of range: the value holds a division by zero or a number above 1.8e308",
        )),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            Err(Failure::expression("the value holds a function; call it to get a value of JSON"))
        }
        JValue::Array(_) | JValue::Object(_) if depth == MAX_VALUE_DEPTH => Err(Failure::limit(
            &format!("the value is nested deeper than {MAX_VALUE_DEPTH} levels"),
        )),
        JValue::Array(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        JValue::Object(fields) => fields.values().try_for_each(|field| check(field, depth + 1)),
    }
}

/// A buffer that refuses to grow above a limit.
struct Capped<'a> {
    out: &'a mut Vec<u8>,
    limit: usize,
}

impl Write for Capped<'_> {
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

    fn of(expression: &str) -> Result<Value, Failure> {
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
    fn refuses_values_outside_json() {
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
            assert!(matches!(of(expression), Err(Failure::Expression(_))), "{expression}");
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
            assert!(matches!(failure, Err(Failure::Limit(_))), "{expression}: {failure:?}");
        }
        let long = of("$error($pad('x', 5000))").unwrap_err().to_string();
        assert!(long.len() < 310, "{}", long.len());
    }
}
