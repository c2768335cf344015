//! Errors of requests to a token endpoint.

use crate::vault::EndpointFailure;

/// A request to a token endpoint without tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The provider rejected the request, with this code.
    #[error("the provider rejected the request with {0:?}")]
    Rejected(String),
    /// The endpoint is unreachable: the request had no effect.
    #[error("the endpoint is unreachable")]
    Unreachable,
    /// No response in time: the request may have had an effect.
    #[error("no response in time")]
    TimedOut,
    /// A server error.
    #[error("the endpoint responded with {0}")]
    ServerError(EndpointFailure),
    /// The response was lost or can't be parsed: the request may have had an effect.
    #[error("{0}")]
    ResponseLost(String),
}
