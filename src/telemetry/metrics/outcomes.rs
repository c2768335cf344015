//! The outcomes of provider calls, of refreshes and of deliveries to webhooks, as metric labels.

/// The label of values without a label of their own.
pub(super) const OTHER: &str = "other";

/// The outcome of a call to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// A response to pass on.
    Completed,
    /// The access token is invalid.
    TokenInvalid,
    /// The provider rejected the access token: it is invalid, or does not permit the call.
    TokenRejected,
    /// The provider's rate limit: HTTP 429.
    RateLimited,
    /// A server error.
    ServerError,
    /// The provider is unreachable.
    Unreachable,
    /// No response in time.
    Timeout,
    /// The response was interrupted or can't be read.
    Interrupted,
}

impl CallOutcome {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Completed, "completed"),
        (Self::TokenInvalid, "token_invalid"),
        (Self::TokenRejected, "token_rejected"),
        (Self::RateLimited, "rate_limited"),
        (Self::ServerError, "server_error"),
        (Self::Unreachable, "unreachable"),
        (Self::Timeout, "timeout"),
        (Self::Interrupted, "interrupted"),
    ];

    /// Returns its label.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(one, _)| *one == self).map_or(OTHER, |one| one.1)
    }
}

/// The outcome of an attempt to refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshResult {
    /// A new token pair.
    Refreshed,
    /// The provider rejected the refresh token: the grant is lost.
    Rejected,
    /// The provider rejected the client credentials.
    ClientRejected,
    /// The provider rejected the request with a code that does not concern the grant.
    RequestRejected,
    /// No response in time.
    TimedOut,
    /// The provider is unreachable.
    Unreachable,
    /// A server error.
    ServerError,
    /// The response was lost.
    ResponseLost,
}

impl RefreshResult {
    pub(super) const ALL: [(Self, &'static str); 8] = [
        (Self::Refreshed, "refreshed"),
        (Self::Rejected, "rejected"),
        (Self::ClientRejected, "client_rejected"),
        (Self::RequestRejected, "request_rejected"),
        (Self::TimedOut, "timed_out"),
        (Self::Unreachable, "unreachable"),
        (Self::ServerError, "server_error"),
        (Self::ResponseLost, "response_lost"),
    ];
}

/// The outcome of an attempt to deliver an event to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint returned a status of 200 to 299.
    Succeeded,
    /// It returned another status.
    Rejected,
    /// It is unreachable, or its address is not allowed.
    Unreachable,
    /// It did not respond in time.
    Timeout,
    /// Its response was interrupted or can't be read.
    Interrupted,
}

impl DeliveryOutcome {
    pub(super) const ALL: [(Self, &'static str); 5] = [
        (Self::Succeeded, "succeeded"),
        (Self::Rejected, "rejected"),
        (Self::Unreachable, "unreachable"),
        (Self::Timeout, "timeout"),
        (Self::Interrupted, "interrupted"),
    ];
}
