//! Forms with a file: the fields before it are read, and the file is streamed to the API while it arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use multer::{Constraints, Field, Multipart, SizeLimit};

use super::context::Console;
use super::csrf::{check_csrf, check_origin};
use super::fields::FormFields;
use super::layout;
use crate::http::extract::incomplete_body;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;

/// The name of the input with the file.
pub(super) const FILE: &str = "file";
/// Maximum size of what is before the file, without the last piece that is received.
const MAX_HEAD_BYTES: usize = 128 * 1024;
/// Maximum size of a field.
const MAX_FIELD_BYTES: u64 = 64 * 1024;
/// Maximum number of fields.
const MAX_FIELDS: usize = 30;

/// A file of a form.
pub(super) struct UploadedFile {
    /// Its name, as the browser tells it.
    pub(super) name: String,
    /// Its content, which is received while it is read.
    pub(super) content: Body,
}

/// A form with a file: sent by a page of this server, in its session.
pub(super) struct UploadForm {
    /// The session.
    pub(super) console: Console,
    /// The fields before the file.
    pub(super) fields: FormFields,
    /// The file.
    pub(super) file: UploadedFile,
}

impl FromRequest<AppState> for UploadForm {
    type Rejection = Response;

    async fn from_request(request: Request<Body>, state: &AppState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        check_origin(state, &parts.headers).map_err(layout::bare_problem)?;
        let console = Console::from_request_parts(&mut parts, state).await?;
        let reading = tokio::time::timeout(state.body_timeout, read_head(&parts.headers, body));
        let head = reading.await.unwrap_or_else(|_| Err(too_slow(state)));
        let checked = head.and_then(|(fields, file)| {
            check_csrf(&console.view.csrf, fields.get("csrf"))?;
            Ok((fields, file.ok_or_else(no_file)?))
        });
        match checked {
            Ok((fields, file)) => Ok(Self { console, fields, file }),
            Err(problem) => Err(console.respond(Err(problem.into()))),
        }
    }
}

/// Reads the fields of a form up to its file.
async fn read_head(
    headers: &HeaderMap,
    body: Body,
) -> Result<(FormFields, Option<UploadedFile>), Problem> {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(media_type.unwrap_or_default()).map_err(|_| {
        let detail = "Send the form as `multipart/form-data`.";
        Problem::new(ProblemKind::UnsupportedMediaType, detail)
    })?;
    let limit = Arc::new(HeadLimit::default());
    let sizes = SizeLimit::new().per_field(MAX_FIELD_BYTES).for_field(FILE, u64::MAX);
    let constraints = Constraints::new().size_limit(sizes);
    let body = body.into_data_stream();
    let pieces = Pieces { body, limit: Arc::clone(&limit), has_piece: false };
    let mut parts = Multipart::with_constraints(pieces, boundary, constraints);
    let mut fields = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(|error| unreadable(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == FILE {
            limit.lift();
            return Ok((FormFields::of(fields), Some(UploadedFile::of(part))));
        }
        if fields.len() >= MAX_FIELDS {
            return Err(too_large());
        }
        fields.push((name, part.text().await.map_err(|error| unreadable(&error))?));
    }
    Ok((FormFields::of(fields), None))
}

impl UploadedFile {
    fn of(part: Field<'static>) -> Self {
        let name = part.file_name().unwrap_or_default().to_owned();
        Self { name, content: Body::from_stream(part) }
    }
}

/// The limit of what is received before the file.
#[derive(Debug, Default)]
struct HeadLimit {
    received: AtomicUsize,
    is_lifted: AtomicBool,
}

impl HeadLimit {
    fn lift(&self) {
        self.is_lifted.store(true, Ordering::Relaxed);
    }

    /// Counts a piece; returns whether it may be read.
    fn admit(&self, bytes: usize) -> bool {
        let before = self.received.fetch_add(bytes, Ordering::Relaxed);
        before < MAX_HEAD_BYTES || self.is_lifted.load(Ordering::Relaxed)
    }
}

/// The pieces of a body. The parser buffers all pieces that are ready, so only one is at a time.
struct Pieces {
    body: BodyDataStream,
    limit: Arc<HeadLimit>,
    /// Whether the parser has a piece that it has not looked at.
    has_piece: bool,
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.has_piece) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let piece = ready!(Pin::new(&mut self.body).poll_next(context));
        self.has_piece = true;
        Poll::Ready(piece.map(|piece| {
            let piece = piece.map_err(io::Error::other)?;
            let admitted = self.limit.admit(piece.len()).then_some(piece);
            admitted.ok_or_else(|| io::ErrorKind::QuotaExceeded.into())
        }))
    }
}

/// Returns the problem of a form that cannot be read.
fn unreadable(error: &multer::Error) -> Problem {
    let is_limit = |source: &(dyn std::error::Error + Send + Sync + 'static)| {
        let source = source.downcast_ref::<io::Error>();
        source.is_some_and(|source| source.kind() == io::ErrorKind::QuotaExceeded)
    };
    let is_too_large = matches!(error, multer::Error::FieldSizeExceeded { .. })
        || matches!(error, multer::Error::StreamReadFailed(source) if is_limit(source.as_ref()));
    if is_too_large { too_large() } else { incomplete_body() }
}

fn too_large() -> Problem {
    Problem::new(ProblemKind::BodyTooLarge, "The fields of the form are too large.")
}

fn too_slow(state: &AppState) -> Problem {
    let time = state.body_timeout.as_secs_f64();
    let detail = format!("The fields of the form were not received within {time} s.");
    Problem::new(ProblemKind::RequestTimeout, detail)
}

fn no_file() -> Problem {
    let detail = "The form has no file. Choose one, and send the form again.";
    Problem::new(ProblemKind::InvalidBody, detail)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::http::HeaderValue;

    use super::*;

    fn headers() -> HeaderMap {
        let media_type = HeaderValue::from_static("multipart/form-data; boundary=B");
        HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)])
    }

    fn part(name: &str, content: &str) -> String {
        format!("--B\r\ncontent-disposition: form-data; {name}\r\n\r\n{content}\r\n")
    }

    #[tokio::test]
    async fn fields_are_those_before_the_file() {
        let file = part("name=\"file\"; filename=\"a.csv\"", &"x".repeat(MAX_HEAD_BYTES * 2));
        let form = [part("name=\"mode\"", "additive"), file, "--B--\r\n".to_owned()].concat();
        let (fields, file) = read_head(&headers(), Body::from(form)).await.unwrap();
        assert_eq!(fields.get("mode"), Some("additive"));
        let file = file.unwrap();
        assert_eq!(file.name, "a.csv");
        let content = axum::body::to_bytes(file.content, usize::MAX).await.unwrap();
        assert_eq!(content.len(), MAX_HEAD_BYTES * 2);
    }

    #[tokio::test]
    async fn what_is_before_the_file_is_limited() {
        let endless = || {
            let piece = Bytes::from_static(&[b'x'; 4_096]);
            futures_util::stream::repeat(Ok::<_, Infallible>(piece))
        };
        let bodies = [
            Body::from_stream(endless()),
            Body::from_stream(futures_util::StreamExt::chain(
                futures_util::stream::iter([Ok(Bytes::from(part("name=\"mode\"", "")))]),
                endless(),
            )),
            Body::from(part("name=\"mode\"", &"x".repeat(70_000)) + "--B--\r\n"),
            Body::from(part("name=\"mode\"", "x").repeat(MAX_FIELDS + 1)),
        ];
        for (number, body) in bodies.into_iter().enumerate() {
            let problem = read_head(&headers(), body).await.err().unwrap();
            assert_eq!(problem.kind(), ProblemKind::BodyTooLarge, "{number}");
        }
    }
}
