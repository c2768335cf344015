//! Reads the resource of a stored response again, through the gateway's own router.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use tower::ServiceExt as _;
use url::form_urlencoded;

use crate::http::extract::{ACCOUNT_HEADER, ADDRESS_HEADERS, PREFER, connection};
use crate::http::internal_router::InternalRouter;

/// Maximum bytes of a resource that is added to a stored response.
const MAX_RESOURCE_BYTES: usize = 4 * 1024 * 1024;
/// The parameters of writes that do not apply to reads.
const WRITE_PARAMETERS: [&str; 2] = ["on_conflict", "sign_out"];

/// Reads the resource of a stored response again, on behalf of the caller.
#[derive(Debug)]
pub(super) struct ResourceReader {
    headers: HeaderMap,
    query: String,
    router: Option<InternalRouter>,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl ResourceReader {
    /// Takes the credentials and parameters of a request.
    pub(super) fn of(parts: &Parts) -> Self {
        let names = [axum::http::header::AUTHORIZATION, ACCOUNT_HEADER, PREFER].into_iter();
        let mut headers = HeaderMap::new();
        for name in names.chain(ADDRESS_HEADERS) {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        let query = parts.uri.query().unwrap_or_default();
        let query = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !WRITE_PARAMETERS.contains(&&**name));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        Self {
            headers,
            query,
            router: parts.extensions.get::<InternalRouter>().cloned(),
            peer: connection(&parts.extensions),
        }
    }

    /// Returns the body at a path; `None` if it cannot be read.
    pub(super) async fn read(&self, path: &str) -> Option<String> {
        let join = if path.contains('?') { '&' } else { '?' };
        let uri: Uri = format!("{path}{join}{}", self.query).parse().ok()?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let InternalRouter(router) = self.router.clone()?;
        let Ok(response) = router.oneshot(request).await;
        if !response.status().is_success() {
            return None;
        }
        let bytes = to_bytes(response.into_body(), MAX_RESOURCE_BYTES).await.ok()?;
        String::from_utf8(bytes.into()).ok()
    }
}
