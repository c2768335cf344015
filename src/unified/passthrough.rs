//! A raw call to the provider: its own path, query, body and status pass; the token, the pace and the
//! repetitions are ours.

use http::{HeaderMap, HeaderName, Method, header};

use super::Directory;
use crate::connectors::{ConnectorError, UnknownPath};
use crate::upstream::{Answer, RequestBody};

/// What of the caller's headers the provider gets to see.
const REQUEST_HEADERS: &[HeaderName] =
    &[header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE, header::CONTENT_TYPE];
/// What of the provider's headers the caller does not get: they belong to one hop, or set the
/// provider's cookies and policies for our address.
const DROPPED: &[&str] = &[
    "alt-svc",
    "connection",
    "content-security-policy",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A raw call.
#[derive(Debug)]
pub struct RawCall<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The provider's path, such as `api/users.info`.
    pub path: &'a str,
    /// The raw query.
    pub query: Option<&'a str>,
    /// The caller's headers, all of them.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: RequestBody,
}

/// Why a raw call failed.
#[derive(Debug, thiserror::Error)]
pub enum PassthroughError {
    /// The path is none of the provider's.
    #[error(transparent)]
    UnknownPath(#[from] UnknownPath),
    /// There is no answer.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

impl Directory<'_> {
    /// Passes a raw call on. The answer's body streams; its headers are already filtered.
    ///
    /// # Errors
    ///
    /// When the path is none of the provider's, or there is no answer.
    pub async fn pass(&self, call: RawCall<'_>) -> Result<Answer, PassthroughError> {
        let passthrough = self.connector.passthrough();
        let base_url = self.cx.account.base_url.as_deref();
        let mut request = passthrough.route(base_url, &call.method, call.path, call.query)?;
        request.body = call.body;
        for name in REQUEST_HEADERS {
            if let Some(value) = call.headers.get(name) {
                request.headers.insert(name, value.clone());
            }
        }
        let name = request.name.clone();
        let sent = self
            .cx
            .upstream
            .send(self.cx.account, request, self.connector.dialect(), self.cx.options)
            .await;
        let mut answer = sent
            .map_err(|error| ConnectorError::unanswered(self.connector.provider(), name, error))?;
        for name in DROPPED {
            answer.headers.remove(*name);
        }
        Ok(answer)
    }
}
