//! Reads request bodies within size and time limits, and parses JSON strictly with a pointer to each error.

use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::domain::strict_json::{has_nul, parse_strict};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::RequestContext;
use crate::http::state::{AppState, Services};

/// Maximum characters of a content type that a problem repeats.
const MAX_SHOWN_CHARS: usize = 100;
/// Memory per byte of a body: the text and the parsed value.
const MEMORY_PER_BYTE: usize = 3;
/// `Retry-After` when no memory is left.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// U+0000 as JSON escapes it.
const ESCAPED_NUL: &[u8] = b"\\u0000";

/// A parsed JSON body.
#[derive(Debug)]
pub(in crate::http) struct JsonBody<T>(pub(in crate::http) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let value = read_json(request, state).await?;
        value.map(Self).ok_or_else(|| {
            Problem::new(ProblemKind::InvalidBody, "The request has no body. Send a JSON object.")
                .with_error("", "is missing")
        })
    }
}

/// A parsed JSON body whose fields are all optional. A request without a body sets none of them.
#[derive(Debug)]
pub(in crate::http) struct OptionalJsonBody<T>(pub(in crate::http) T);

impl<T: DeserializeOwned + Default> FromRequest<AppState> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        Ok(Self(read_json(request, state).await?.unwrap_or_default()))
    }
}

/// Reads and parses a JSON body; `None` for a request without a body.
async fn read_json<T: DeserializeOwned>(
    request: Request,
    state: &AppState,
) -> Result<Option<T>, Problem> {
    if request.body().is_end_stream() {
        return Ok(None);
    }
    check_content_type(request.headers())?;
    let current = RequestContext::of(request.extensions());
    let bytes = read_whole(request.into_body(), state, &current).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    reject_nul(&bytes)?;
    let mut json = serde_json::Deserializer::from_slice(&bytes);
    let value = parse_strict(&mut json).map_err(|(pointer, message)| {
        let detail = "The request body does not match the schema of this route.";
        Problem::new(ProblemKind::InvalidBody, detail).with_error(pointer, message)
    })?;
    json.end().map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The body has data after the JSON value.")
            .with_error("", error.to_string())
    })?;
    Ok(Some(value))
}

/// Reads a body to its end, within the limits of size, time and memory. The caller is authenticated before.
pub(in crate::http) async fn read_whole(
    body: axum::body::Body,
    services: &Services,
    request: &RequestContext,
) -> Result<Bytes, Problem> {
    let max = services.max_body_bytes;
    let declared = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    let bytes = declared.map_or(max, |length| length.min(max));
    reserve_memory(services, request, bytes.saturating_mul(MEMORY_PER_BYTE))?;
    read_up_to(max, body, services).await
}

/// Reserves memory for a body, for the caller's environment and until the request ends.
pub(in crate::http) fn reserve_memory(
    services: &Services,
    request: &RequestContext,
    bytes: usize,
) -> Result<(), Problem> {
    let Some(environment_id) = request.environment_id() else { return Ok(()) };
    let mut held = services.memory.reserve(environment_id);
    held.grow(bytes).map_err(|_| {
        let detail = "No memory is left for the body: too many or too large bodies are in flight. Send fewer \
                      concurrent requests.";
        Problem::new(ProblemKind::Overloaded, detail).with_retry_after(RETRY_AFTER)
    })?;
    request.reserve_bytes(held);
    Ok(())
}

/// Reads a body of at most `max` bytes. Every request body that is not streamed is read here.
pub(in crate::http) async fn read_up_to(
    max: usize,
    body: axum::body::Body,
    services: &Services,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(ProblemKind::BodyTooLarge, format!("The body must not exceed {max} bytes."))
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let reading = axum::body::to_bytes(body, max);
    let whole = tokio::time::timeout(services.body_timeout, reading).await;
    let whole = whole.map_err(|_| body_timeout(services))?;
    whole.map_err(|error| {
        let is_too_large = error.into_inner().is::<LengthLimitError>();
        if is_too_large { too_large() } else { incomplete_body() }
    })
}

/// A body whose beginning has been read.
pub(in crate::http) struct PartialBody {
    /// The bytes that were read.
    pub(in crate::http) begin: Bytes,
    /// The rest of the body, if there is more.
    pub(in crate::http) rest: Option<axum::body::Body>,
}

/// Reads the first `max` bytes of a body, plus the remainder of the last chunk; `admit` checks the memory for each
/// chunk.
pub(in crate::http) async fn read_prefix(
    max: usize,
    mut body: axum::body::Body,
    services: &Services,
    mut admit: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<PartialBody, Problem> {
    let mut begin = Vec::new();
    let reading = async {
        while begin.len() < max {
            let Some(frame) = body.frame().await else { return Ok::<_, Problem>(None) };
            let frame = frame.map_err(|_| incomplete_body())?;
            if let Some(piece) = frame.data_ref() {
                admit(piece.len())?;
                begin.extend_from_slice(piece);
            }
        }
        Ok(Some(body))
    };
    let rest = tokio::time::timeout(services.body_timeout, reading).await;
    let rest = rest.map_err(|_| body_timeout(services))??;
    Ok(PartialBody { begin: begin.into(), rest })
}

fn body_timeout(services: &Services) -> Problem {
    let time = services.body_timeout.as_secs_f64();
    Problem::new(
        ProblemKind::RequestTimeout,
        format!("The request body was not received within {time} s."),
    )
}

/// Returns the problem of a body that ended early.
pub(in crate::http) fn incomplete_body() -> Problem {
    let detail = "The request body ended early. Send the complete body.";
    Problem::new(ProblemKind::InvalidBody, detail)
}

/// Fails for U+0000 in a text: neither the database nor a provider accepts it.
fn reject_nul(bytes: &[u8]) -> Result<(), Problem> {
    let is_suspect = bytes.windows(ESCAPED_NUL.len()).any(|window| window == ESCAPED_NUL);
    let holds_nul = || serde_json::from_slice(bytes).is_ok_and(|value: Value| has_nul(&value));
    if is_suspect && holds_nul() {
        return Err(Problem::new(ProblemKind::InvalidBody, "The body contains U+0000.")
            .with_error("", "must not contain the character U+0000"));
    }
    Ok(())
}

/// Checks that the body is declared as JSON; the problem names the declared type.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let kind = declared.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
    {
        return Ok(());
    }
    let (detail, message) = if declared.is_none() {
        ("The request has no `Content-Type` header.".to_owned(), "is missing")
    } else {
        let shown: String = kind.chars().take(MAX_SHOWN_CHARS).collect();
        (format!("The body is declared as `{shown}`."), "must be application/json")
    };
    let fix = "Send JSON with the header `Content-Type: application/json`.";
    let detail = format!("{detail} {fix}");
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail).with_error("Content-Type", message))
}
