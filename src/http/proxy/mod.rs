//! `ANY /proxy/{path}`: the provider's own API, one to one.

mod body;
mod follow;
mod query;
mod refusal;
mod token_field;

use std::borrow::Cow;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use self::body::Outgoing;
use self::query::{PAGINATE, Query};
pub(super) use self::refusal::ErrorFormat;
use self::refusal::PREFIX;
use self::token_field::FieldFormat;
use super::current::CurrentRequest;
use super::edge::{self, Passage};
use super::extract::{Account, Head, Proxy, prove_token};
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::unified::passthrough::{RawAnswer, RawCall};
use crate::upstream::Passed;

/// Its route.
pub(super) const ROUTE: &str = "/proxy/{*path}";

/// So many headers of ours there are at the most, here and at the edge.
const OURS: usize = 12;
/// What only we know about a call, beside the provider's answer.
const REQUEST_ID: HeaderName = HeaderName::from_static("switchboard-request-id");
const ACCOUNT_ID: HeaderName = HeaderName::from_static("switchboard-account-id");
const PROVIDER_METHOD: HeaderName = HeaderName::from_static("switchboard-provider-method");
const ATTEMPTS: HeaderName = HeaderName::from_static("switchboard-attempts");
const WAITED_MS: HeaderName = HeaderName::from_static("switchboard-waited-ms");
const UPSTREAM_MS: HeaderName = HeaderName::from_static("switchboard-upstream-ms");

/// Passes a raw call to the provider: its path, query, body and status are untouched. Our own facts about
/// it are in headers that begin with `Switchboard-`.
#[utoipa::path(get, path = "/proxy/{path}", operation_id = "pass_raw_call", tag = "Proxy",
    params(
        ("path" = String, Path, description = "The provider's own path, such as `api/users.info` or `scim/v2/Users`"),
        ("integrated_account_id" = Option<String>, Query, description = "The account, when no account token implies it"),
        ("paginate" = Option<bool>, Query, description = "With GET: follows the provider's list over all its pages and answers its rows as NDJSON, one a line; a failure on the way is the last line, `{\"error\": problem}`"),
    ),
    responses((status = 200, description = "Whatever the provider answered"), super::openapi::Problems))]
pub(super) async fn pass_raw_call(State(state): State<AppState>, mut request: Request) -> Response {
    let current = CurrentRequest::of(request.extensions());
    pass(&state, &mut request, current).await
}

// Requests are lent: they are large, and each future on the way would move them twice.
async fn pass(state: &AppState, request: &mut Request, current: CurrentRequest) -> Response {
    let passed = try_to_pass(state, request, current).await;
    passed.unwrap_or_else(Problem::into_response)
}

async fn try_to_pass(
    state: &AppState,
    request: &mut Request,
    current: CurrentRequest,
) -> Result<Response, Problem> {
    let mut body = Some(std::mem::take(request.body_mut()));
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let mut outgoing = None;
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(format) = FieldFormat::of(path, headers)?.filter(FieldFormat::holds_credentials)
    {
        let unproven = Outgoing::of_unproven(body.take().unwrap_or_default(), &format, state);
        let (read, token) = Box::pin(unproven).await?;
        Box::pin(prove_token(&token, headers, state, &current)).await?;
        outgoing = Some(read);
    }
    let head = Head { uri, headers, extensions: request.extensions() };
    let account = Account::<Proxy>::of(head, state, current).await?;
    // They would show the caller our own request, token and all, or make a tunnel of it.
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        let detail = format!("{method} is not passed on to a provider.");
        return Err(Problem::new(ProblemKind::MethodNotAllowed, detail));
    }
    let takes_token = state.registry.connector(account.provider()).passthrough().takes_token();
    let mut query = Query::of(uri.query())?;
    if takes_token {
        query = query.without_token()?;
    }
    if query.paginate {
        if *method != Method::GET {
            return Err(Problem::new(ProblemKind::InvalidQuery, "Only GET can follow a list.")
                .at(PAGINATE, "is for GET only"));
        }
        let query = query.theirs.filter(|query| !query.is_empty()).map(Cow::into_owned);
        let list = follow::List::new(state.clone(), account, (uri, headers), path);
        return Box::pin(list.follow(query)).await;
    }
    let outgoing = if let Some(outgoing) = outgoing {
        outgoing
    } else {
        let format = if takes_token { FieldFormat::of(path, headers)? } else { None };
        Outgoing::of_proven(body.unwrap_or_default(), format.as_ref(), headers, state).await?
    };
    let Outgoing { body, late, .. } = outgoing;
    let call = RawCall {
        method: method.clone(),
        path,
        query: query.theirs.as_deref(),
        headers,
        body,
        allowed: account.allowed_methods(),
        own: &state.links.public_url,
    };
    let passed = account.directory(state, false).pass(call).await;
    let passed = passed.map_err(|error| match late {
        Some(late) if late.happened() => body::came_late(),
        _ => error.into(),
    })?;
    Ok(respond(passed, &account))
}

/// Whether a request is for the proxy.
pub(super) fn is_raw(uri: &Uri) -> bool {
    uri.path().strip_prefix(PREFIX).is_some_and(|path| !path.is_empty())
}

/// Answers a raw call without the table of routes and the layers of the API: it needs none of them.
pub(super) async fn answer(state: &AppState, request: &mut Request, peer: SocketAddr) -> Response {
    let passage = Passage::enter(state, request, Some(peer));
    let mut response = if let Some(problem) = edge::refusal(request.uri()) {
        problem.into_response()
    } else {
        // In its place: futures of this size are dear to move.
        let mut call = pin!(pass(state, request, passage.current().clone()));
        let answer = poll_fn(|cx| {
            catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)))
                .unwrap_or_else(|panic| Poll::Ready(edge::after_panic(panic)))
        });
        answer.await
    };
    passage.leave(state, ROUTE, request.uri(), &mut response);
    // A form can be sent by a browser: what comes back is shown at our address.
    edge::protect(state, response.headers_mut());
    response
}

fn respond(passed: RawAnswer, account: &Account<Proxy>) -> Response {
    let RawAnswer { method, mut answer } = passed;
    let (status, facts) = (answer.status, answer.facts);
    let mut headers = std::mem::take(&mut answer.headers);
    headers.reserve(OURS);
    headers.insert(REQUEST_ID, account.request().id_header().clone());
    let method = match method {
        Cow::Borrowed(known) => {
            HeaderValue::from_maybe_shared(Bytes::from_static(known.as_bytes()))
        }
        Cow::Owned(method) => HeaderValue::from_maybe_shared(Bytes::from(method)),
    };
    let account_id = HeaderValue::try_from(account.id().text());
    for (name, value) in [(ACCOUNT_ID, account_id.ok()), (PROVIDER_METHOD, method.ok())] {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
    headers.insert(ATTEMPTS, number(facts.attempts.into()));
    headers.insert(WAITED_MS, number(facts.waited.as_millis()));
    headers.insert(UPSTREAM_MS, number(facts.upstream.as_millis()));
    let mut response = Response::new(match answer.into_passed() {
        Passed::Whole(bytes) => Body::from(bytes),
        Passed::Stream(stream) => Body::from_stream(stream),
    });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A number as headers have it. Mostly it is a small one, for which nothing has to be allocated.
fn number(number: u128) -> HeaderValue {
    const SMALL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let known = usize::try_from(number).ok().and_then(|at| SMALL.get(at));
    known.map_or_else(
        || u64::try_from(number).unwrap_or(u64::MAX).into(),
        |text| HeaderValue::from_static(text),
    )
}
