//! The worker: reads jobs and inputs, evaluates, writes a frame for each value, until its pipe ends.

use std::ffi::OsString;
use std::io::{self, BufReader, Write};
use std::time::Duration;

use jsonata_core::Expression;

use super::confine::{LIMITED, cpu_time};
use super::frames::{self, FrameKind, HEAD, Job};
use super::{Failure, MAX_INPUT_BYTES, MAX_JOB_CPU, confine, engine};

/// The bytes of a frame before its value: the processor time in microseconds.
pub(super) const COST: usize = 8;

/// Evaluates until the pipe from the gateway ends. `arguments` are those behind [`super::WORKER_ARGUMENT`]: the limit of memory
/// in bytes, and whether it is in force.
///
/// # Errors
///
/// When the limits can't be set, or a pipe breaks.
pub fn serve(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let memory = arguments.next().and_then(|memory| memory.to_str()?.parse().ok());
    let memory = memory.ok_or(io::ErrorKind::InvalidInput)?;
    confine::confine(memory, arguments.next().is_some_and(|second| second == LIMITED))?;
    // A panic costs the value; its text would be written to nowhere.
    std::panic::set_hook(Box::new(|_| {}));
    let mut input = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    let mut output = io::stdout().lock();
    let (mut payload, mut frame) = (Vec::new(), Vec::new());
    let mut job = Expressions::default();
    while let Some(kind) = frames::read(&mut input, &mut payload)? {
        match kind {
            FrameKind::Job => job = Expressions::open(&payload, &mut frame, &mut output)?,
            FrameKind::Input => job.answer(&engine::input(&payload), &mut frame, &mut output)?,
            FrameKind::Oversized => {
                let message = format!("the object has more than {MAX_INPUT_BYTES} bytes");
                job.answer(&Err(Failure::limit(&message)), &mut frame, &mut output)?;
            }
            FrameKind::Value | FrameKind::Failed | FrameKind::Exceeded => {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        if payload.capacity() > MAX_INPUT_BYTES / 4 {
            payload = Vec::new();
        }
    }
    Ok(())
}

/// The expressions of a job that could be parsed, each with the processor time that it has taken.
#[derive(Default)]
struct Expressions(Vec<(Expression, Duration)>);

impl Expressions {
    fn open(payload: &[u8], frame: &mut Vec<u8>, output: &mut impl Write) -> io::Result<Self> {
        let job: Job = serde_json::from_slice(payload)?;
        let mut parsed = Vec::with_capacity(job.expressions.len());
        for (text, spent) in job.expressions.iter().zip(job.spent_us) {
            let began = confine::renew_cpu_limit();
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
    fn answer(
        &mut self,
        input: &Result<jsonata_core::value::JValue, Failure>,
        frame: &mut Vec<u8>,
        output: &mut impl Write,
    ) -> io::Result<()> {
        for at in 0..self.0.len() {
            let share = self.share(at);
            let Some((expression, spent)) = self.0.get_mut(at) else { continue };
            frame.clear();
            frame.resize(HEAD + COST, 0);
            let began = confine::renew_cpu_limit();
            let done = match input {
                Err(failure) => Err(failure.clone()),
                Ok(_) if *spent > share => Err(Failure::limit(
                    "took more than its share of the processor time of one response",
                )),
                Ok(input) => engine::evaluate(expression, input, frame),
            };
            let cost = cpu_time().saturating_sub(began);
            *spent += cost;
            send_behind(frame, cost, &done, output)?;
        }
        Ok(())
    }

    /// How much processor time the expression may have taken. Half of the job's time is divided evenly; of the
    /// other half each may use half of what the others have left, so that slow ones don't use up the time of all.
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
    done: &Result<(), Failure>,
    output: &mut impl Write,
) -> io::Result<()> {
    frame.clear();
    frame.resize(HEAD + COST, 0);
    send_behind(frame, cost, done, output)
}

/// Sends a frame whose value, if there is one, stands behind the room for head and cost.
fn send_behind(
    frame: &mut Vec<u8>,
    cost: Duration,
    done: &Result<(), Failure>,
    output: &mut impl Write,
) -> io::Result<()> {
    let (kind, message) = match done {
        Ok(()) => (FrameKind::Value, None),
        Err(Failure::Limit(message)) => (FrameKind::Exceeded, Some(message.as_ref())),
        Err(Failure::Syntax(message) | Failure::Expression(message)) => {
            (FrameKind::Failed, Some(message.as_ref()))
        }
        Err(Failure::Busy) => (FrameKind::Exceeded, Some("")),
    };
    if let Some(message) = message {
        frame.truncate(HEAD + COST);
        frame.extend_from_slice(message.as_bytes());
    }
    let cost = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX);
    if let Some(place) = frame.get_mut(HEAD..HEAD + COST) {
        place.copy_from_slice(&cost.to_le_bytes());
    }
    frames::seal(frame, 0, kind);
    frames::send(output, frame)
}
