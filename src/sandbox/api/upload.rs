//! `POST /upload/v1/…`: where files are sent to. The address itself is the permission, as at Slack:
//! <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};

use super::exchange::{Outcome, Voice, exchange};
use super::web::FORM_DATA;
use crate::sandbox::Sandbox;
use crate::sandbox::files::{Content, NoFile};

/// Its name in the journal and for faults.
const NAME: &str = "upload";

const VOICE: Voice = Voice {
    rate_limited: || refusal(StatusCode::TOO_MANY_REQUESTS, "ratelimited"),
    server_error: || refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    content_type: "text/plain; charset=utf-8",
};

/// Takes a file, as raw bytes or as the first part of a form, of any size.
pub(super) async fn take_file(
    State(sandbox): State<Sandbox>,
    Path(ticket): Path<String>,
    request: Request,
) -> Response {
    let content = read(request).await;
    exchange(&sandbox, NAME, None, VOICE, || {
        let Some(content) = content else {
            return refusal(StatusCode::BAD_REQUEST, "broken_body");
        };
        let size = content.size;
        match sandbox.with_files(|files| files.take(&ticket, content)) {
            Ok(()) => Outcome::new(StatusCode::OK, format!("OK - {size}").into_bytes(), None),
            Err(NoFile::OtherLength) => refusal(StatusCode::BAD_REQUEST, "other_length"),
            Err(NoFile::NotFound | NoFile::Foreign | NoFile::Deleted) => {
                refusal(StatusCode::NOT_FOUND, "unknown_upload")
            }
        }
    })
    .await
}

fn refusal(status: StatusCode, error: &str) -> Outcome {
    Outcome::new(status, error.as_bytes().to_vec(), Some(error.to_owned()))
}

/// What was sent; none when it broke off.
async fn read(request: Request) -> Option<Content> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?.to_owned();
    let body = Body::into_data_stream(request.into_body());
    if !content_type.starts_with(FORM_DATA) {
        return measure(body).await;
    }
    let boundary = multer::parse_boundary(&content_type).ok()?;
    let mut parts = multer::Multipart::new(body, boundary);
    measure(parts.next_field().await.ok()??).await
}

async fn measure<E>(mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin) -> Option<Content> {
    let (mut size, mut hash) = (0, Sha256::new());
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        size += u64::try_from(piece.len()).ok()?;
        hash.update(&piece);
    }
    let mut sha256 = String::new();
    for byte in hash.finalize() {
        write!(sha256, "{byte:02x}").ok()?;
    }
    Some(Content { size, sha256 })
}
