//! One call: what its attempts share, and what of it is logged.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Uri, header};

use super::answer::{Answer, Facts};
use super::error::UpstreamError;
use super::guard::NamedBy;
use super::payload::Payload;
use super::request::{CallOptions, Dialect, ProviderRequest, RequestBody};
use super::secret_header::bearer;
use crate::domain::account::IntegratedAccount;
use crate::limit::Price;
use crate::telemetry::Span;
use crate::vault::secret::AccessToken;

/// Room for the headers of a request and, since hyper uses it again for those, of its answer, with ours behind them.
const HEADERS: usize = 48;

/// What the attempts of one call share.
pub(super) struct Call<'a> {
    pub(super) account: &'a IntegratedAccount,
    pub(super) request: Box<ProviderRequest>,
    pub(super) dialect: &'a dyn Dialect,
    pub(super) price: Price,
    pub(super) options: CallOptions<'a>,
    /// The token pair that the known path refused, and its code.
    pub(super) invalid: Option<(i64, &'static str)>,
}

impl Call<'_> {
    /// The part of the trace that an attempt is.
    pub(super) fn span(&self, attempt: u32) -> Span {
        let span = self.options.span.call("call provider");
        span.rename(|| self.request.name.to_string());
        span.note("http.request.method", || self.request.method.to_string());
        span.note("http.request.resend_count", || i64::from(attempt.saturating_sub(1)));
        span.note("switchboard.provider", || self.account.provider.name());
        span.note("switchboard.provider_method", || self.request.name.to_string());
        span
    }

    /// The request with its token; `None` when its body has passed through already.
    pub(super) fn outgoing(&mut self, token: &AccessToken) -> Option<Box<Request<Payload>>> {
        let body = match &mut self.request.body {
            RequestBody::Empty => Bytes::new().into(),
            RequestBody::Bytes(bytes) => bytes.clone().into(),
            RequestBody::Stream(body) => Payload::passing(std::mem::take(body)),
        };
        let mut outgoing = Box::new(Request::new(body));
        outgoing.method_mut().clone_from(&self.request.method);
        outgoing.uri_mut().clone_from(&self.request.uri);
        let headers = outgoing.headers_mut();
        headers.reserve(HEADERS);
        headers
            .extend(self.request.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.insert(header::AUTHORIZATION, bearer(token)?);
        Some(outgoing)
    }
}

impl ProviderRequest {
    pub(super) fn can_repeat(&self) -> bool {
        match self.body {
            RequestBody::Empty | RequestBody::Bytes(_) => true,
            RequestBody::Stream(_) => false,
        }
    }
}

/// The answer as the caller gets it.
pub(super) fn finished(mut answer: Box<Answer>, facts: Facts, lasted: Duration) -> Box<Answer> {
    answer.facts = Facts { waited: lasted.saturating_sub(facts.upstream), ..facts };
    answer
}

/// Who named the address of an account's provider.
pub(super) fn named_by(account: &IntegratedAccount) -> NamedBy {
    if account.base_url.is_some() { NamedBy::Customer } else { NamedBy::Operator }
}

/// The host of a call as the circuit breaker knows it: what one environment's customers named is nobody else's trouble.
pub(super) fn host<'u>(account: &IntegratedAccount, uri: &'u Uri) -> Cow<'u, str> {
    let authority = uri.authority().map_or("", Authority::as_str);
    match named_by(account) {
        NamedBy::Operator => Cow::Borrowed(authority),
        NamedBy::Customer => Cow::Owned(format!("{authority} of {}", account.environment_id)),
    }
}

pub(super) fn log(call: &Call<'_>, facts: Facts, result: &Result<Box<Answer>, UpstreamError>) {
    let account = call.account.id;
    let method = &*call.request.name;
    let (attempt, ms) = (facts.attempts, facts.upstream.as_millis());
    match result {
        Ok(answer) => {
            let (status, verdict) = (answer.status.as_u16(), &answer.verdict);
            tracing::debug!(%account, method, attempt, status, ?verdict, ms, "provider answered");
        }
        Err(error) => tracing::debug!(%account, method, attempt, %error, ms, "no answer"),
    }
}
