//! One job: its expressions over its inputs, through as many workers as it ends.
//!
//! The gateway knows from the frames which evaluation a worker was at when it ended. A worker that had
//! evaluated something before may have ended for that: the evaluation is repeated in a new one. When the first
//! input ends a new worker, the expression is given up for this job, and the others go on.

use std::pin::pin;

use futures_util::future::{Either, select};
use serde_json::value::RawValue;
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::time::{Instant, timeout_at};

use super::frames::{self, FrameKind, HEAD, Job};
use super::process::Worker;
use super::worker::COST;
use super::{
    Computed, Failed, Failure, Inputs, MAX_EXPRESSION_BYTES, MAX_FAILURES_LISTED, MAX_INPUT_BYTES,
    MAX_JOB_BYTES, SILENCE_TIMEOUT,
};

/// Inputs are sent in pieces of about this size.
const PIECE: usize = 32 * 1024;

/// A job.
pub(super) struct Run<'a> {
    inputs: Inputs<'a>,
    expressions: Vec<State<'a>>,
    /// The expression that is evaluated now, by index.
    at: usize,
    /// Of the inputs that are done.
    values: Vec<Vec<Option<Box<RawValue>>>>,
    /// Of the input that is not done.
    row: Vec<Option<Box<RawValue>>>,
    /// All values together.
    bytes: usize,
}

/// An expression in the job.
struct State<'a> {
    text: &'a str,
    spent_us: u64,
    given_up: Option<Failure>,
    /// Of the input that is not done.
    failure: Option<Failure>,
    listed: Vec<(usize, Failure)>,
    unlisted: usize,
}

/// How a worker's part in a job ended.
enum Ended {
    /// The worker's pipe ended, or what came by it was no frame.
    Died,
    /// The worker was silent for too long.
    Silent,
    /// The job has had its time.
    Late,
}

impl<'a> Run<'a> {
    /// A job with nothing done.
    pub(super) fn new(expressions: &[&'a str], inputs: Inputs<'a>) -> Self {
        let too_long = |text: &str| {
            let message = format!("must have {MAX_EXPRESSION_BYTES} bytes at most");
            (text.len() > MAX_EXPRESSION_BYTES).then(|| Failure::Syntax(message.into()))
        };
        let state = |text: &&'a str| State {
            text,
            spent_us: 0,
            given_up: too_long(text),
            failure: None,
            listed: Vec::new(),
            unlisted: 0,
        };
        Self {
            inputs,
            expressions: expressions.iter().map(state).collect(),
            at: 0,
            values: Vec::with_capacity(inputs.count),
            row: vec![None; expressions.len()],
            bytes: 0,
        }
    }

    /// Continues the job in a worker until all is done, the worker ends, or it is `until`. Returns the worker
    /// when it can take another job, and whether this job needs one more.
    pub(super) async fn go_on(
        &mut self,
        mut worker: Worker,
        until: Instant,
    ) -> (Option<Worker>, bool) {
        let was_fresh = std::mem::replace(&mut worker.is_fresh, false);
        let done_before = self.values.len();
        let failure = match self.attempt(&mut worker, until).await {
            Ok(is_idle) => return (is_idle.then_some(worker), false),
            Err(Ended::Late) => return (None, false),
            Err(Ended::Silent) => Failure::limit("took too long"),
            Err(Ended::Died) if was_fresh && self.values.len() == done_before => worker.end().await,
            Err(Ended::Died) => return (None, true),
        };
        if let Some(expression) = self.expressions.get_mut(self.at) {
            expression.given_up = Some(failure);
        }
        (None, self.expressions.iter().any(|one| one.given_up.is_none()))
    }

    /// Returns whether the worker has read all that was sent.
    async fn attempt(&mut self, worker: &mut Worker, until: Instant) -> Result<bool, Ended> {
        let Worker { to, from, .. } = worker;
        let write = pin!(write(to, self.opening(), self.inputs, self.values.len()));
        let read = pin!(self.read(from, until));
        match select(read, write).await {
            Either::Left((ended, _)) => ended.map(|()| false),
            Either::Right((written, read)) => read.await.map(|()| written.is_ok()),
        }
    }

    /// The frame that opens the job with the expressions that are not given up.
    fn opening(&self) -> Vec<u8> {
        let mut job = Job::default();
        for one in self.expressions.iter().filter(|one| one.given_up.is_none()) {
            job.expressions.push(one.text.to_owned());
            job.spent_us.push(one.spent_us);
        }
        let mut frame = Vec::new();
        frames::append(&mut frame, FrameKind::Job, |out| {
            // A text and a number: nothing that JSON can't say.
            let _ = serde_json::to_writer(out, &job);
        });
        frame
    }

    async fn read(
        &mut self,
        from: &mut (impl tokio::io::AsyncRead + Unpin),
        until: Instant,
    ) -> Result<(), Ended> {
        let mut payload = Vec::new();
        let mut parsed = Vec::with_capacity(self.expressions.len());
        for at in 0..self.expressions.len() {
            let Some(one) = self.expressions.get_mut(at) else { continue };
            if one.given_up.is_some() {
                continue;
            }
            self.at = at;
            match next(from, &mut payload, until).await?.1 {
                Ok(_) => parsed.push(at),
                Err(Failure::Expression(message)) => one.given_up = Some(Failure::Syntax(message)),
                Err(failure) => one.given_up = Some(failure),
            }
        }
        while self.values.len() < self.inputs.count {
            for at in &parsed {
                self.at = *at;
                let (cost, value) = next(from, &mut payload, until).await?;
                self.take(cost, value)?;
            }
            self.complete_row(None);
        }
        Ok(())
    }

    /// Takes the value of the present expression.
    fn take(&mut self, cost: u64, value: Result<&[u8], Failure>) -> Result<(), Ended> {
        let (Some(one), Some(place)) =
            (self.expressions.get_mut(self.at), self.row.get_mut(self.at))
        else {
            return Err(Ended::Died);
        };
        one.spent_us = one.spent_us.saturating_add(cost);
        match value {
            Ok(text) if self.bytes + text.len() <= MAX_JOB_BYTES => {
                let text = std::str::from_utf8(text).map_err(|_| Ended::Died)?;
                let value = RawValue::from_string(text.to_owned()).map_err(|_| Ended::Died)?;
                self.bytes += text.len();
                (*place, one.failure) = (Some(value), None);
            }
            Ok(_) => {
                let message =
                    format!("the values of one response have more than {MAX_JOB_BYTES} bytes");
                (*place, one.failure) = (None, Some(Failure::limit(&message)));
            }
            Err(failure) => (*place, one.failure) = (None, Some(failure)),
        }
        Ok(())
    }

    /// Ends the present input. What has no value failed for its own reason, or for `rest`.
    fn complete_row(&mut self, rest: Option<&Failure>) {
        let input = self.values.len();
        let row = std::mem::replace(&mut self.row, vec![None; self.expressions.len()]);
        for (one, value) in self.expressions.iter_mut().zip(&row) {
            let own = one.failure.take();
            let failure = own.or_else(|| one.given_up.clone()).or_else(|| rest.cloned());
            match failure {
                Some(failure) if value.is_none() => {
                    if one.listed.len() < MAX_FAILURES_LISTED {
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

    /// What came of the job. What is not done failed for `rest`.
    pub(super) fn finish(mut self, rest: &Failure) -> Computed {
        while self.values.len() < self.inputs.count {
            self.complete_row(Some(rest));
        }
        let mut failures = Vec::new();
        for (expression, one) in self.expressions.into_iter().enumerate() {
            let last = one.listed.last().map(|(_, failure)| failure.clone());
            let listed = one.listed.into_iter();
            failures.extend(listed.map(|(input, failure)| Failed {
                expression,
                input: Some(input),
                failure,
            }));
            let unlisted = last.filter(|_| one.unlisted > 0).map(|last| match last {
                Failure::Busy => last,
                Failure::Syntax(_) | Failure::Expression(_) | Failure::Limit(_) => {
                    Failure::expression(&format!("{} more objects have no value", one.unlisted))
                }
            });
            let unparsed = one.given_up.filter(|_| self.inputs.count == 0);
            let of_all = unlisted.or(unparsed);
            failures.extend(of_all.map(|failure| Failed { expression, input: None, failure }));
        }
        Computed { values: self.values, failures }
    }
}

/// Sends the inputs from `start` on, behind the opening.
async fn write(
    to: &mut ChildStdin,
    opening: Vec<u8>,
    inputs: Inputs<'_>,
    start: usize,
) -> std::io::Result<()> {
    let mut piece = opening;
    for index in start..inputs.count {
        let begin = piece.len();
        frames::append(&mut piece, FrameKind::Input, |out| (inputs.write)(index, out));
        if piece.len() - begin - HEAD > MAX_INPUT_BYTES {
            piece.truncate(begin);
            frames::append(&mut piece, FrameKind::Oversized, |_| {});
        }
        if piece.len() >= PIECE {
            to.write_all(&piece).await?;
            piece.clear();
            piece.shrink_to(2 * PIECE);
        }
    }
    to.write_all(&piece).await
}

/// The next evaluation's processor time in microseconds, and its value.
async fn next<'p>(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    payload: &'p mut Vec<u8>,
    until: Instant,
) -> Result<(u64, Result<&'p [u8], Failure>), Ended> {
    let silent = Instant::now() + SILENCE_TIMEOUT;
    let received = timeout_at(until.min(silent), frames::receive(from, payload)).await;
    let kind = match received {
        Ok(kind) => kind.map_err(|_| Ended::Died)?,
        Err(_) if until <= silent => return Err(Ended::Late),
        Err(_) => return Err(Ended::Silent),
    };
    let (cost, text) = payload.split_first_chunk::<COST>().ok_or(Ended::Died)?;
    let message = || String::from_utf8_lossy(text);
    let value = match kind {
        FrameKind::Value => Ok(text),
        FrameKind::Failed => Err(Failure::expression(&message())),
        FrameKind::Exceeded => Err(Failure::limit(&message())),
        FrameKind::Job | FrameKind::Input | FrameKind::Oversized => return Err(Ended::Died),
    };
    Ok((u64::from_le_bytes(*cost), value))
}
