//! One call: the data that its attempts share, its span, and its log line.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{Request, Uri, header};

use super::body::UpstreamRequestBody;
use super::error::UpstreamError;
use super::request::{CallOptions, ProviderRequest, RequestBody, ResponseClassifier};
use super::response::{CallStats, ProviderResponse};
use super::secret_header::authorization;
use super::ssrf::AddressSource;
use crate::domain::account::IntegratedAccount;
use crate::limit::Cost;
use crate::telemetry::Span;
use crate::vault::secret::AccessToken;

/// The capacity of a header map: hyper reuses that of the request for the response, and the gateway adds its own.
const HEADER_CAPACITY: usize = 48;

/// The data that the attempts of one call share.
pub(super) struct ProviderCall<'a> {
    pub(super) account: &'a IntegratedAccount,
    pub(super) request: Box<ProviderRequest>,
    pub(super) classifier: &'a dyn ResponseClassifier,
    pub(super) cost: Cost,
    pub(super) options: CallOptions<'a>,
    /// The generation of the token pair that a token check rejected, and the provider's code.
    pub(super) rejected_token: Option<(i64, &'static str)>,
}

impl ProviderCall<'_> {
    /// Creates the span of an attempt.
    pub(super) fn span(&self, attempt: u32) -> Span {
        let span = self.options.span.client_child("call provider");
        span.rename(|| self.request.name.to_string());
        span.set_attribute("http.request.method", || self.request.method.to_string());
        span.set_attribute("http.request.resend_count", || i64::from(attempt.saturating_sub(1)));
        span.set_attribute("switchboard.provider", || self.account.provider.name());
        span.set_attribute("switchboard.provider_method", || self.request.name.to_string());
        span
    }

    /// Builds the HTTP request with its token; `None` when the token can't stand in a header.
    pub(super) fn build_request(
        &mut self,
        token: &AccessToken,
    ) -> Option<Box<Request<UpstreamRequestBody>>> {
        let body = match &mut self.request.body {
            RequestBody::Empty => Bytes::new().into(),
            RequestBody::Bytes(bytes) => bytes.clone().into(),
            RequestBody::Stream(body) => UpstreamRequestBody::streamed(std::mem::take(body)),
        };
        let mut outgoing = Box::new(Request::new(body));
        outgoing.method_mut().clone_from(&self.request.method);
        outgoing.uri_mut().clone_from(&self.request.uri);
        let headers = outgoing.headers_mut();
        headers.reserve(HEADER_CAPACITY);
        headers
            .extend(self.request.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        headers.insert(header::AUTHORIZATION, authorization(token)?);
        Some(outgoing)
    }
}

impl ProviderRequest {
    pub(super) fn is_replayable(&self) -> bool {
        match self.body {
            RequestBody::Empty | RequestBody::Bytes(_) => true,
            RequestBody::Stream(_) => false,
        }
    }
}

/// Returns the response with the call's attempts and durations.
pub(super) fn with_stats(
    mut response: Box<ProviderResponse>,
    attempts: CallStats,
    lasted: Duration,
) -> Box<ProviderResponse> {
    response.stats =
        CallStats { waited: lasted.saturating_sub(attempts.provider_time), ..attempts };
    response
}

/// Returns where the address of an account's provider comes from.
pub(super) fn address_source(account: &IntegratedAccount) -> AddressSource {
    if account.base_url.is_some() { AddressSource::Customer } else { AddressSource::Config }
}

/// Returns the circuit breaker's key of a call's host. For addresses of customers it includes the environment, so
/// that failures do not affect other environments.
pub(super) fn circuit_key<'u>(account: &IntegratedAccount, uri: &'u Uri) -> Cow<'u, str> {
    let authority = uri.authority().map_or("", Authority::as_str);
    match address_source(account) {
        AddressSource::Config => Cow::Borrowed(authority),
        AddressSource::Customer => Cow::Owned(format!("{authority} of {}", account.environment_id)),
    }
}

pub(super) fn log_attempt(
    call: &ProviderCall<'_>,
    stats: CallStats,
    result: &Result<Box<ProviderResponse>, UpstreamError>,
) {
    let account = call.account.id;
    let method = &*call.request.name;
    let (attempt, ms) = (stats.attempts, stats.provider_time.as_millis());
    match result {
        Ok(response) => {
            let (code, class) = (response.status.as_u16(), &response.class);
            tracing::debug!(%account, method, attempt, status = code, ?class, ms, "provider call completed");
        }
        Err(error) => {
            tracing::debug!(%account, method, attempt, %error, ms, "provider call failed");
        }
    }
}
