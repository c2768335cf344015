//! Prepares the body of a raw call: empty, buffered so that the call can be retried, or streamed; always without the
//! caller's token.

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::SemaphorePermit;

use super::token_field::{CheckedBody, FieldFormat, LateToken};
use crate::http::extract::{PartialBody, bearer, read_prefix, read_up_to};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::Services;
use crate::upstream::{BoxError, RequestBody};

/// Maximum bytes of a buffered body, and of the prefix that is read of a larger form.
const MAX_BUFFERED_BYTES: usize = 1024 * 1024;
/// The unit of `Services::form_memory`, in bytes.
const MEMORY_UNIT_BYTES: usize = 1024;

/// A body that is ready to be sent.
#[derive(Debug)]
pub(super) struct OutgoingBody {
    pub(super) body: RequestBody,
    /// The values of its `token` fields, which were removed.
    tokens: Vec<String>,
    /// For a streamed body: whether a `token` field came too late.
    pub(super) late_token: Option<LateToken>,
}

impl From<RequestBody> for OutgoingBody {
    fn from(body: RequestBody) -> Self {
        Self { body, tokens: Vec::new(), late_token: None }
    }
}

impl OutgoingBody {
    /// Prepares the body of a caller who was authenticated by the header.
    pub(super) async fn of_authenticated(
        body: Body,
        format: Option<&FieldFormat>,
        headers: &HeaderMap,
        services: &Services,
    ) -> Result<Self, Problem> {
        if body.is_end_stream() {
            return Ok(RequestBody::Empty.into());
        }
        let length = body.size_hint().exact();
        let is_small = length.is_some_and(|length| {
            usize::try_from(length).is_ok_and(|length| length <= MAX_BUFFERED_BYTES)
        });
        let outgoing = match format {
            _ if is_small => Self::buffered(
                Box::pin(read_up_to(MAX_BUFFERED_BYTES, body, services)).await?,
                format,
            )?,
            None => RequestBody::Stream(body.map_err(BoxError::from).boxed_unsync()).into(),
            // A JSON field is not used for authentication, so nothing needs to be read before the call.
            Some(format) if *format == FieldFormat::Json => {
                let ahead = PartialBody { begin: bytes::Bytes::new(), rest: Some(body) };
                Self::prefixed(ahead, format, length)?
            }
            Some(format) => {
                let ahead = Box::pin(read_prefix(MAX_BUFFERED_BYTES, body, services, |_| Ok(())));
                Self::prefixed(ahead.await?, format, length)?
            }
        };
        check_tokens(&outgoing.tokens, headers)?;
        Ok(outgoing)
    }

    /// Prepares the body of a caller without the header; returns the account token that the form contains.
    pub(super) async fn of_unauthenticated(
        body: Body,
        format: &FieldFormat,
        services: &Services,
    ) -> Result<(Self, String), Problem> {
        let _place =
            services.unauthenticated_bodies.try_acquire().map_err(|_| no_memory_problem())?;
        let length = body.size_hint().exact();
        let mut room: Option<SemaphorePermit<'_>> = None;
        let admit = |bytes: usize| {
            let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT_BYTES)).unwrap_or(u32::MAX);
            let Ok(more) = services.form_memory.try_acquire_many(units) else {
                return Err(no_memory_problem());
            };
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            Ok(())
        };
        let ahead = read_prefix(MAX_BUFFERED_BYTES, body, services, admit).await?;
        let mut outgoing = Self::prefixed(ahead, format, length)?;
        let mut tokens = std::mem::take(&mut outgoing.tokens).into_iter();
        let Some(token) = tokens.next() else {
            let detail = "Send `Authorization: Bearer KEY`, or an account token as the form field `token` within the \
                          first mebibyte.";
            return Err(Problem::new(ProblemKind::Unauthorized, detail).without_credentials());
        };
        if tokens.any(|other| other != token) {
            let detail = "The body has two different `token` fields. Send one.";
            return Err(Problem::new(ProblemKind::Unauthorized, detail));
        }
        Ok((outgoing, token))
    }

    fn buffered(body: bytes::Bytes, format: Option<&FieldFormat>) -> Result<Self, Problem> {
        let Some(format) = format else { return Ok(RequestBody::Bytes(body).into()) };
        let cleaned = format.clean(body)?;
        Ok(Self {
            body: RequestBody::Bytes(cleaned.body),
            tokens: cleaned.tokens,
            late_token: None,
        })
    }

    fn prefixed(
        ahead: PartialBody,
        format: &FieldFormat,
        length: Option<u64>,
    ) -> Result<Self, Problem> {
        if ahead.rest.is_none() {
            return Self::buffered(ahead.begin, Some(format));
        }
        let (body, tokens) = CheckedBody::new(format, ahead, length)?;
        let late = Some(body.late_token());
        Ok(Self { body: RequestBody::Stream(body.boxed_unsync()), tokens, late_token: late })
    }
}

/// Checks that the tokens equal the key of the header.
fn check_tokens(tokens: &[String], headers: &HeaderMap) -> Result<(), Problem> {
    // Without the header, the field has been authenticated.
    let Some(key) = bearer(headers) else { return Ok(()) };
    if tokens.iter().all(|token| token == key) {
        return Ok(());
    }
    let detail = "The field `token` differs from the key in the `Authorization` header. Send only one of them.";
    Err(Problem::new(ProblemKind::Unauthorized, detail))
}

/// Returns the problem of a call that was aborted because a `token` field came too late.
pub(super) fn late_token_problem() -> Problem {
    let detail = "The body has a `token` field after its first mebibyte, or unreadable fields. The call was \
                  aborted. Send the key in the `Authorization` header, or the field first.";
    Problem::new(ProblemKind::InvalidBody, detail)
}

fn no_memory_problem() -> Problem {
    let detail = "Too many forms with a `token` field are being read. Send the key in the `Authorization` \
                  header, or retry after `Retry-After` seconds.";
    Problem::new(ProblemKind::Overloaded, detail)
        .with_retry_after(std::time::Duration::from_secs(1))
}
