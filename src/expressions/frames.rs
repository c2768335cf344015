//! Frames between the gateway and a worker: length, kind, payload.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::{MAX_INPUT_BYTES, MAX_VALUE_BYTES};

/// Size of a frame's header, in bytes: length and kind.
pub(super) const HEADER_BYTES: usize = 5;
/// Maximum payload to a worker, in bytes: an input, or the expressions of a job with their escapes.
pub(super) const MAX_TO_WORKER_BYTES: usize = 2 * MAX_INPUT_BYTES;
/// Maximum payload from a worker, in bytes: CPU time and a value or message.
pub(super) const MAX_FROM_WORKER_BYTES: usize = MAX_VALUE_BYTES + 1024;

/// Kind of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FrameKind {
    /// To a worker: a [`Job`] begins.
    Job = 0,
    /// To a worker: an input.
    Input = 1,
    /// To a worker: an input was too large to send.
    Oversized = 2,
    /// From a worker: an expression was parsed or has this value.
    Value = 3,
    /// From a worker: an expression failed.
    Failed = 4,
    /// From a worker: an expression exceeded a limit.
    LimitExceeded = 5,
}

impl FrameKind {
    fn from_byte(byte: u8) -> io::Result<Self> {
        [Self::Job, Self::Input, Self::Oversized, Self::Value, Self::Failed, Self::LimitExceeded]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// A job: its expressions, and the CPU time that each has used in earlier workers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct JobRequest {
    pub(super) expressions: Vec<String>,
    pub(super) spent_us: Vec<u64>,
}

/// Appends a frame; `write` appends its payload.
pub(super) fn append(out: &mut Vec<u8>, kind: FrameKind, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    write(out);
    write_header(out, start, kind);
}

/// Writes the header of the frame that begins at `start`.
pub(super) fn write_header(out: &mut [u8], start: usize, kind: FrameKind) {
    let length = u32::try_from(out.len().saturating_sub(start + HEADER_BYTES)).unwrap_or(u32::MAX);
    if let Some(head) = out.get_mut(start..start + HEADER_BYTES) {
        let [a, b, c, d] = length.to_le_bytes();
        head.copy_from_slice(&[a, b, c, d, kind as u8]);
    }
}

fn parse(head: [u8; HEADER_BYTES], max: usize) -> io::Result<(FrameKind, usize)> {
    let [a, b, c, d, kind] = head;
    let length = u32::from_le_bytes([a, b, c, d]);
    let length = usize::try_from(length).ok().filter(|length| *length <= max);
    Ok((FrameKind::from_byte(kind)?, length.ok_or(io::ErrorKind::InvalidData)?))
}

/// Reads a frame in a worker; returns `None` at the end of the pipe.
pub(super) fn read(from: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<FrameKind>> {
    let mut head = [0; HEADER_BYTES];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let (kind, length) = parse(head, MAX_TO_WORKER_BYTES)?;
    payload.clear();
    payload.resize(length, 0);
    from.read_exact(payload)?;
    Ok(Some(kind))
}

/// Writes a complete frame in a worker.
pub(super) fn send(to: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    to.write_all(frame)?;
    to.flush()
}

/// Reads a frame from a worker.
pub(super) async fn receive(
    from: &mut (impl AsyncRead + Unpin),
    payload: &mut Vec<u8>,
) -> io::Result<FrameKind> {
    let mut head = [0; HEADER_BYTES];
    from.read_exact(&mut head).await?;
    let (kind, length) = parse(head, MAX_FROM_WORKER_BYTES)?;
    payload.clear();
    payload.resize(length, 0);
    from.read_exact(payload).await?;
    Ok(kind)
}
