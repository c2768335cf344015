//! The HTTP client for providers. Every call goes through [`Upstream::send`]: it waits for a permit of the rate
//! limiter, carries a valid access token, is retried where that is safe, and its content is never logged.
//!
//! A connector defines the request ([`ProviderRequest`]) and classifies the response ([`ResponseClassifier`]); it
//! never retries, sleeps or sees a token.

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
mod rate_limit;
mod request;
mod response;
mod retry;
mod retry_after;
mod secret_header;
mod send;
mod ssrf;
mod token_check;

pub use body::StreamBody;
pub(crate) use client::ReadMode;
pub use client::{HttpClient, Timeouts};
pub use error::{BoxError, UpstreamError};
pub use oauth::{
    AuthorizationRequest, CodeExchange, CodeExchangeResponse, OAuthClient, OAuthEndpoints,
    OAuthError, TokenFields,
};
pub use request::{
    CallOptions, Idempotency, ProviderBucket, ProviderRequest, RequestBody, RequestToken,
    ResponseClassifier, TokenCheckResponse, TokenStatus,
};
pub use response::{BufferedBody, CallStats, ProviderResponse, ResponseBody, ResponseClass};
pub use send::{ResponseMemory, Upstream};
pub use ssrf::{AddressPolicy, AddressSource};
pub use token_check::check_token;
