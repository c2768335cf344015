//! Evaluation of tenants' JSONata expressions in worker processes whose time, memory, stack and output are limited by
//! the operating system.
//!
//! No list of dangerous functions is needed: an expression can end its own worker and nothing else. A worker is this
//! program again (`worker`) with two pipes and nothing else of its parent's. `pool` divides the workers between
//! environments, `run` executes one job in as many workers as it ends.

mod engine;
mod frames;
mod pool;
mod process;
mod resource_limits;
mod run;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::value::RawValue;

pub use pool::{ExpressionPool, WorkerLimits};
pub use process::{ARGUMENT as WORKER_ARGUMENT, WorkerProgram};
pub use worker::serve;

/// Maximum size of an expression, in bytes.
pub const MAX_EXPRESSION_BYTES: usize = 4096;
/// Maximum size of an input, in bytes of JSON.
pub const MAX_INPUT_BYTES: usize = 1024 * 1024;
/// Maximum size of a value, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;
/// Maximum total size of the values of one job, in bytes of JSON.
pub const MAX_JOB_BYTES: usize = 4 * 1024 * 1024;
/// Maximum size of an error message, in bytes.
const MAX_MESSAGE_BYTES: usize = 300;
/// Maximum number of errors listed per expression and job; one more summarizes the rest.
const MAX_LISTED_ERRORS: usize = 20;
/// Time-out of one evaluation by the engine's own clock, which is checked between steps.
const EVALUATION_TIMEOUT: Duration = Duration::from_millis(250);
/// Maximum CPU time of all evaluations of one job.
const MAX_JOB_CPU: Duration = Duration::from_secs(2);
/// Maximum time without output from a worker. Above its CPU limit, so that a busy machine doesn't trigger it.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum duration of one job, once it has a worker.
const JOB_TIMEOUT: Duration = Duration::from_secs(10);

/// Reason why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpressionError {
    /// The expression can't be parsed.
    Syntax(Arc<str>),
    /// The evaluation fails on this input.
    Evaluation(Arc<str>),
    /// The evaluation exceeds a limit.
    Limit(Arc<str>),
    /// No worker became free in time.
    Busy,
}

impl ExpressionError {
    fn evaluation(message: &str) -> Self {
        Self::Evaluation(truncated_message(message).into())
    }

    fn limit(message: &str) -> Self {
        Self::Limit(truncated_message(message).into())
    }
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) | Self::Evaluation(message) | Self::Limit(message) => {
                f.write_str(message)
            }
            Self::Busy => {
                f.write_str("not computed: too many expressions of this environment are queued")
            }
        }
    }
}

/// The inputs of a job, each serialized when a worker is ready for it.
#[derive(Clone, Copy)]
pub struct JobInputs<'a> {
    /// Number of inputs.
    pub count: usize,
    /// Appends the input with this index as JSON.
    pub write: &'a (dyn Fn(usize, &mut Vec<u8>) + Send + Sync),
}

impl fmt::Debug for JobInputs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobInputs").field("count", &self.count).finish_non_exhaustive()
    }
}

/// The result of a job.
#[derive(Debug, Default)]
pub struct JobOutput {
    /// For each input the values of all expressions; `None` where the evaluation failed.
    pub values: Vec<Vec<Option<Box<RawValue>>>>,
    /// The errors, a limited number per expression.
    pub errors: Vec<JobError>,
}

/// An error of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobError {
    /// The index of the expression.
    pub expression: usize,
    /// The index of the input; `None` for the errors that are not listed.
    pub input: Option<usize>,
    /// The error.
    pub error: ExpressionError,
}

/// Truncates a text, with an ellipsis.
fn truncated_message(text: &str) -> String {
    if text.len() <= MAX_MESSAGE_BYTES {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(MAX_MESSAGE_BYTES);
    format!("{}…", text.get(..end).unwrap_or_default())
}
