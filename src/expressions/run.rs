//! One job: evaluates its expressions on its inputs, in as many workers as it ends.
//!
//! The frames show which evaluation a worker was at when it ended. If the worker had evaluated something before, that
//! may be the cause, and the evaluation is repeated in a new one. If the first input ends a new worker, the expression
//! is abandoned for this job, and the others continue.

use std::pin::pin;

use futures_util::future::{Either, select};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::time::{Instant, timeout_at};

use super::frames::{self, FrameKind, HEADER_BYTES, JobRequest};
use super::process::Worker;
use super::worker::CPU_TIME_BYTES;
use super::{
    ExpressionError, JobError, JobInputs, JobOutput, MAX_EXPRESSION_BYTES, MAX_INPUT_BYTES,
    MAX_JOB_BYTES, MAX_LISTED_ERRORS, SILENCE_TIMEOUT,
};

/// Approximate size of the chunks in which inputs are sent, in bytes.
const CHUNK_BYTES: usize = 32 * 1024;

/// A job.
pub(super) struct JobRun<'a> {
    inputs: JobInputs<'a>,
    expressions: Vec<ExpressionState<'a>>,
    /// Index of the expression that is being evaluated.
    current: usize,
    /// Values of the completed inputs.
    values: Vec<Vec<Option<Box<RawValue>>>>,
    /// Values of the current input.
    row: Vec<Option<Box<RawValue>>>,
    /// Total size of the values, in bytes.
    bytes: usize,
}

/// State of an expression in the job.
struct ExpressionState<'a> {
    text: &'a str,
    spent_us: u64,
    abandoned: Option<ExpressionError>,
    /// Its error on the current input.
    error: Option<ExpressionError>,
    listed: Vec<(usize, ExpressionError)>,
    unlisted: usize,
}

/// Reason why a worker stopped working on a job.
enum WorkerExit {
    /// Its pipe was closed, or it sent an invalid frame.
    Exited,
    /// It sent nothing for too long.
    Unresponsive,
    /// The job's time is over.
    OutOfTime,
}

impl<'a> JobRun<'a> {
    /// Creates a job.
    pub(super) fn new(expressions: &[&'a str], inputs: JobInputs<'a>) -> Self {
        let too_long = |text: &str| {
            let message = format!("must not exceed {MAX_EXPRESSION_BYTES} bytes");
            (text.len() > MAX_EXPRESSION_BYTES).then(|| ExpressionError::Syntax(message.into()))
        };
        let state = |text: &&'a str| ExpressionState {
            text,
            spent_us: 0,
            abandoned: too_long(text),
            error: None,
            listed: Vec::new(),
            unlisted: 0,
        };
        Self {
            inputs,
            expressions: expressions.iter().map(state).collect(),
            current: 0,
            values: Vec::with_capacity(inputs.count),
            row: vec![None; expressions.len()],
            bytes: 0,
        }
    }

    /// Continues the job in a worker until it is done, the worker ends, or `until`. Returns the worker if it can take
    /// another job, and whether this job needs a further worker.
    pub(super) async fn continue_in(
        &mut self,
        mut worker: Worker,
        until: Instant,
    ) -> (Option<Worker>, bool) {
        let was_fresh = std::mem::replace(&mut worker.is_fresh, false);
        let done_before = self.values.len();
        let failure = match self.attempt(&mut worker, until).await {
            Ok(is_idle) => return (is_idle.then_some(worker), false),
            Err(WorkerExit::OutOfTime) => return (None, false),
            Err(WorkerExit::Unresponsive) => {
                ExpressionError::limit("time limit of one evaluation exceeded")
            }
            Err(WorkerExit::Exited) if was_fresh && self.values.len() == done_before => {
                worker.exit_error().await
            }
            Err(WorkerExit::Exited) => return (None, true),
        };
        if let Some(expression) = self.expressions.get_mut(self.current) {
            expression.abandoned = Some(failure);
        }
        (None, self.expressions.iter().any(|one| one.abandoned.is_none()))
    }

    /// Runs the job in one worker; returns whether the worker has read everything that was sent.
    async fn attempt(&mut self, worker: &mut Worker, until: Instant) -> Result<bool, WorkerExit> {
        let Worker { to, from, .. } = worker;
        let write = pin!(write(to, self.opening_frame(), self.inputs, self.values.len()));
        let read = pin!(self.read(from, until));
        match select(read, write).await {
            Either::Left((ended, _)) => ended.map(|()| false),
            Either::Right((written, read)) => read.await.map(|()| written.is_ok()),
        }
    }

    /// Returns the frame that starts the job with the expressions that are not abandoned.
    fn opening_frame(&self) -> Vec<u8> {
        let mut job = JobRequest::default();
        for one in self.expressions.iter().filter(|one| one.abandoned.is_none()) {
            job.expressions.push(one.text.to_owned());
            job.spent_us.push(one.spent_us);
        }
        let mut frame = Vec::new();
        frames::append(&mut frame, FrameKind::Job, |out| {
            // Strings and numbers: always valid JSON.
            let _ = serde_json::to_writer(out, &job);
        });
        frame
    }

    async fn read(
        &mut self,
        from: &mut (impl tokio::io::AsyncRead + Unpin),
        until: Instant,
    ) -> Result<(), WorkerExit> {
        let mut payload = Vec::new();
        let mut parsed = Vec::with_capacity(self.expressions.len());
        for at in 0..self.expressions.len() {
            let Some(one) = self.expressions.get_mut(at) else { continue };
            if one.abandoned.is_some() {
                continue;
            }
            self.current = at;
            match receive_value(from, &mut payload, until).await?.1 {
                Ok(_) => parsed.push(at),
                Err(ExpressionError::Evaluation(message)) => {
                    one.abandoned = Some(ExpressionError::Syntax(message));
                }
                Err(failure) => one.abandoned = Some(failure),
            }
        }
        while self.values.len() < self.inputs.count {
            for at in &parsed {
                self.current = *at;
                let (cost, value) = receive_value(from, &mut payload, until).await?;
                self.take(cost, value)?;
            }
            self.complete_row(None);
        }
        Ok(())
    }

    /// Stores the value of the current expression.
    fn take(&mut self, cost: u64, value: Result<&[u8], ExpressionError>) -> Result<(), WorkerExit> {
        let (Some(one), Some(place)) =
            (self.expressions.get_mut(self.current), self.row.get_mut(self.current))
        else {
            return Err(WorkerExit::Exited);
        };
        one.spent_us = one.spent_us.saturating_add(cost);
        match value {
            Ok(text) if self.bytes + text.len() <= MAX_JOB_BYTES => {
                let text = std::str::from_utf8(text).map_err(|_| WorkerExit::Exited)?;
                let value =
                    RawValue::from_string(text.to_owned()).map_err(|_| WorkerExit::Exited)?;
                self.bytes += text.len();
                (*place, one.error) = (Some(value), None);
            }
            Ok(_) => {
                let message = format!("the values of one response exceed {MAX_JOB_BYTES} bytes");
                (*place, one.error) = (None, Some(ExpressionError::limit(&message)));
            }
            Err(failure) => (*place, one.error) = (None, Some(failure)),
        }
        Ok(())
    }

    /// Completes the current input. Values that are missing without an error of their own get the error `rest`.
    fn complete_row(&mut self, rest: Option<&ExpressionError>) {
        let input = self.values.len();
        let row = std::mem::replace(&mut self.row, vec![None; self.expressions.len()]);
        for (one, value) in self.expressions.iter_mut().zip(&row) {
            let own = one.error.take();
            let failure = own.or_else(|| one.abandoned.clone()).or_else(|| rest.cloned());
            match failure {
                Some(failure) if value.is_none() => {
                    if one.listed.len() < MAX_LISTED_ERRORS {
                        one.listed.push((input, failure));
                    } else {
                        one.unlisted += 1;
                    }
                }
                _ => {}
            }
        }
        self.values.push(row);
    }

    /// Returns the result of the job. Unfinished evaluations get the error `rest`.
    pub(super) fn finish(mut self, rest: &ExpressionError) -> JobOutput {
        while self.values.len() < self.inputs.count {
            self.complete_row(Some(rest));
        }
        let mut failures = Vec::new();
        for (expression, one) in self.expressions.into_iter().enumerate() {
            let last = one.listed.last().map(|(_, failure)| failure.clone());
            let listed = one.listed.into_iter();
            failures.extend(listed.map(|(input, failure)| JobError {
                expression,
                input: Some(input),
                error: failure,
            }));
            let unlisted = last.filter(|_| one.unlisted > 0).map(|last| match last {
                ExpressionError::Busy => last,
                ExpressionError::Syntax(_)
                | ExpressionError::Evaluation(_)
                | ExpressionError::Limit(_) => ExpressionError::evaluation(&format!(
                    "{} more objects have no value",
                    one.unlisted
                )),
            });
            let unparsed = one.abandoned.filter(|_| self.inputs.count == 0);
            let of_all = unlisted.or(unparsed);
            failures.extend(of_all.map(|failure| JobError {
                expression,
                input: None,
                error: failure,
            }));
        }
        JobOutput { values: self.values, errors: failures }
    }
}

/// Sends the frames of the inputs from `start` on, after `opening`.
async fn write(
    to: &mut ChildStdin,
    opening: Vec<u8>,
    inputs: JobInputs<'_>,
    start: usize,
) -> std::io::Result<()> {
    let mut piece = opening;
    for index in start..inputs.count {
        let begin = piece.len();
        frames::append(&mut piece, FrameKind::Input, |out| (inputs.write)(index, out));
        if piece.len() - begin - HEADER_BYTES > MAX_INPUT_BYTES {
            piece.truncate(begin);
            frames::append(&mut piece, FrameKind::Oversized, |_| {});
        }
        if piece.len() >= CHUNK_BYTES {
            to.write_all(&piece).await?;
            piece.clear();
            piece.shrink_to(2 * CHUNK_BYTES);
        }
    }
    to.write_all(&piece).await
}

/// Receives the CPU time of the next evaluation, in microseconds, and its value.
async fn receive_value<'p>(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    payload: &'p mut Vec<u8>,
    until: Instant,
) -> Result<(u64, Result<&'p [u8], ExpressionError>), WorkerExit> {
    let silent = Instant::now() + SILENCE_TIMEOUT;
    let received = timeout_at(until.min(silent), frames::receive(from, payload)).await;
    let kind = match received {
        Ok(kind) => kind.map_err(|_| WorkerExit::Exited)?,
        Err(_) if until <= silent => return Err(WorkerExit::OutOfTime),
        Err(_) => return Err(WorkerExit::Unresponsive),
    };
    let (cost, text) = payload.split_first_chunk::<CPU_TIME_BYTES>().ok_or(WorkerExit::Exited)?;
    let message = || String::from_utf8_lossy(text);
    let value = match kind {
        FrameKind::Value => Ok(text),
        FrameKind::Failed => Err(ExpressionError::evaluation(&message())),
        FrameKind::LimitExceeded => Err(ExpressionError::limit(&message())),
        FrameKind::Job | FrameKind::Input | FrameKind::Oversized => return Err(WorkerExit::Exited),
    };
    Ok((u64::from_le_bytes(*cost), value))
}
