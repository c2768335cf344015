//! `ANY /proxy/{path}`: forwards raw calls to the provider's own API.

mod body;
mod error_format;
mod paginate;
mod query;
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

use self::body::OutgoingBody;
pub(super) use self::error_format::ErrorFormat;
use self::error_format::PATH_PREFIX;
use self::query::{PAGINATE_PARAM, ProxyQuery};
use self::token_field::FieldFormat;
use super::extract::{Account, Proxy, RequestHead, authenticate_token};
use super::middleware::{self, RequestLog};
use super::problem::{Problem, ProblemKind};
use super::request_context::RequestContext;
use super::state::AppState;
use crate::unified::passthrough::{RawCall, RawResponse};
use crate::upstream::ResponseBody;

/// The route.
pub(super) const ROUTE: &str = "/proxy/{*path}";

/// Maximum number of headers that the gateway adds, here and in the middleware.
const MAX_GATEWAY_HEADERS: usize = 12;
/// The headers that describe a call, beside the provider's response.
const REQUEST_ID: HeaderName = HeaderName::from_static("switchboard-request-id");
const ACCOUNT_ID: HeaderName = HeaderName::from_static("switchboard-account-id");
const PROVIDER_METHOD: HeaderName = HeaderName::from_static("switchboard-provider-method");
const ATTEMPTS: HeaderName = HeaderName::from_static("switchboard-attempts");
const WAITED_MS: HeaderName = HeaderName::from_static("switchboard-waited-ms");
const UPSTREAM_MS: HeaderName = HeaderName::from_static("switchboard-upstream-ms");

/// Forward a raw call to the provider
///
/// Path, query, body and status are forwarded unchanged. Headers that begin with `Switchboard-` describe the call.
#[utoipa::path(get, path = "/proxy/{path}", operation_id = "pass_raw_call", tag = "Proxy",
    params(
        ("path" = String, Path, description = "Path of the provider's API, such as `api/users.info` or `scim/v2/Users`"),
        ("integrated_account_id" = Option<String>, Query, description = "Account id; required unless an account token implies it"),
        ("paginate" = Option<bool>, Query, description = "GET only: returns the rows of all pages of the provider's list as NDJSON, one row per line; a later failure is the last line, `{\"error\": problem}`"),
    ),
    responses((status = 200, description = "The provider's response"), super::problem::Problems))]
pub(super) async fn forward_raw_call(
    State(state): State<AppState>,
    mut request: Request,
) -> Response {
    let current = RequestContext::of(request.extensions());
    forward(&state, &mut request, current).await
}

// Requests are borrowed: they are large, and each nested future would copy them twice.
async fn forward(state: &AppState, request: &mut Request, current: RequestContext) -> Response {
    let passed = try_forward(state, request, current).await;
    passed.unwrap_or_else(Problem::into_response)
}

async fn try_forward(
    state: &AppState,
    request: &mut Request,
    current: RequestContext,
) -> Result<Response, Problem> {
    let mut body = Some(std::mem::take(request.body_mut()));
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let path = uri.path().strip_prefix(PATH_PREFIX).unwrap_or_default();
    let mut outgoing = None;
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(format) = FieldFormat::of(path, headers)?.filter(FieldFormat::holds_credentials)
    {
        let unproven =
            OutgoingBody::of_unauthenticated(body.take().unwrap_or_default(), &format, state);
        let (read, token) = Box::pin(unproven).await?;
        Box::pin(authenticate_token(&token, headers, state, &current)).await?;
        outgoing = Some(read);
    }
    let head = RequestHead { uri, headers, extensions: request.extensions() };
    let account = Account::<Proxy>::resolve(head, state, current).await?;
    // TRACE would return our request with its token; CONNECT would open a tunnel.
    if matches!(*method, Method::TRACE | Method::CONNECT) {
        let detail = format!("{method} is not forwarded to providers.");
        return Err(Problem::new(ProblemKind::MethodNotAllowed, detail));
    }
    let takes_token = state.registry.connector(account.provider()).passthrough().takes_token();
    let mut query = ProxyQuery::of(uri.query())?;
    if takes_token {
        query = query.without_token()?;
    }
    if query.paginate {
        if *method != Method::GET {
            return Err(Problem::new(ProblemKind::InvalidQuery, "`paginate` requires GET.")
                .with_error(PAGINATE_PARAM, "requires the method GET"));
        }
        let query = query.forwarded.filter(|query| !query.is_empty()).map(Cow::into_owned);
        let list = paginate::PaginatedList::new(state.clone(), account, (uri, headers), path);
        return Box::pin(list.stream(query)).await;
    }
    let outgoing = if let Some(outgoing) = outgoing {
        outgoing
    } else {
        let format = if takes_token { FieldFormat::of(path, headers)? } else { None };
        OutgoingBody::of_authenticated(body.unwrap_or_default(), format.as_ref(), headers, state)
            .await?
    };
    let OutgoingBody { body, late_token: late, .. } = outgoing;
    let call = RawCall {
        method: method.clone(),
        path,
        query: query.forwarded.as_deref(),
        headers,
        body,
        allowed: account.allowed_methods(),
        own_url: &state.links.public_url,
    };
    let passed = account.directory(state, false).forward(call).await;
    let passed = passed.map_err(|error| match late {
        Some(late) if late.happened() => body::late_token_problem(),
        _ => error.into(),
    })?;
    Ok(respond(passed, &account))
}

/// Whether a request is a raw call.
pub(super) fn is_raw_call(uri: &Uri) -> bool {
    uri.path().strip_prefix(PATH_PREFIX).is_some_and(|path| !path.is_empty())
}

/// Serves a raw call without the router and its layers, for speed.
pub(super) async fn serve_raw_call(
    state: &AppState,
    request: &mut Request,
    peer: SocketAddr,
) -> Response {
    let passage = RequestLog::start(state, request, Some(peer));
    let mut response = if let Some(problem) = middleware::check_uri(request.uri()) {
        problem.into_response()
    } else {
        // Pinned in place: moving a future of this size is expensive.
        let mut call = pin!(forward(state, request, passage.context().clone()));
        let response = poll_fn(|cx| {
            catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx)))
                .unwrap_or_else(|panic| Poll::Ready(middleware::panic_response(panic)))
        });
        response.await
    };
    passage.finish(state, ROUTE, request.uri(), &mut response);
    // A browser can submit a form here: the response would be displayed on our origin.
    middleware::set_security_headers(state, response.headers_mut());
    response
}

fn respond(passed: RawResponse, account: &Account<Proxy>) -> Response {
    let RawResponse { method, response: mut received } = passed;
    let (status, facts) = (received.status, received.stats);
    let mut headers = std::mem::take(&mut received.headers);
    headers.reserve(MAX_GATEWAY_HEADERS);
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
    headers.insert(ATTEMPTS, number_header(facts.attempts.into()));
    headers.insert(WAITED_MS, number_header(facts.waited.as_millis()));
    headers.insert(UPSTREAM_MS, number_header(facts.provider_time.as_millis()));
    let mut response = Response::new(match received.into_response_body() {
        ResponseBody::Full(bytes) => Body::from(bytes),
        ResponseBody::Stream(stream) => Body::from_stream(stream),
    });
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Returns a number as a header value; small ones need no allocation.
fn number_header(number: u128) -> HeaderValue {
    const SMALL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let known = usize::try_from(number).ok().and_then(|at| SMALL.get(at));
    known.map_or_else(
        || u64::try_from(number).unwrap_or(u64::MAX).into(),
        |text| HeaderValue::from_static(text),
    )
}
