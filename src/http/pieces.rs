//! Long answers go out in pieces: the first are with the caller while the last are still being written.

use std::io;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::mpsc::{self, UnboundedSender};

/// How long a piece is, about, in bytes.
const PIECE: usize = 64 * 1024;

/// An answer of JSON in pieces, for what is too long to wait for its end. One that could not be written to its
/// end breaks off.
pub(super) fn json(answer: impl Serialize + Send + 'static) -> Response {
    let (out, mut pieces) = mpsc::unbounded_channel();
    let writing = async move {
        let mut writer = Writer { piece: Vec::with_capacity(2 * PIECE), out };
        let written = serde_json::to_writer(&mut writer, &answer).map_err(io::Error::from);
        let Writer { piece, out } = writer;
        // Nobody is there to be told when the caller has hung up.
        let _ = out.send(written.map(|()| piece.into()));
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends at the latest when the caller hangs up"
    )]
    tokio::spawn(writing);
    let pieces = stream::poll_fn(move |cx| pieces.poll_recv(cx));
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(pieces)).into_response()
}

/// What is written, piece by piece.
struct Writer {
    piece: Vec<u8>,
    out: UnboundedSender<io::Result<Bytes>>,
}

impl io::Write for Writer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() < PIECE {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(2 * PIECE));
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

    /// Writes more than a piece and fails.
    struct Half;

    impl Serialize for Half {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq((0..PIECE).map(|number| Row(number < PIECE - 1)))
        }
    }

    struct Row(bool);

    impl Serialize for Row {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            if self.0 { serializer.serialize_u8(1) } else { Err(S::Error::custom("no")) }
        }
    }

    #[tokio::test]
    async fn a_long_answer_is_the_same_in_several_pieces() {
        let rows: Vec<u64> = (0..100_000).collect();
        let mut body = json(rows.clone()).into_body();
        let (mut pieces, mut whole) = (0, Vec::new());
        while let Some(frame) = body.frame().await {
            pieces += 1;
            whole.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert!(pieces > 5, "{pieces} pieces");
        assert_eq!(serde_json::from_slice::<Vec<u64>>(&whole).unwrap(), rows);
    }

    #[tokio::test]
    async fn an_answer_that_fails_half_way_breaks_off() {
        let mut body = json(Half).into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            rest.push(frame.is_ok());
        }
        assert_eq!(rest.last(), Some(&false), "it must not look like a whole one");
    }
}
