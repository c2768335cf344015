//! The worker: reads jobs and inputs, evaluates, and writes a frame for each value until its pipe is closed.

use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::time::Duration;

use jsonata_core::Expression;

use super::frames::{self, FrameKind, HEADER_BYTES, JobRequest};
use super::resource_limits::{LIMITED_ARGUMENT, cpu_time};
use super::{ExpressionError, MAX_INPUT_BYTES, MAX_JOB_CPU, engine, resource_limits};

/// Size of the CPU time before a frame's value, in bytes.
pub(super) const CPU_TIME_BYTES: usize = 8;

/// Evaluates until the pipe from the gateway is closed. `arguments` are those after [`super::WORKER_ARGUMENT`]: the
/// memory limit in bytes, and whether it is in force.
///
/// # Errors
///
/// When the limits can't be set, or a pipe breaks.
pub fn serve(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let memory = arguments.next().and_then(|memory| memory.to_str()?.parse().ok());
    let memory = memory.ok_or(io::ErrorKind::InvalidInput)?;
    resource_limits::confine(
        memory,
        arguments.next().is_some_and(|second| second == LIMITED_ARGUMENT),
    )?;
    // A panic only costs the value; its message has nowhere to go.
    std::panic::set_hook(Box::new(|_| {}));
    let mut input = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    let mut output = io::stdout().lock();
    let (mut payload, mut frame) = (Vec::new(), Vec::new());
    let mut job = ParsedExpressions::default();
    while let Some(kind) = frames::read(&mut input, &mut payload)? {
        match kind {
            FrameKind::Job => job = ParsedExpressions::open(&payload, &mut frame, &mut output)?,
            FrameKind::Input => job.evaluate(&engine::input(&payload), &mut frame, &mut output)?,
            FrameKind::Oversized => {
                let message = format!("the object exceeds {MAX_INPUT_BYTES} bytes");
                job.evaluate(&Err(ExpressionError::limit(&message)), &mut frame, &mut output)?;
            }
            FrameKind::Value | FrameKind::Failed | FrameKind::LimitExceeded => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if payload.capacity() > MAX_INPUT_BYTES / 4 {
            payload = Vec::new();
        }
    }
    Ok(())
}

/// The parsed expressions of a job, each with the CPU time that it has used.
#[derive(Default)]
struct ParsedExpressions(Vec<(Expression, Duration)>);

impl ParsedExpressions {
    fn open(payload: &[u8], frame: &mut Vec<u8>, output: &mut impl Write) -> io::Result<Self> {
        let job: JobRequest = serde_json::from_slice(payload)?;
        let mut parsed = Vec::with_capacity(job.expressions.len());
        for (text, spent) in job.expressions.iter().zip(job.spent_us) {
            let began = resource_limits::renew_cpu_limit();
            let compiled = engine::compile(text);
            let cost = cpu_time().saturating_sub(began);
            let compiled_only = compiled.as_ref().map(|_| ()).map_err(Clone::clone);
            send(frame, cost, &compiled_only, output)?;
            if let Ok(expression) = compiled {
                parsed.push((expression, Duration::from_micros(spent)));
            }
        }
        Ok(Self(parsed))
    }

    /// Evaluates each expression, and sends a frame for each.
    fn evaluate(
        &mut self,
        input: &Result<jsonata_core::value::JValue, ExpressionError>,
        frame: &mut Vec<u8>,
        output: &mut impl Write,
    ) -> io::Result<()> {
        for at in 0..self.0.len() {
            let share = self.share(at);
            let Some((expression, spent)) = self.0.get_mut(at) else { continue };
            frame.clear();
            frame.resize(HEADER_BYTES + CPU_TIME_BYTES, 0);
            let began = resource_limits::renew_cpu_limit();
            let done = match input {
                Err(failure) => Err(failure.clone()),
                Ok(_) if *spent > share => {
                    Err(ExpressionError::limit("share of the response's CPU time exceeded"))
                }
                Ok(input) => engine::evaluate(expression, input, frame),
            };
            let cost = cpu_time().saturating_sub(began);
            *spent += cost;
            send_in_place(frame, cost, &done, output)?;
        }
        Ok(())
    }

    /// Returns how much CPU time the expression may have used. Half of the job's time is divided evenly; of the other
    /// half each may use half of what the others have left, so that slow expressions don't use up the time of all.
    fn share(&self, at: usize) -> Duration {
        let half = MAX_JOB_CPU / 2;
        let even = half / u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1);
        let others = self.0.iter().enumerate().filter(|(index, _)| *index != at);
        let taken = others.map(|(_, (_, spent))| spent.saturating_sub(even)).sum();
        even + half.saturating_sub(taken) / 2
    }
}

fn send(
    frame: &mut Vec<u8>,
    cost: Duration,
    done: &Result<(), ExpressionError>,
    output: &mut impl Write,
) -> io::Result<()> {
    frame.clear();
    frame.resize(HEADER_BYTES + CPU_TIME_BYTES, 0);
    send_in_place(frame, cost, done, output)
}

/// Sends a frame; the value, if any, is already in place after the room for header and CPU time.
fn send_in_place(
    frame: &mut Vec<u8>,
    cost: Duration,
    done: &Result<(), ExpressionError>,
    output: &mut impl Write,
) -> io::Result<()> {
    let (kind, message) = match done {
        Ok(()) => (FrameKind::Value, None),
        Err(ExpressionError::Limit(message)) => (FrameKind::LimitExceeded, Some(message.as_ref())),
        Err(ExpressionError::Syntax(message) | ExpressionError::Evaluation(message)) => {
            (FrameKind::Failed, Some(message.as_ref()))
        }
        Err(ExpressionError::Busy) => (FrameKind::LimitExceeded, Some("")),
    };
    if let Some(message) = message {
        frame.truncate(HEADER_BYTES + CPU_TIME_BYTES);
        frame.extend_from_slice(message.as_bytes());
    }
    let cost = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
    if let Some(place) = frame.get_mut(HEADER_BYTES..HEADER_BYTES + CPU_TIME_BYTES) {
        place.copy_from_slice(&cost.to_le_bytes());
    }
    frames::write_header(frame, 0, kind);
    frames::send(output, frame)
}
