//! The frames between the gateway and a worker: a length, a kind, a payload.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{MAX_INPUT_BYTES, MAX_VALUE_BYTES};

/// The length and the kind.
pub(super) const HEAD: usize = 5;
/// The longest payload to a worker: an input, or the expressions of a job, whose escapes take room.
pub(super) const MAX_TO_WORKER: usize = 2 * MAX_INPUT_BYTES;
/// The longest payload from a worker: a value or a message behind the processor time that it took.
pub(super) const MAX_FROM_WORKER: usize = MAX_VALUE_BYTES + 1024;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FrameKind {
    /// To a worker: a [`Job`] begins.
    Job = 0,
    /// To a worker: an input.
    Input = 1,
    /// To a worker: an input that is too large to be sent.
    Oversized = 2,
    /// From a worker: an expression was parsed, or has a value.
    Value = 3,
    /// From a worker: an expression failed.
    Failed = 4,
    /// From a worker: an expression exceeded a limit.
    Exceeded = 5,
}

impl FrameKind {
    fn of(byte: u8) -> io::Result<Self> {
        [Self::Job, Self::Input, Self::Oversized, Self::Value, Self::Failed, Self::Exceeded]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// A job: its expressions, and the processor time that each has taken in workers before.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) expressions: Vec<String>,
    pub(super) spent_us: Vec<u64>,
}

/// Appends a frame whose payload `write` appends.
pub(super) fn append(out: &mut Vec<u8>, kind: FrameKind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    write(out);
    seal(out, start, kind);
}

/// Writes the head of the frame that begins at `start`.
pub(super) fn seal(out: &mut [u8], start: usize, kind: FrameKind) {
    let length = u32::try_from(out.len().saturating_sub(start + HEAD)).unwrap_or(u32::MAX);
    if let Some(head) = out.get_mut(start..start + HEAD) {
        let [a, b, c, d] = length.to_le_bytes();
        head.copy_from_slice(&[a, b, c, d, kind as u8]);
    }
}

fn parse(head: [u8; HEAD], max: usize) -> io::Result<(FrameKind, usize)> {
    let [a, b, c, d, kind] = head;
    let length = u32::from_le_bytes([a, b, c, d]);
    let length = usize::try_from(length).ok().filter(|length| *length <= max);
    Ok((FrameKind::of(kind)?, length.ok_or(io::ErrorKind::InvalidData)?))
}

/// Reads a frame in a worker; `None` at the end of the pipe.
pub(super) fn read(from: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<FrameKind>> {
    let mut head = [0; HEAD];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (kind, length) = parse(head, MAX_TO_WORKER)?;
    payload.clear();
    payload.resize(length, 0);
    from.read_exact(payload)?;
    Ok(Some(kind))
}

/// Writes a frame in a worker, in one piece.
pub(super) fn send(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    to.write_all(frame)?;
    to.flush()
}

/// Reads a frame from a worker.
pub(super) async fn receive(
    from: &mut (impl AsyncRead + Unpin),
    payload: &mut Vec<u8>,
) -> io::Result<FrameKind> {
    let mut head = [0; HEAD];
    from.read_exact(&mut head).await?;
    let (kind, length) = parse(head, MAX_FROM_WORKER)?;
    payload.clear();
    payload.resize(length, 0);
    from.read_exact(payload).await?;
    Ok(kind)
}
