//! Streams long JSON responses in chunks while they are serialized.

use std::io;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedSender};

/// Approximate size of a chunk, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// Serializes a value into a streamed response. The body ends with an error if serialization fails.
pub(super) fn stream_json(body: impl Serialize + Send + 'static) -> Response {
    let (out, mut pieces) = mpsc::unbounded_channel();
    let writing = async move {
        let mut writer = ChunkWriter { chunk: Vec::with_capacity(2 * CHUNK_BYTES), out };
        let written = serde_json::to_writer(&mut writer, &body).map_err(io::Error::from);
        let ChunkWriter { chunk: piece, out } = writer;
        // Sending fails only after the caller has disconnected.
        let _ = out.send(written.map(|()| piece.into()));
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends at the latest when the caller disconnects"
    )]
    tokio::spawn(writing);
    let pieces = stream::poll_fn(move |cx| pieces.poll_recv(cx));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(pieces)).into_response()
}

/// Writes chunks into a channel.
struct ChunkWriter {
    chunk: Vec<u8>,
    out: UnboundedSender<io::Result<Bytes>>,
}

impl io::Write for ChunkWriter {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() < CHUNK_BYTES {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.chunk, Vec::with_capacity(2 * CHUNK_BYTES));
        self.out.send(Ok(piece.into())).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use serde::ser::{Error as _, Serializer};

    use super::*;

    /// Writes more than a chunk, then fails.
    struct Half;

    impl Serialize for Half {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..CHUNK_BYTES).map(|number| Row(number < CHUNK_BYTES - 1)))
        }
    }

    struct Row(bool);

    impl Serialize for Row {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 { serializer.serialize_u8(1) } else { Err(S::Error::custom("no")) }
        }
    }

    #[tokio::test]
    async fn streams_a_long_response_in_several_chunks() {
        let rows: Vec<u64> = (0..100_000).collect();
        let mut body = stream_json(rows.clone()).into_body();
        let (mut pieces, mut whole) = (0, Vec::new());
        while let Some(frame) = body.frame().await {
            pieces += 1;
            whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(pieces > 5, "{pieces} pieces");
        assert_eq!(serde_json::from_slice::<Vec<u64>>(&whole).unwrap(), rows);
    }

    #[tokio::test]
    async fn aborts_a_response_that_fails_half_way() {
        let mut body = stream_json(Half).into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            rest.push(frame.is_ok());
        }
        assert_eq!(rest.last(), Some(&false), "it must not look complete");
    }
}
