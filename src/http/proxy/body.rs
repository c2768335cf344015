//! The body of a raw call: none, whole so that the call can be repeated, or streaming; always without a token of the
//! caller's.

use axum::body::{Body, HttpBody as _};
use axum::http::HeaderMap;
use http_body_util::BodyExt as _;
use tokio::sync::SemaphorePermit;

use super::token_field::{CheckedBody, FieldFormat, Late};
use crate::http::extract::{Ahead, bearer, read_ahead, read_up_to};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::Services;
use crate::upstream::{BoxError, RequestBody};

/// Bodies up to this size are read whole, so that the call can be repeated; of larger forms so much is read ahead.
const KEPT: usize = 1024 * 1024;
/// The unit in which memory is given out to callers who are not proven yet.
const UNIT: usize = 1024;

/// A body that is ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) body: RequestBody,
    /// The values of its `token` field, which it has no more.
    tokens: Vec<String>,
    /// Tells of a body that streams whether the field came late.
    pub(super) late: Option<Late>,
}

impl From<RequestBody> for Outgoing {
    fn from(body: RequestBody) -> Self {
        Self { body, tokens: Vec::new(), late: None }
    }
}

impl Outgoing {
    /// The body of a caller who was proven by the header.
    pub(super) async fn of_proven(
        body: Body,
        format: Option<&FieldFormat>,
        headers: &HeaderMap,
        services: &Services,
    ) -> Result<Self, Problem> {
        if body.is_end_stream() {
            return Ok(RequestBody::Empty.into());
        }
        let length = body.size_hint().exact();
        let is_small =
            length.is_some_and(|length| usize::try_from(length).is_ok_and(|length| length <= KEPT));
        let outgoing = match format {
            _ if is_small => {
                Self::whole(Box::pin(read_up_to(KEPT, body, services)).await?, format)?
            }
            None => RequestBody::Stream(body.map_err(BoxError::from).boxed_unsync()).into(),
            // There it is no proof, so that nothing has to be known about it before the call goes on.
            Some(format) if *format == FieldFormat::Json => {
                let ahead = Ahead { begin: bytes::Bytes::new(), rest: Some(body) };
                Self::ahead(ahead, format, length)?
            }
            Some(format) => {
                let ahead = Box::pin(read_ahead(KEPT, body, services, |_| Ok(())));
                Self::ahead(ahead.await?, format, length)?
            }
        };
        check_tokens(&outgoing.tokens, headers)?;
        Ok(outgoing)
    }

    /// The body of a caller without the header, and the token that it has instead.
    pub(super) async fn of_unproven(
        body: Body,
        format: &FieldFormat,
        services: &Services,
    ) -> Result<(Self, String), Problem> {
        let _place = services.unproven_bodies.try_acquire().map_err(|_| no_room())?;
        let length = body.size_hint().exact();
        let mut room: Option<SemaphorePermit<'_>> = None;
        let admit = |bytes: usize| {
            let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
            let Ok(more) = services.form_memory.try_acquire_many(units) else {
                return Err(no_room());
            };
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            Ok(())
        };
        let ahead = read_ahead(KEPT, body, services, admit).await?;
        let mut outgoing = Self::ahead(ahead, format, length)?;
        let mut tokens = std::mem::take(&mut outgoing.tokens).into_iter();
        let Some(token) = tokens.next() else {
            let detail = "Send `Authorization: Bearer KEY`, or an account token as the field `token` within the \
                          first mebibyte of a form.";
            return Err(Problem::new(ProblemKind::Unauthorized, detail).without_credentials());
        };
        if tokens.any(|other| other != token) {
            let detail = "The body has two different fields `token`. Send one.";
            return Err(Problem::new(ProblemKind::Unauthorized, detail));
        }
        Ok((outgoing, token))
    }

    fn whole(body: bytes::Bytes, format: Option<&FieldFormat>) -> Result<Self, Problem> {
        let Some(format) = format else { return Ok(RequestBody::Bytes(body).into()) };
        let cleaned = format.clean(body)?;
        Ok(Self { body: RequestBody::Bytes(cleaned.body), tokens: cleaned.tokens, late: None })
    }

    fn ahead(ahead: Ahead, format: &FieldFormat, length: Option<u64>) -> Result<Self, Problem> {
        if ahead.rest.is_none() {
            return Self::whole(ahead.begin, Some(format));
        }
        let (body, tokens) = CheckedBody::new(format, ahead, length)?;
        let late = Some(body.late());
        Ok(Self { body: RequestBody::Stream(body.boxed_unsync()), tokens, late })
    }
}

/// Refuses tokens that are not the key of the header.
fn check_tokens(tokens: &[String], headers: &HeaderMap) -> Result<(), Problem> {
    // Of a call without the header, the field was the proof.
    let Some(key) = bearer(headers) else { return Ok(()) };
    if tokens.iter().all(|token| token == key) {
        return Ok(());
    }
    let detail =
        "The field `token` is not the key of the `Authorization` header. Send one of them only.";
    Err(Problem::new(ProblemKind::Unauthorized, detail))
}

/// The problem of a call that was broken off because the field came late.
pub(super) fn came_late() -> Problem {
    let detail = "The body has the field `token` behind its first mebibyte, or fields that can't be read. The call was \
                  broken off. Send the key in the `Authorization` header, or the field first.";
    Problem::new(ProblemKind::InvalidBody, detail)
}

fn no_room() -> Problem {
    let detail = "More forms with a `token` are read than this gateway has room for. Send the key in the `Authorization` \
                  header, or the same again after `Retry-After` seconds.";
    Problem::new(ProblemKind::Overloaded, detail).retry_after(std::time::Duration::from_secs(1))
}
