//! Evaluates JSONata expressions on people, for policies and rule sets.

use std::collections::HashMap;

use serde_json::value::RawValue;

use crate::domain::ids::EnvironmentId;
use crate::domain::policy::{ExpressionResults, Person};
use crate::expressions::{ExpressionError, ExpressionPool, JobInputs, JobOutput};

/// Number of people whose expressions are evaluated in one job.
pub const EXPRESSION_PAGE: usize = 500;
/// How often a job is tried again while no worker is free.
const MAX_BUSY: u32 = 10;

/// The results of expressions on people.
#[derive(Debug)]
pub struct PeopleResults<'e> {
    /// The results for each person.
    pub results: Vec<ExpressionResults<'e>>,
    /// The first error of each expression that failed for some of them.
    pub errors: HashMap<&'e str, String>,
}

/// Evaluates expressions on at most [`EXPRESSION_PAGE`] people.
pub async fn evaluate_on_people<'e>(
    pool: &ExpressionPool,
    environment_id: EnvironmentId,
    expressions: &[&'e str],
    people: &[Person],
) -> PeopleResults<'e> {
    let mut results: Vec<HashMap<&'e str, bool>> = people.iter().map(|_| HashMap::new()).collect();
    let mut errors = HashMap::new();
    if !expressions.is_empty() {
        let output = compute(pool, environment_id, expressions, people).await;
        for error in output.errors {
            if let Some(expression) = expressions.get(error.expression) {
                errors.entry(*expression).or_insert_with(|| error.error.to_string());
            }
        }
        for (values, results) in output.values.into_iter().zip(&mut results) {
            for (expression, value) in expressions.iter().zip(values) {
                match value.as_deref().map(RawValue::get) {
                    Some("true") => results.insert(*expression, true),
                    Some("false") => results.insert(*expression, false),
                    Some(_) | None => {
                        errors
                            .entry(*expression)
                            .or_insert_with(|| "its value is not true or false".to_owned());
                        None
                    }
                };
            }
        }
    }
    PeopleResults { results: results.into_iter().map(ExpressionResults::new).collect(), errors }
}

async fn compute(
    pool: &ExpressionPool,
    environment_id: EnvironmentId,
    expressions: &[&str],
    people: &[Person],
) -> JobOutput {
    let write = |index: usize, into: &mut Vec<u8>| {
        if let Some(person) = people.get(index) {
            into.extend(person.json().to_string().into_bytes());
        }
    };
    let held = people.iter().map(|person| person.body.len()).sum();
    let mut attempt = 0;
    loop {
        let inputs = JobInputs { count: people.len(), write: &write };
        let output = pool.compute(environment_id, expressions, inputs, held).await;
        let is_busy = output.errors.iter().any(|error| error.error == ExpressionError::Busy);
        attempt += 1;
        if !is_busy || attempt >= MAX_BUSY {
            return output;
        }
    }
}
