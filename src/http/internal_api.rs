//! Calls our own API in memory for a page, in the name of a caller that a session has authenticated. Pages show what the
//! API returns and change what the API permits: there is no second set of rules.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower::ServiceExt as _;
use url::form_urlencoded;

use super::middleware::X_REQUEST_ID;
use super::problem::{Problem, ProblemKind};
use super::request_context::{InternalCaller, ParentRequest, RequestContext};
use crate::store::Caller;

/// The maximum response size in bytes.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// What is encoded in a segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.').remove(b'~');

/// The API, called in the name of a caller.
#[derive(Debug, Clone)]
pub(super) struct InternalApi {
    router: Router,
    caller: Arc<Caller>,
    parent: ParentRequest,
    request_id: HeaderValue,
}

/// A problem that the API returned.
#[derive(Debug)]
pub(super) struct ApiFailure {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The problem.
    pub(super) problem: Value,
}

impl ApiFailure {
    /// Whether it is a problem of this kind.
    pub(super) fn is(&self, kind: ProblemKind) -> bool {
        let name = self.problem.get("type").and_then(Value::as_str).unwrap_or_default();
        name.strip_prefix("/problems/") == Some(kind.name())
    }
}

impl From<Problem> for ApiFailure {
    fn from(problem: Problem) -> Self {
        let status = problem.kind().status();
        Self { status, problem: problem.to_json("") }
    }
}

impl From<crate::store::StoreError> for ApiFailure {
    fn from(error: crate::store::StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl InternalApi {
    /// Returns the API for the caller of a request, whose slot and id the internal requests share.
    pub(super) fn new(router: Router, caller: Arc<Caller>, request: &RequestContext) -> Self {
        let request_id = request.id_header().clone();
        Self { router, caller, parent: request.as_parent(), request_id }
    }

    /// Returns the caller.
    pub(super) fn caller(&self) -> &Arc<Caller> {
        &self.caller
    }

    /// Sends GET and returns the body.
    ///
    /// # Errors
    ///
    /// The problem that the API returned.
    pub(super) async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Value, ApiFailure> {
        self.send(Method::GET, path, query, None).await
    }

    /// Sends a request and returns the body.
    ///
    /// # Errors
    ///
    /// The problem that the API returned.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, ApiFailure> {
        Ok(read_json(self.call(method, path, query, json_body(body)).await?).await)
    }

    /// Sends a stream with POST and returns the body of the response. The API limits its size and time.
    ///
    /// # Errors
    ///
    /// The problem that the API returned.
    pub(super) async fn upload(
        &self,
        path: &str,
        query: &[(&str, &str)],
        (media_type, body): (&'static str, Body),
    ) -> Result<Value, ApiFailure> {
        let sent = (HeaderValue::from_static(media_type), body);
        Ok(read_json(self.call(Method::POST, path, query, sent).await?).await)
    }

    /// Sends GET and returns the response before its body is read.
    ///
    /// # Errors
    ///
    /// The problem that the API returned.
    pub(super) async fn open(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Response<Body>, ApiFailure> {
        self.call(Method::GET, path, query, json_body(None)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        (media_type, body): (HeaderValue, Body),
    ) -> Result<Response<Body>, ApiFailure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let uri = uri.parse().map_err(|_| Problem::internal())?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::CONTENT_TYPE, media_type);
        request.headers_mut().insert(X_REQUEST_ID, self.request_id.clone());
        request.extensions_mut().insert(self.parent.clone());
        request.extensions_mut().insert(InternalCaller(Arc::clone(&self.caller)));
        let response = self.router.clone().oneshot(request).await.into_response();
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let problem = read_json(response).await;
        Err(ApiFailure { status, problem })
    }
}

/// Returns a JSON body with its media type.
fn json_body(body: Option<&Value>) -> (HeaderValue, Body) {
    let media_type = HeaderValue::from_static("application/json");
    (media_type, body.map_or_else(Body::empty, |body| body.to_string().into()))
}

/// Encodes an id for a segment of a path.
pub(super) fn segment(id: &str) -> Cow<'_, str> {
    utf8_percent_encode(id, SEGMENT).into()
}

async fn read_json(response: Response<Body>) -> Value {
    let bytes = axum::body::to_bytes(response.into_body(), MAX_RESPONSE_BYTES).await;
    serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or_default()
}
