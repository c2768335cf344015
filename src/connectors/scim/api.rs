//! Calls of a SCIM server: one request, its response, and their errors.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use serde_json::Value;
use url::Url;

use super::ScimConnector;
use super::classify::{ScimClassifier, parse_base_url};
use super::url_encoding::{encode_path, encode_query};
use super::wire::ScimErrorBody;
use crate::connectors::context::header_text;
use crate::connectors::parse::parse;
use crate::connectors::path::{self, BaseUrl};
use crate::connectors::response::SuccessBody;
use crate::connectors::{CallContext, ConnectorError, ErrorKind, UrlTarget};
use crate::upstream::{
    BufferedBody, Idempotency, ProviderRequest, RequestBody, RequestToken, ResponseClassifier,
};

/// Accepted media types (RFC 7644 §3.1).
const ACCEPTED: &str = "application/scim+json, application/json;q=0.9";
/// The media type of requests (RFC 7644 §3.1).
const SCIM_JSON: &str = "application/scim+json";
/// The media type of requests to servers that do not know the one of SCIM.
const JSON: &str = "application/json";
/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: u32 = 2;

/// Returns the idempotency of an HTTP method, which SCIM uses as defined by HTTP.
pub(super) fn idempotency(method: &Method) -> Idempotency {
    if method.is_idempotent() { Idempotency::Idempotent } else { Idempotency::NonIdempotent }
}

/// A request.
#[derive(Debug, Clone)]
pub(super) struct ScimRequest<'r> {
    /// The name of the call.
    pub(super) method: &'static str,
    /// The HTTP method.
    pub(super) verb: Method,
    /// The path below the account's base URL.
    pub(super) segments: &'r [&'r str],
    /// The query.
    pub(super) query: &'r [(&'r str, &'r str)],
    /// The body.
    pub(super) body: Option<&'r Value>,
    /// The version that the resource must have.
    pub(super) if_match: Option<&'r str>,
}

impl<'r> ScimRequest<'r> {
    /// Returns a request that reads.
    pub(super) fn get(
        method: &'static str,
        segments: &'r [&'r str],
        query: &'r [(&'r str, &'r str)],
    ) -> Self {
        Self { method, verb: Method::GET, segments, query, body: None, if_match: None }
    }
}

/// A response, whatever its status.
pub(super) struct ScimResponse {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    headers: HeaderMap,
    /// The pause that the server requests.
    retry_after: Option<Duration>,
    /// The body.
    body: BufferedBody,
}

/// A successful response.
pub(super) struct SuccessResponse {
    /// The status.
    pub(super) status: StatusCode,
    /// The version of the resource.
    pub(super) etag: Option<String>,
    /// The URL of the resource.
    pub(super) location: Option<String>,
    /// The body; `None` for an empty one.
    pub(super) body: Option<SuccessBody>,
}

impl ScimResponse {
    /// Returns the error of an unsuccessful response.
    pub(super) fn error(&self, cx: &CallContext<'_>, method: &'static str) -> ConnectorError {
        let failure = parse::<ScimErrorBody>(&self.body).ok();
        let code = failure
            .and_then(|failure| failure.scim_type)
            .filter(|code| !code.trim().is_empty())
            .unwrap_or_else(|| format!("http_{}", self.status.as_u16()));
        let error = cx.error(method, error_kind(self.status, self.is_page())).with_code(code);
        ConnectorError { retry_after: self.retry_after, ..error }
    }

    /// Returns the body of a successful response.
    ///
    /// # Errors
    ///
    /// The server's error, or a content coding, which was not requested.
    pub(super) fn success(
        self,
        cx: &CallContext<'_>,
        method: &'static str,
    ) -> Result<SuccessBody, ConnectorError> {
        if !self.status.is_success() {
            return Err(self.error(cx, method));
        }
        let coding = header_text(&self.headers, header::CONTENT_ENCODING.as_str());
        if coding.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            let odd = "it has a content coding, although none was accepted";
            return Err(cx.invalid_response(method, odd));
        }
        Ok(SuccessBody { method, body: self.body })
    }

    /// Whether it is an HTML page.
    fn is_page(&self) -> bool {
        header_text(&self.headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
    }
}

impl ScimConnector {
    /// Sends a GET request to a path below the account's base URL.
    pub(super) async fn get(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<SuccessBody, ConnectorError> {
        let request = ScimRequest::get(method, segments, query);
        self.exchange(cx, &request, &ScimClassifier).await?.success(cx, method)
    }

    /// Sends a request to a path below the account's base URL.
    pub(super) async fn send(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        verb: Method,
        segments: &[&str],
        body: Option<&Value>,
        if_match: Option<&str>,
    ) -> Result<SuccessResponse, ConnectorError> {
        let request = ScimRequest { method, verb, segments, query: &[], body, if_match };
        let response = self.exchange(cx, &request, &ScimClassifier).await?;
        let status = response.status;
        let text = |name: &str| header_text(&response.headers, name).map(str::to_owned);
        let (etag, location) = (text(header::ETAG.as_str()), text(header::LOCATION.as_str()));
        let body = response.success(cx, method)?;
        let is_empty = body.body.iter().all(u8::is_ascii_whitespace);
        Ok(SuccessResponse { status, etag, location, body: (!is_empty).then_some(body) })
    }

    /// Sends a request, and returns the response whatever its status. Redirects of reads are followed below the base
    /// URL. A body that is rejected for its media type is sent again as plain JSON.
    pub(super) async fn exchange(
        &self,
        cx: &CallContext<'_>,
        request: &ScimRequest<'_>,
        classifier: &dyn ResponseClassifier,
    ) -> Result<ScimResponse, ConnectorError> {
        let internal = || cx.error(request.method, ErrorKind::Internal);
        let base_url = parse_base_url(cx.account.base_url.as_deref()).ok_or_else(internal)?;
        let base = BaseUrl::from_url(&base_url).ok_or_else(internal)?;
        let query = encode_query(request.query);
        let mut uri =
            base.join(&encode_path(request.segments), query.as_deref()).ok_or_else(internal)?;
        let (mut media_type, mut redirects) = (SCIM_JSON, 0);
        loop {
            let provider_request = self.provider_request(request, uri.clone(), media_type);
            let provider_request = provider_request.ok_or_else(internal)?;
            let mut response = cx.fetch(provider_request, classifier).await?;
            if request.verb == Method::GET
                && redirects < MAX_REDIRECTS
                && response.status.is_redirection()
                && let Some(target) = redirect_target(&base_url, &base, &uri, &response.headers)
            {
                redirects += 1;
                uri = target;
                continue;
            }
            if response.status == StatusCode::UNSUPPORTED_MEDIA_TYPE && media_type == SCIM_JSON {
                media_type = JSON;
                if request.body.is_some() {
                    continue;
                }
            }
            return Ok(ScimResponse {
                status: response.status,
                headers: std::mem::take(&mut response.headers),
                retry_after: response.retry_after,
                body: response.into_body(),
            });
        }
    }

    /// Returns a request for the client; `None` when a value can't stand in a header.
    fn provider_request(
        &self,
        request: &ScimRequest<'_>,
        uri: Uri,
        media_type: &'static str,
    ) -> Option<Box<ProviderRequest>> {
        let fixed = HeaderValue::from_static;
        let mut headers = HeaderMap::from_iter([
            (header::ACCEPT, fixed(ACCEPTED)),
            (header::ACCEPT_ENCODING, fixed("identity")),
        ]);
        if request.body.is_some() {
            headers.insert(header::CONTENT_TYPE, fixed(media_type));
        }
        if let Some(version) = request.if_match {
            headers.insert(header::IF_MATCH, HeaderValue::from_str(version).ok()?);
        }
        Some(Box::new(ProviderRequest {
            name: request.method.into(),
            method: request.verb.clone(),
            uri,
            headers,
            body: request
                .body
                .map_or(RequestBody::Empty, |body| RequestBody::Bytes(body.to_string().into())),
            buckets: self.budgets(),
            idempotency: idempotency(&request.verb),
            token: RequestToken::AccessToken,
        }))
    }
}

/// Returns where a response redirects to, if that is below the base URL: the token is for no other address.
fn redirect_target(base_url: &Url, base: &BaseUrl, from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let location = header_text(headers, header::LOCATION.as_str())?;
    let mut target = Url::parse(&from.to_string()).ok()?.join(location).ok()?;
    target.set_fragment(None);
    let is_below = target.scheme() == base_url.scheme()
        && target.username().is_empty()
        && target.password().is_none()
        && matches!(base.classify_url(&target), UrlTarget::Path(_));
    path::uri(&target).filter(|target| is_below && target != from)
}

/// Returns the kind of an error status (RFC 7644 §3.12).
fn error_kind(status: StatusCode, is_page: bool) -> ErrorKind {
    match status {
        // An invalid token was detected before: this one lacks the permission.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        // A page is from an intermediary, which does not know what the server has.
        StatusCode::NOT_FOUND if is_page => ErrorKind::ProviderError,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => ErrorKind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        // From a proxy in front of the server.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => ErrorKind::ProviderError,
        status if status.is_client_error() => ErrorKind::InvalidArgument,
        _ => ErrorKind::ProviderError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_redirects_below_the_base_url_only() {
        let base_url = Url::parse("https://p.test/scim/v2/").unwrap();
        let base = BaseUrl::from_url(&base_url).unwrap();
        let from: Uri = "https://p.test/scim/v2/Users?count=2".parse().unwrap();
        for (location, expected) in [
            ("/scim/v2/Users/?count=2", Some("https://p.test/scim/v2/Users/?count=2")),
            ("Users/#top", Some("https://p.test/scim/v2/Users/")),
            ("https://p.test:443/scim/v2/Users/1", Some("https://p.test/scim/v2/Users/1")),
            ("Users?count=2", None),
            ("/login", None),
            ("http://p.test/scim/v2/Users/", None),
            ("https://me:secret@p.test/scim/v2/Users/", None),
            ("https://evil.test/scim/v2/Users/", None),
            ("../../scim/v1/Users", None),
        ] {
            let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]);
            let target = redirect_target(&base_url, &base, &from, &headers);
            assert_eq!(target.map(|target| target.to_string()).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn a_page_with_404_says_nothing_about_a_resource() {
        assert_eq!(error_kind(StatusCode::NOT_FOUND, false), ErrorKind::NotFound);
        assert_eq!(error_kind(StatusCode::NOT_FOUND, true), ErrorKind::ProviderError);
    }
}
