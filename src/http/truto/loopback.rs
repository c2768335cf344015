//! Calls our own router in memory with the caller's credentials.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header,
};
use axum::response::IntoResponse as _;
use serde_json::Value;
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::domain::access::KeyKind;
use crate::http::extract::{ADDRESS_HEADERS, connection};
use crate::http::problem::Problem;
use crate::http::rate_limit_headers;
use crate::http::request_context::RequestContext;

/// The maximum response size in bytes: a page of 1,000 rows with the provider's objects.
const MAX_RESPONSE_BYTES: usize = 64 << 20;
/// The caller's headers that are forwarded, besides those that carry the client address.
const FORWARDED_HEADERS: [&str; 7] = [
    "authorization",
    "idempotency-key",
    "prefer",
    "traceparent",
    "tracestate",
    "x-integrated-account-id",
    "x-request-id",
];

/// Names and values of a query, in order.
pub(super) type QueryPairs = Vec<(String, String)>;

/// The caller's credentials and connection, forwarded to our API.
#[derive(Debug, Clone)]
pub(super) struct ForwardedHeaders {
    headers: HeaderMap,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl<S: Send + Sync> FromRequestParts<S> for ForwardedHeaders {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut headers = HeaderMap::new();
        let names = FORWARDED_HEADERS
            .iter()
            .map(|name| HeaderName::from_static(name))
            .chain(ADDRESS_HEADERS);
        for name in names {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        Ok(Self { headers, peer: connection(&parts.extensions) })
    }
}

/// Calls our API on behalf of one caller.
#[derive(Debug, Clone)]
pub(super) struct LoopbackClient {
    router: Router,
    along: ForwardedHeaders,
}

/// A response of our API with its parsed body.
#[derive(Debug)]
pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl LoopbackClient {
    /// Creates a client that calls `router` on behalf of this caller.
    pub(super) fn new(router: Router, along: &ForwardedHeaders) -> Self {
        Self { router, along: along.clone() }
    }

    /// Whether the caller sent an account token.
    pub(super) fn has_account_token(&self) -> bool {
        let key = self.along.headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok());
        key.is_some_and(|key| key.contains(KeyKind::AccountToken.prefix()))
    }

    /// Sends a GET request.
    pub(super) async fn get(&self, path: &str, query: &QueryPairs) -> ApiResponse {
        self.send(Method::GET, path, query, None).await
    }

    /// Sends a request.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &QueryPairs,
        body: Option<&Value>,
    ) -> ApiResponse {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let text = body.map(Value::to_string);
        let mut request = Request::new(text.map_or_else(Body::empty, Body::from));
        *request.method_mut() = method;
        *request.headers_mut() = self.along.headers.clone();
        if let Some(peer) = self.along.peer {
            request.extensions_mut().insert(peer);
        }
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        let response = match uri.parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.router.clone().oneshot(request).await.into_response()
            }
            Err(_) => Problem::internal().into_response(),
        };
        ApiResponse::read(response).await
    }
}

impl ApiResponse {
    /// Reads a response to its end; adds the rate limit headers of older clients.
    pub(super) async fn read(response: Response<Body>) -> Self {
        let (mut head, body) = response.into_parts();
        let current = RequestContext::of(&head.extensions);
        current.limit_report().read(|standings| {
            rate_limit_headers::write_legacy_headers(standings, &mut head.headers);
        });
        let bytes = axum::body::to_bytes(body, MAX_RESPONSE_BYTES).await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { status: head.status, headers: head.headers, body }
    }

    /// Takes the value of `result`.
    pub(super) fn take_result(&mut self) -> Value {
        self.body.get_mut("result").map(Value::take).unwrap_or_default()
    }
}
