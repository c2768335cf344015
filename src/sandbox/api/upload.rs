//! `POST /upload/v1/…`: the upload URLs of files. The URL itself grants access, as at Slack:
//! <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use futures_util::{Stream, StreamExt as _};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use sha2::{Digest as _, Sha256};

use super::fault_injection::{ApiErrorFormat, PendingResponse, handle_request};
use super::web::FORM_DATA;
use crate::sandbox::Sandbox;
use crate::sandbox::files::{FileDigest, FileError};

/// Method name for the request log and for faults.
const METHOD_NAME: &str = "upload";

const ERROR_FORMAT: ApiErrorFormat = ApiErrorFormat {
    rate_limited: || error_response(StatusCode::TOO_MANY_REQUESTS, "ratelimited"),
    server_error: || error_response(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
    content_type: "text/plain; charset=utf-8",
};

/// Receives a file of any size, as raw bytes or as the first part of a form.
pub(super) async fn upload_file(
    State(sandbox): State<Sandbox>,
    Path(ticket): Path<String>,
    request: Request,
) -> Response {
    let content = read_upload(request).await;
    handle_request(&sandbox, METHOD_NAME, None, ERROR_FORMAT, || {
        let Some(content) = content else {
            return error_response(StatusCode::BAD_REQUEST, "broken_body");
        };
        let size = content.size;
        match sandbox.with_files(|files| files.receive(&ticket, content)) {
            Ok(()) => {
                PendingResponse::new(StatusCode::OK, format!("OK - {size}").into_bytes(), None)
            }
            Err(FileError::LengthMismatch) => {
                error_response(StatusCode::BAD_REQUEST, "other_length")
            }
            Err(FileError::NotFound | FileError::NotOwner | FileError::Deleted) => {
                error_response(StatusCode::NOT_FOUND, "unknown_upload")
            }
        }
    })
    .await
}

fn error_response(status: StatusCode, error: &str) -> PendingResponse {
    PendingResponse::new(status, error.as_bytes().to_vec(), Some(error.to_owned()))
}

/// Reads the upload; `None` if the connection breaks off.
async fn read_upload(request: Request) -> Option<FileDigest> {
    let content_type = request.headers().get(CONTENT_TYPE)?.to_str().ok()?.to_owned();
    let body = Body::into_data_stream(request.into_body());
    if !content_type.starts_with(FORM_DATA) {
        return digest_stream(body).await;
    }
    let boundary = multer::parse_boundary(&content_type).ok()?;
    let mut parts = multer::Multipart::new(body, boundary);
    digest_stream(parts.next_field().await.ok()??).await
}

async fn digest_stream<E>(
    mut pieces: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> Option<FileDigest> {
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
    Some(FileDigest { size, sha256 })
}
