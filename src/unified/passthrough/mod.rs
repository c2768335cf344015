//! A raw call to the provider: its own path, query, body and status pass; the token, the pace and the
//! repetitions are ours.

pub mod headers;
mod pages;
mod targets;

use std::borrow::Cow;

use http::{HeaderMap, Method};
use url::Url;

pub use pages::{PagedCall, Rows};

use super::Directory;
use crate::connectors::{ConnectorError, UnknownPath};
use crate::domain::allowed_methods::AllowedMethods;
use crate::store::StoreError;
use crate::upstream::{Answer, ProviderRequest, RequestBody, Safety};

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
    /// The provider's methods that the caller's key is bound to.
    pub allowed: Option<&'a AllowedMethods>,
    /// Our own address, for headers of the provider's that lead back to it.
    pub own: &'a Url,
}

/// Why a raw call failed.
#[derive(Debug, thiserror::Error)]
pub enum PassthroughError {
    /// The path is none of the provider's.
    #[error(transparent)]
    UnknownPath(#[from] UnknownPath),
    /// The caller's key is bound to other methods.
    #[error("the key may not call {0}")]
    Forbidden(Cow<'static, str>),
    /// The answer is no page of a list that we know how to follow.
    #[error("{0} is no list that can be followed")]
    NotAList(Cow<'static, str>),
    /// There is no answer.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The audit log could not take that a change is about to be sent: it was not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An answer that is passed on.
#[derive(Debug)]
pub struct RawAnswer {
    /// What the provider calls the method.
    pub method: Cow<'static, str>,
    /// The answer; its headers are those that the caller gets.
    pub answer: Box<Answer>,
}

impl Directory<'_> {
    /// Passes a raw call on. The answer's body streams; its headers are already filtered.
    ///
    /// # Errors
    ///
    /// When the path is none of the provider's, the key may not, or there is no answer.
    pub async fn pass(&self, call: RawCall<'_>) -> Result<RawAnswer, PassthroughError> {
        let mut request = self.route(&call.method, call.path, call.query, call.allowed)?;
        request.body = call.body;
        request.headers = headers::for_provider(call.headers);
        let method = request.name.clone();
        let (account, dialect) = (self.cx.account, self.connector.dialect());
        let used_by = &self.cx.used_by;
        let is_change = may_change(&request);
        // What is refused anyhow leaves no row of its own: callers would fill the log with changes that are not made, and
        // with names that they invent.
        if is_change || matches!(method, Cow::Owned(_)) {
            let provider = self.connector.provider();
            let checked = self.cx.upstream.check(account, &request, self.cx.options);
            checked.map_err(|error| ConnectorError::unanswered(provider, method.clone(), error))?;
        }
        let using = if is_change {
            Box::pin(used_by.begin_change(method.clone())).await?
        } else {
            used_by.begin(method.clone())
        };
        let answer = self.cx.upstream.send(account, request, dialect, self.cx.options).await;
        using.end(answer.as_ref().ok().map(|answer| answer.status.as_u16()));
        match answer {
            Ok(mut answer) => {
                headers::for_caller(&mut answer.headers);
                if targets::has_targets(&answer.headers) {
                    self.lead_back(
                        &(call.method, call.path, call.query),
                        call.own,
                        &mut answer.headers,
                    );
                }
                Ok(RawAnswer { method, answer })
            }
            Err(error) => {
                let provider = self.connector.provider();
                Err(ConnectorError::unanswered(provider, method, error).into())
            }
        }
    }

    /// Rewrites the addresses in a response's headers that lead to the provider.
    fn lead_back(
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
        let reach = |url: &Url| passthrough.reach(base_url, url);
        targets::Targets { own, called: &called, reach: &reach }.rewrite(headers);
    }

    /// The call for a path, when the key may make it.
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
            Some(allowed) if !allowed.admits(&request.name) => {
                Err(PassthroughError::Forbidden(request.name))
            }
            Some(_) | None => Ok(request),
        }
    }
}

/// Whether a call may change something at the provider: it must not be repeated, or its method says so.
fn may_change(request: &ProviderRequest) -> bool {
    let says_so = matches!(request.method, Method::PUT | Method::PATCH | Method::DELETE);
    says_so || request.safety == Safety::Once
}
