//! A JSON body: its type, its size, its fields are checked, and each mistake is pointed at.

use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::Deserializer;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::strict::Strict;
use crate::http::current::CurrentRequest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::{AppState, Services};

/// So many characters of a content type are shown in a problem.
const LONGEST_SHOWN: usize = 100;
/// So many times a byte of a body counts: for itself and for what is read of it.
const WEIGHT: usize = 3;
/// How long callers wait before they send again what there was no memory for.
const PAUSE: Duration = Duration::from_secs(1);

/// How JSON writes U+0000.
const NUL: &[u8] = b"\\u0000";

/// A body that was JSON and fits `T`.
#[derive(Debug)]
pub(in crate::http) struct Body<T>(pub(in crate::http) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        check_type(request.headers())?;
        let current = CurrentRequest::of(request.extensions());
        let bytes = read_whole(request.into_body(), state, &current).await?;
        refuse_nul(&bytes)?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = read(&mut json).map_err(|(pointer, message)| {
            Problem::new(ProblemKind::InvalidBody, "The body is not what this route wants.")
                .at(pointer, message)
        })?;
        json.end().map_err(|error| {
            Problem::new(ProblemKind::InvalidBody, "Something stands behind the JSON value.")
                .at("", error.to_string())
        })?;
        Ok(Self(value))
    }
}

/// Reads a value strictly; else the place and the message of what is wrong with it.
pub(in crate::http) fn read<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    json: D,
) -> Result<T, (String, String)> {
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(json, &mut track);
    T::deserialize(Strict(tracked)).map_err(|error| (pointer(&track.path()), error.to_string()))
}

/// Reads a body to its end, when it is neither too large nor too slow. Who calls has been proven before.
pub(in crate::http) async fn read_whole(
    body: axum::body::Body,
    services: &Services,
    request: &CurrentRequest,
) -> Result<Bytes, Problem> {
    let most = services.max_body_bytes;
    if let Some(environment_id) = request.environment_id() {
        let told = body.size_hint().upper().and_then(|told| usize::try_from(told).ok());
        let mut held = services.memory.hold(environment_id);
        let weight = told.map_or(most, |told| told.min(most)).saturating_mul(WEIGHT);
        held.grow(weight).map_err(|_| {
            let detail = "There is no memory left for the body: those in flight are too many or too large. Send fewer \
                          requests at the same time.";
            Problem::new(ProblemKind::Overloaded, detail).retry_after(PAUSE)
        })?;
        request.hold(held);
    }
    read_up_to(most, body, services).await
}

/// Reads a body of `max` bytes at the most. Every request's body that is not passed on as it comes is read here.
pub(in crate::http) async fn read_up_to(
    max: usize,
    body: axum::body::Body,
    services: &Services,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(ProblemKind::BodyTooLarge, format!("The body must have {max} bytes at most."))
    };
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let reading = axum::body::to_bytes(body, max);
    let whole = tokio::time::timeout(services.body_timeout, reading).await;
    let whole = whole.map_err(|_| too_slow(services))?;
    whole.map_err(|error| {
        let is_too_large = error.into_inner().is::<LengthLimitError>();
        if is_too_large { too_large() } else { broken() }
    })
}

/// The beginning of a body.
pub(in crate::http) struct Ahead {
    /// What was read.
    pub(in crate::http) begin: Bytes,
    /// What comes behind it, when there is more.
    pub(in crate::http) rest: Option<axum::body::Body>,
}

/// Reads the first `most` bytes of a body, and no more than its last piece beyond; `admit` says whether there is room for so
/// many more.
pub(in crate::http) async fn read_ahead(
    most: usize,
    mut body: axum::body::Body,
    services: &Services,
    mut admit: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Ahead, Problem> {
    let mut begin = Vec::new();
    let reading = async {
        while begin.len() < most {
            let Some(frame) = body.frame().await else { return Ok::<_, Problem>(None) };
            let frame = frame.map_err(|_| broken())?;
            if let Some(piece) = frame.data_ref() {
                admit(piece.len())?;
                begin.extend_from_slice(piece);
            }
        }
        Ok(Some(body))
    };
    let rest = tokio::time::timeout(services.body_timeout, reading).await;
    let rest = rest.map_err(|_| too_slow(services))??;
    Ok(Ahead { begin: begin.into(), rest })
}

fn too_slow(services: &Services) -> Problem {
    let time = services.body_timeout.as_secs_f64();
    Problem::new(ProblemKind::RequestTimeout, format!("The body did not come within {time} s."))
}

fn broken() -> Problem {
    let detail = "The body broke off before its end. Send it again, whole.";
    Problem::new(ProblemKind::InvalidBody, detail)
}

/// No text of ours holds U+0000: neither the database nor a provider takes it.
fn refuse_nul(bytes: &[u8]) -> Result<(), Problem> {
    let is_suspect = bytes.windows(NUL.len()).any(|window| window == NUL);
    let holds_nul = || serde_json::from_slice(bytes).is_ok_and(|value: Value| has_nul(&value));
    if is_suspect && holds_nul() {
        return Err(Problem::new(ProblemKind::InvalidBody, "The body can't be used.")
            .at("", "must not hold the character U+0000"));
    }
    Ok(())
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Refuses a body that is not declared as JSON; what was declared instead is named.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let declared = headers.get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default());
    let kind = declared.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
    {
        return Ok(());
    }
    let (detail, message) = if declared.is_none() {
        ("The request has no `Content-Type` header.".to_owned(), "is missing")
    } else {
        let shown: String = kind.chars().take(LONGEST_SHOWN).collect();
        (format!("The body is declared as `{shown}`."), "must be application/json")
    };
    let fix = "Send JSON with the header `Content-Type: application/json`.";
    let detail = format!("{detail} {fix}");
    Err(Problem::new(ProblemKind::UnsupportedMediaType, detail).at("Content-Type", message))
}

/// The path as a JSON pointer, RFC 6901.
fn pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}
