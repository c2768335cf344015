//! Calls through the proxy: the provider's own path, query, body and status are passed through; token, rate limit and
//! retries are the gateway's.

pub mod headers;
mod pages;
mod url_rewrite;

use std::borrow::Cow;

use http::{HeaderMap, Method};
use url::Url;

pub use pages::{PageCall, PageLines};

use super::Directory;
use crate::connectors::{ConnectorError, UnknownPath};
use crate::domain::allowed_methods::AllowedMethods;
use crate::store::StoreError;
use crate::upstream::{Idempotency, ProviderRequest, ProviderResponse, RequestBody};

/// A call through the proxy.
#[derive(Debug)]
pub struct RawCall<'a> {
    /// The HTTP method.
    pub method: Method,
    /// The provider's path, such as `api/users.info`.
    pub path: &'a str,
    /// The raw query.
    pub query: Option<&'a str>,
    /// The caller's headers, unfiltered.
    pub headers: &'a HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// The provider methods that the caller's key may call; `None` for all.
    pub allowed: Option<&'a AllowedMethods>,
    /// The gateway's own URL, for provider headers that contain provider URLs.
    pub own_url: &'a Url,
}

/// Why a call through the proxy failed.
#[derive(Debug, thiserror::Error)]
pub enum PassthroughError {
    /// The provider has no such path.
    #[error(transparent)]
    UnknownPath(#[from] UnknownPath),
    /// The caller's key may not call the method.
    #[error("the key may not call {0}")]
    Forbidden(Cow<'static, str>),
    /// The response is not a page of a list that can be followed.
    #[error("{0} is not a list that can be followed")]
    NotAList(Cow<'static, str>),
    /// The call failed without a response.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The audit entry of a change could not be written; the change was not sent.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A response that is passed through.
#[derive(Debug)]
pub struct RawResponse {
    /// The provider's name of the method.
    pub method: Cow<'static, str>,
    /// The response, with headers filtered for the caller.
    pub response: Box<ProviderResponse>,
}

impl Directory<'_> {
    /// Sends a call to the provider. Returns the response with a streaming body and filtered headers.
    ///
    /// # Errors
    ///
    /// `UnknownPath`, `Forbidden`, `Store` when a change can't be recorded, `Connector` when there is no response.
    pub async fn forward(&self, call: RawCall<'_>) -> Result<RawResponse, PassthroughError> {
        let mut request = self.route(&call.method, call.path, call.query, call.allowed)?;
        request.body = call.body;
        request.headers = headers::for_provider(call.headers);
        let method = request.name.clone();
        let (account, dialect) = (self.cx.account, self.connector.response_classifier());
        let used_by = &self.cx.usage;
        let is_change = may_change(&request);
        // A call that is rejected anyway has no entry of its own: callers could fill the log with changes that are not
        // made and with invented names.
        if is_change || matches!(method, Cow::Owned(_)) {
            let provider = self.connector.provider();
            let checked = self.cx.upstream.check(account, &request, self.cx.options);
            checked
                .map_err(|error| ConnectorError::from_upstream(provider, method.clone(), error))?;
        }
        let using = if is_change {
            Box::pin(used_by.begin_change(method.clone())).await?
        } else {
            used_by.begin(method.clone())
        };
        let response = self.cx.upstream.send(account, request, dialect, self.cx.options).await;
        using.finish(response.as_ref().ok().map(|response| response.status.as_u16()));
        match response {
            Ok(mut response) => {
                headers::for_caller(&mut response.headers);
                if url_rewrite::has_urls(&response.headers) {
                    self.rewrite_urls(
                        &(call.method, call.path, call.query),
                        call.own_url,
                        &mut response.headers,
                    );
                }
                Ok(RawResponse { method, response })
            }
            Err(error) => {
                let provider = self.connector.provider();
                Err(ConnectorError::from_upstream(provider, method, error).into())
            }
        }
    }

    /// Rewrites provider URLs in a response's headers.
    fn rewrite_urls(
        &self,
        (method, path, query): &(Method, &str, Option<&str>),
        own: &Url,
        headers: &mut HeaderMap,
    ) {
        let (base_url, passthrough) =
            (self.cx.account.base_url.as_deref(), self.connector.passthrough());
        let request = passthrough.route(base_url, method, path, *query);
        let Some(called) =
            request.ok().and_then(|request| Url::parse(&request.uri.to_string()).ok())
        else {
            return;
        };
        let reach = |url: &Url| passthrough.classify_url(base_url, url);
        url_rewrite::UrlRewriter { own_url: own, request_url: &called, classify: &reach }
            .rewrite(headers);
    }

    /// Builds the provider request of a path, if the key may call its method.
    fn route(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        allowed: Option<&AllowedMethods>,
    ) -> Result<Box<ProviderRequest>, PassthroughError> {
        let base_url = self.cx.account.base_url.as_deref();
        let request = self.connector.passthrough().route(base_url, method, path, query)?;
        match allowed {
            Some(allowed) if !allowed.allows(&request.name) => {
                Err(PassthroughError::Forbidden(request.name))
            }
            Some(_) | None => Ok(request),
        }
    }
}

/// Whether a call may change data at the provider: it is not idempotent, or its HTTP method changes data.
fn may_change(request: &ProviderRequest) -> bool {
    let says_so = matches!(request.method, Method::PUT | Method::PATCH | Method::DELETE);
    says_so || request.idempotency == Idempotency::NonIdempotent
}
