//! Asks our own API in the name of a caller of another one.

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
use crate::http::current::CurrentRequest;
use crate::http::extract::{ADDRESS_HEADERS, connection};
use crate::http::limits;
use crate::http::problem::Problem;

/// The most of an answer that is read: a page of a thousand rows with the provider's objects.
const LARGEST: usize = 64 << 20;
/// What of the caller's headers goes along, beside those that say where it is.
const ALONG: [&str; 7] = [
    "authorization",
    "idempotency-key",
    "prefer",
    "traceparent",
    "tracestate",
    "x-integrated-account-id",
    "x-request-id",
];

/// Names and values of a query, in order.
pub(super) type Query = Vec<(String, String)>;

/// What of a caller's request goes along: who it is, and where.
#[derive(Debug, Clone)]
pub(super) struct Along {
    headers: HeaderMap,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl<S: Send + Sync> FromRequestParts<S> for Along {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let mut headers = HeaderMap::new();
        let names = ALONG.iter().map(|name| HeaderName::from_static(name)).chain(ADDRESS_HEADERS);
        for name in names {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        Ok(Self { headers, peer: connection(&parts.extensions) })
    }
}

/// Our own API, and who asks.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    router: Router,
    along: Along,
}

/// What our own API answered.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Asker {
    /// Asks `router` in the name of that caller.
    pub(super) fn new(router: Router, along: &Along) -> Self {
        Self { router, along: along.clone() }
    }

    /// Whether who asks is bound to one account.
    pub(super) fn has_account_token(&self) -> bool {
        let key = self.along.headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok());
        key.is_some_and(|key| key.contains(KeyKind::AccountToken.prefix()))
    }

    /// Asks for something that is there.
    pub(super) async fn get(&self, path: &str, query: &Query) -> Said {
        self.ask(Method::GET, path, query, None).await
    }

    /// Asks anything.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Option<&Value>,
    ) -> Said {
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
        let answer = match uri.parse() {
            Ok(uri) => {
                *request.uri_mut() = uri;
                self.router.clone().oneshot(request).await.into_response()
            }
            Err(_) => Problem::internal().into_response(),
        };
        Said::read(answer).await
    }
}

impl Said {
    pub(super) async fn read(answer: Response<Body>) -> Self {
        let (mut head, body) = answer.into_parts();
        let current = CurrentRequest::of(&head.extensions);
        current.meter().read(|standings| limits::tell_plainly(standings, &mut head.headers));
        let bytes = axum::body::to_bytes(body, LARGEST).await.unwrap_or_default();
        let body = serde_json::from_slice(&bytes).unwrap_or_default();
        Self { status: head.status, headers: head.headers, body }
    }

    /// What stands in `result`.
    pub(super) fn result(&mut self) -> Value {
        self.body.get_mut("result").map(Value::take).unwrap_or_default()
    }
}
