//! `ANY /proxy/{path}`: the provider's own API, one to one.

mod follow;

use std::borrow::Cow;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::str::FromStr as _;
use std::task::Poll;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::current::CurrentRequest;
use super::edge::{self, Passage};
use super::extract::{Account, Head, Proxy, read_up_to};
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::unified::passthrough::{RawAnswer, RawCall};
use crate::upstream::{BoxError, Passed, RequestBody};

/// Bodies up to this size are kept, so that the call can be repeated; larger ones stream through.
const KEPT: usize = 1024 * 1024;
/// Its route, and how its paths begin.
pub(super) const ROUTE: &str = "/proxy/{*path}";
const PREFIX: &str = "/proxy/";
/// The parameters that are ours.
const ACCOUNT: &str = "integrated_account_id";
const PAGINATE: &str = "paginate";

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
    let body = std::mem::take(request.body_mut());
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let head = Head { uri, headers, extensions: request.extensions() };
    let account = Account::<Proxy>::of(head, state, current).await?;
    // They would show the caller our own request, token and all, or make a tunnel of it.
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        let detail = format!("{method} is not passed on to a provider.");
        return Err(Problem::new(ProblemKind::MethodNotAllowed, detail));
    }
    let path = uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let query = Query::of(uri.query())?;
    if query.paginate {
        if *method != Method::GET {
            return Err(Problem::new(ProblemKind::InvalidQuery, "Only GET can follow a list.")
                .at(PAGINATE, "is for GET only"));
        }
        let (path, query) = (path.to_owned(), query.theirs.map(Cow::into_owned));
        return Box::pin(follow::follow(state.clone(), account, path, query)).await;
    }
    let body = provider_body(headers, body, state).await?;
    let call = RawCall {
        method: method.clone(),
        path,
        query: query.theirs.as_deref(),
        headers,
        body,
        allowed: account.allowed_methods(),
    };
    let passed = account.directory(state, false).pass(call).await?;
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
    passage.leave(state, ROUTE, &mut response);
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

/// The caller's query.
#[derive(Debug, PartialEq, Eq)]
struct Query<'a> {
    /// Whether all pages are wanted.
    paginate: bool,
    /// The rest without what is ours, byte for byte.
    theirs: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    fn of(query: Option<&'a str>) -> Result<Self, Problem> {
        let mut paginate = false;
        let Some(query) = query else { return Ok(Self { paginate, theirs: None }) };
        if !query.contains(ACCOUNT) && !query.contains(PAGINATE) {
            return Ok(Self { paginate, theirs: (!query.is_empty()).then_some(query.into()) });
        }
        let mut theirs = String::with_capacity(query.len());
        for pair in query.split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                (ACCOUNT, _) => {}
                (PAGINATE, value @ ("true" | "false")) => paginate = value == "true",
                (PAGINATE, _) => {
                    let problem = "The parameter `paginate` can't be used.";
                    return Err(Problem::new(ProblemKind::InvalidQuery, problem)
                        .at(PAGINATE, "must be true or false"));
                }
                _ => {
                    if !theirs.is_empty() {
                        theirs.push('&');
                    }
                    theirs.push_str(pair);
                }
            }
        }
        Ok(Self { paginate, theirs: (!theirs.is_empty()).then_some(theirs.into()) })
    }
}

async fn provider_body(
    headers: &HeaderMap,
    body: Body,
    state: &AppState,
) -> Result<RequestBody, Problem> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| usize::from_str(length).ok());
    let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
    match length {
        None if !is_chunked => Ok(RequestBody::Empty),
        Some(0) => Ok(RequestBody::Empty),
        Some(length) if length <= KEPT => {
            Ok(RequestBody::Bytes(Box::pin(read_up_to(KEPT, body, state)).await?))
        }
        _ => Ok(RequestBody::Stream(body.map_err(BoxError::from).boxed_unsync())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_passes_untouched_but_for_our_own_parameters() {
        let query = |text: &'static str| Query::of(Some(text)).ok();
        let passed = |paginate, theirs: Option<&'static str>| {
            Some(Query { paginate, theirs: theirs.map(Cow::Borrowed) })
        };
        let mixed = "a=%20b&integrated_account_id=acc_1&c&paginate=true&d=%2B+";
        assert_eq!(query(mixed), passed(true, Some("a=%20b&c&d=%2B+")));
        assert_eq!(query("integrated_account_id=acc_1"), passed(false, None));
        assert_eq!(query("paginate=false&b"), passed(false, Some("b")));
        assert_eq!(query("a=%20b&c"), passed(false, Some("a=%20b&c")));
        assert_eq!(query(""), passed(false, None));
        assert_eq!(query("paginate=yes"), None);
        assert_eq!(Query::of(None).ok(), passed(false, None));
    }
}
