//! The description of a call to a provider, and the classification of its response.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::time::Instant;
use url::Url;

use super::body::StreamBody;
use super::response::ResponseClass;
use crate::domain::account::IntegratedAccount;
use crate::limit::{LimitReport, Priority, Rate};
use crate::telemetry::Span;
use crate::vault::secret::AuthScheme;

/// Whether a call may be retried when its effect is unknown (RFC 9110 §9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idempotency {
    /// A repetition has no further effect.
    Idempotent,
    /// A repetition may have a second effect.
    NonIdempotent,
}

/// A rate-limit bucket at the provider that a call takes from.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderBucket {
    /// The provider's name: a method, or a set of methods.
    pub name: Cow<'static, str>,
    /// Its rate.
    pub rate: Rate,
    /// Whether the provider counts each client separately, or all clients of an organization together.
    pub per_app: bool,
}

/// The body of a request.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// A body in memory; it can be sent again.
    Bytes(Bytes),
    /// A streamed body; it can be sent once only.
    Stream(StreamBody),
}

/// The token of the account that a call carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestToken {
    /// The access token.
    #[default]
    AccessToken,
    /// The refresh token, for a call that revokes it. An account without one makes no such call.
    RefreshToken,
}

/// A call to a provider, without its token.
#[derive(Debug)]
pub struct ProviderRequest {
    /// The provider's name of the method, for logs, problems and metrics.
    pub name: Cow<'static, str>,
    /// The HTTP method.
    pub method: Method,
    /// The URI.
    pub uri: Uri,
    /// The headers, without `authorization`.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// The buckets it takes from; a 429 of the provider blocks the first one.
    pub buckets: Vec<ProviderBucket>,
    /// Whether it may be retried when its effect is unknown.
    pub idempotency: Idempotency,
    /// The token it carries.
    pub token: RequestToken,
}

/// The options of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions<'a> {
    /// The deadline of all waits: for permits, a refresh of the token, and pauses between attempts. A running attempt
    /// continues after it; none but the first begins after it.
    pub wait_until: Instant,
    /// Its priority.
    pub priority: Priority,
    /// Receives the status of the buckets it takes from.
    pub limit_report: Option<&'a LimitReport>,
    /// The parent span.
    pub span: &'a Span,
}

/// The response to a token check.
#[derive(Debug)]
pub struct TokenCheckResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; `null` when it is not JSON.
    pub body: serde_json::Value,
    /// Whether the body is empty.
    pub is_empty: bool,
    /// The scheme of the token that was sent.
    pub scheme: AuthScheme,
}

/// The status of an access token by a token check: a request to a path that accepts every valid token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// The token is valid; it does not permit the call that was rejected.
    Valid,
    /// The provider reports the token as invalid, with this code.
    Invalid(&'static str),
    /// The token was rejected for a reason that also applies to valid tokens, such as an address that is not allowed.
    Rejected(&'static str),
    /// The response does not decide: a firewall's page, a server error, a timeout.
    Unknown,
}

/// Classifies the responses of a provider.
pub trait ResponseClassifier: Send + Sync {
    /// Returns the class of a response. `body` is the whole body if it is short, else `None`.
    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> ResponseClass;

    /// Returns the URL of an account's token check: a GET without side effects, accepted with every valid token, and
    /// without input of a caller. `None` when the account has none.
    fn token_check_url(&self, account: &IntegratedAccount) -> Option<Url>;

    /// Returns the token status that the response of a token check shows.
    fn token_status(&self, response: &TokenCheckResponse) -> TokenStatus;
}
