//! Custom fields, computed by JSONata from the unified fields and the provider's objects. An
//! expression that fails costs its own field only, and none can hold up a request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jsonata_core::Expression;
use jsonata_core::evaluator::EvaluatorOptions;
use jsonata_core::value::JValue;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::domain::mapping::Mapping;

/// The longest expression, in bytes.
pub const LONGEST_EXPRESSION: usize = 4096;
/// How long one expression may take for one object: so long that a busy machine does not decide.
const TIME: Duration = Duration::from_millis(250);
/// How long all expressions of a page may take.
const TIME_OF_PAGE: Duration = Duration::from_secs(2);
/// How deep an expression may nest.
const DEPTH: usize = 200;
/// How long a list an expression may build.
const LENGTH: usize = 10_000;

/// A custom field that could not be computed; it is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Warning {
    /// The field.
    pub field: String,
    /// Of which object, by id.
    pub id: Option<String>,
    /// What went wrong.
    pub message: String,
}

/// Checks an expression without evaluating it.
///
/// # Errors
///
/// Why it can't be used.
pub fn check(expression: &str) -> Result<(), String> {
    if expression.len() > LONGEST_EXPRESSION {
        return Err(format!("must have {LONGEST_EXPRESSION} bytes at most"));
    }
    compile(expression).map(|_| ())
}

/// The value of an expression for one object.
///
/// # Errors
///
/// What went wrong.
pub async fn evaluate(expression: String, unified: Value, remote: Value) -> Result<Value, String> {
    let work = move || run(&compile(&expression)?, &input(&unified, &remote));
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err("the expression could not be evaluated".to_owned()))
}

/// Computes the custom fields of objects: each its unified fields and the provider's objects.
pub async fn apply(
    mappings: Vec<Mapping>,
    objects: Vec<(Map<String, Value>, Value)>,
) -> (Vec<Map<String, Value>>, Vec<Warning>) {
    // Evaluation is work for the processor, and its values stay on one thread.
    let work = move || apply_all(&mappings, objects);
    // A panic is caught inside.
    tokio::task::spawn_blocking(work).await.unwrap_or_default()
}

fn apply_all(
    mappings: &[Mapping],
    objects: Vec<(Map<String, Value>, Value)>,
) -> (Vec<Map<String, Value>>, Vec<Warning>) {
    let until = Instant::now() + TIME_OF_PAGE;
    let compiled: Vec<(&str, Result<Expression, String>)> = mappings
        .iter()
        .map(|mapping| (mapping.field.as_str(), compile(&mapping.expression)))
        .collect();
    let (mut all, mut warnings) = (Vec::with_capacity(objects.len()), Vec::new());
    for (mut unified, remote) in objects {
        // All expressions see the built-in fields, whatever the others make of them.
        let data = input(&Value::Object(unified.clone()), &remote);
        for (field, expression) in &compiled {
            let late = || Err("the expressions of this page took too long".to_owned());
            let value = match expression {
                Ok(expression) if Instant::now() < until => run(expression, &data),
                Ok(_) => late(),
                Err(message) => Err(message.clone()),
            };
            let value = value.unwrap_or_else(|message| {
                let id = unified.get("id").and_then(Value::as_str).map(str::to_owned);
                warnings.push(Warning { field: (*field).to_owned(), id, message });
                Value::Null
            });
            unified.insert((*field).to_owned(), value);
        }
        all.push(unified);
    }
    (all, warnings)
}

fn input(unified: &Value, remote: &Value) -> String {
    json!({ "unified": unified, "remote": remote }).to_string()
}

fn compile(expression: &str) -> Result<Expression, String> {
    catch_unwind(|| Expression::compile(expression))
        .map_err(|_| "the expression can't be read".to_owned())?
        .map_err(|error| error.to_string())
}

fn run(expression: &Expression, data: &str) -> Result<Value, String> {
    let evaluate = AssertUnwindSafe(|| {
        let data = JValue::from_json_str(data).map_err(|error| error.to_string())?;
        let options = EvaluatorOptions {
            timeout_ms: u64::try_from(TIME.as_millis()).ok(),
            max_stack_depth: Some(DEPTH),
            max_sequence_length: Some(LENGTH),
            ..EvaluatorOptions::default()
        };
        let value = expression.evaluate_with_options(&data, options);
        let value = value.map_err(|error| error.to_string())?;
        if value.is_undefined() || value.is_function() {
            return Ok(Value::Null);
        }
        let text = value.to_json_string().map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    });
    catch_unwind(evaluate).unwrap_or_else(|_| Err("the expression can't be evaluated".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(expression: &str) -> Result<Value, String> {
        let unified = json!({"id": "U1", "name": "Ada Lovelace", "emails": [{"email": "a@b.c"}]});
        let remote = json!({"users.info": {"user": {"profile": {"phone": "7"}}}});
        evaluate(expression.to_owned(), unified, remote).await
    }

    #[tokio::test]
    async fn expressions_see_both_sides() {
        for (expression, expected) in [
            ("$uppercase(unified.name)", json!("ADA LOVELACE")),
            ("remote.\"users.info\".user.profile.phone", json!("7")),
            ("unified.emails.email", json!("a@b.c")),
            ("unified.nothing", Value::Null),
            ("function($x){$x}", Value::Null),
            ("[1..3]", json!([1, 2, 3])),
        ] {
            assert_eq!(of(expression).await, Ok(expected), "{expression}");
        }
    }

    #[tokio::test]
    async fn nothing_holds_up_a_request() {
        for expression in [
            "($f := function($x){$f($x)}; $f(1))",
            "($f := function($x){1 + $f($x)}; $f(1))",
            "$sum([1..9999999])",
            "unified.name * 2",
            "$error('no')",
        ] {
            let began = Instant::now();
            assert!(of(expression).await.is_err(), "{expression}");
            assert!(began.elapsed() < Duration::from_secs(5), "{expression}");
        }
        assert!(check("unified[").is_err() && check(&"1+".repeat(5000)).is_err());
        assert_eq!(check("unified.name & '!'"), Ok(()));
        let deep = format!("{}1{}", "(".repeat(2000), ")".repeat(2000));
        let _ = check(&deep);
    }
}
