//! The one way out to a provider. Everything that is sent goes through [`Upstream::send`]: it waits for
//! its turn, carries a living token, is repeated where that is safe, and never logs what it carries.
//!
//! A connector says what to send ([`ProviderRequest`]) and how to read the provider's mood
//! ([`Dialect`]); it never retries, sleeps or sees a token.

mod answer;
mod breaker;
mod call;
mod client;
mod connect;
mod error;
mod guard;
mod line;
mod oauth;
mod outcome;
mod packed;
mod payload;
mod pool;
mod request;
mod retry;
mod retry_after;
mod secret_header;
mod send;
mod trial;
mod trials;
mod turns;

pub use answer::{Answer, Facts, Passed, Verdict, WholeBody};
pub(crate) use client::Reading;
pub use client::{HttpClient, Timeouts};
pub use error::{BoxError, UpstreamError};
pub use guard::{NamedBy, Reach};
pub use oauth::{
    CodeExchange, Consent, OAuthClient, OAuthEndpoints, OAuthError, TokenAnswer, TokenFields,
};
pub use payload::OneWay;
pub use request::{
    Budget, CallOptions, Carried, Dialect, ProviderRequest, RequestBody, Safety, Validity,
};
pub use send::{Memory, Upstream};
pub use trial::{TrialAnswer, try_token};
