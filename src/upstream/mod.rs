//! The HTTP client for providers. Every call goes through [`Upstream::send`]: it waits for a permit of the rate
//! limiter, carries a valid access token, is retried where that is safe, and its content is never logged.
//!
//! A connector defines the request ([`ProviderRequest`]) and classifies the response ([`ResponseClassifier`]); it
//! never retries, sleeps or sees a token.

mod acquire_permit;
mod body;
mod call;
mod circuit_breaker;
mod client;
mod connector;
mod decompress;
mod error;
mod http_conn;
mod oauth;
mod outcome;
mod pool;
mod request;
mod response;
mod retry_after_header;
mod retry_policy;
mod secret_header;
mod send;
mod ssrf;
mod token_check;

pub use body::StreamBody;
pub use client::{HttpClient, Timeouts};
pub(crate) use client::{ReadMode, USER_AGENT};
pub(crate) use error::SendError;
pub use error::{BoxError, UpstreamError};
pub use oauth::{
    AuthorizationRequest, CodeExchange, CodeExchangeResponse, OAuthClient, OAuthEndpoints,
    OAuthError, TokenFields, request_client_token,
};
pub use request::{
    CallOptions, Idempotency, ProviderBucket, ProviderRequest, RequestBody, RequestToken,
    ResponseClassifier, TokenCheckResponse, TokenStatus,
};
pub use response::{BufferedBody, CallStats, ProviderResponse, ResponseBody, ResponseClass};
pub(crate) use retry_after_header::retry_after_up_to;
pub use send::{ResponseMemory, Upstream};
pub(crate) use ssrf::may_be_public;
pub use ssrf::{AddressPolicy, AddressSource};
pub use token_check::check_token;
