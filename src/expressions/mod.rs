//! JSONata expressions of tenants, evaluated in worker processes whose time, memory, stack and output are
//! bounded by the operating system.
//!
//! No list of dangerous functions is needed: whatever an expression does, it can end its own worker and
//! nothing else. A worker is this program again (`worker`) with nothing of its parent's but two pipes.
//! `pool` shares the workers between environments, `run` takes one job through as many workers as it costs.

mod confine;
mod engine;
mod frames;
mod pool;
mod process;
mod run;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

pub use pool::{Expressions, WorkerLimits};
pub use process::{ARGUMENT as WORKER_ARGUMENT, WorkerProgram};
pub use worker::serve;

/// The longest expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// The largest input of an expression, in bytes of JSON.
pub const MAX_INPUT_BYTES: usize = 1024 * 1024;
/// The largest value of an expression, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// The largest sum of the values of one job, in bytes of JSON.
pub const MAX_JOB_BYTES: usize = 4 * 1024 * 1024;
/// The longest message about a failure, in bytes.
const MAX_MESSAGE_BYTES: usize = 300;
/// How many failures of one expression a job lists; one more stands for the rest.
const MAX_FAILURES_LISTED: usize = 20;
/// How long one evaluation may take by the engine's own clock, which is read between two steps.
const EVALUATION_TIMEOUT: Duration = Duration::from_millis(250);
/// How much processor time the evaluations of one job may take together.
const MAX_JOB_CPU: Duration = Duration::from_secs(2);
/// How long a worker may be silent. Above its limit of processor time, so that a busy machine doesn't decide.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one job may take by the clock, once it has a worker.
const JOB_TIMEOUT: Duration = Duration::from_secs(10);

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The expression can't be parsed.
    Syntax(Arc<str>),
    /// The expression itself fails on this input.
    Expression(Arc<str>),
    /// The expression needs more than an expression may use.
    Limit(Arc<str>),
    /// No worker was free in time.
    Busy,
}

impl Failure {
    fn expression(message: &str) -> Self {
        Self::Expression(shortened(message).into())
    }

    fn limit(message: &str) -> Self {
        Self::Limit(shortened(message).into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) | Self::Expression(message) | Self::Limit(message) => {
                f.write_str(message)
            }
            Self::Busy => f.write_str(
                "was not computed: too many expressions of this environment wait to be evaluated",
            ),
        }
    }
}

/// The inputs of a job, each written when a worker is ready for it.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// How many there are.
    pub count: usize,
    /// Appends one of them as JSON.
    pub write: &'a (dyn Fn(usize, &mut Vec<u8>) + Send + Sync),
}

impl fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("count", &self.count).finish_non_exhaustive()
    }
}

/// The values of a job.
#[derive(Debug, Default)]
pub struct Computed {
    /// For each input, a value for each expression; `None` where it failed.
    pub values: Vec<Vec<Option<Box<RawValue>>>>,
    /// The failures, a bounded number for each expression.
    pub failures: Vec<Failed>,
}

/// An expression that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Its index.
    pub expression: usize,
    /// The index of the input; `None` stands for all inputs whose failures are not listed.
    pub input: Option<usize>,
    /// Why.
    pub failure: Failure,
}

/// The start of a text, with a mark where something was left out.
fn shortened(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    format!("{}…", text.get(..end).unwrap_or_default())
}
