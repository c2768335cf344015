//! Event subscriptions: request URL and event types of an app.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use url::Url;

/// Event subscription of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// The app.
    pub client_id: String,
    /// App id, as in events.
    pub app_id: String,
    /// Request URL, on a loopback host.
    pub url: Url,
    /// Secret that signs the requests.
    pub signing_secret: String,
    /// Subscribed event types.
    pub events: Vec<String>,
}

/// A request to subscribe.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// Client id of the app; the default app if absent.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Request URL.
    pub url: Url,
    /// Secret to sign the requests with.
    #[serde(default)]
    pub signing_secret: Option<String>,
    /// Event types; all if absent.
    #[serde(default)]
    pub events: Option<Vec<String>>,
}

/// Reasons why a subscription is rejected.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The app is not registered.
    #[error("no app has this client_id")]
    UnknownApp,
    /// The URL is not on this machine.
    #[error("url must be an http URL with a loopback host")]
    NotLoopback,
    /// The event type is not supported.
    #[error("event type {0} is not supported")]
    UnknownEvent(String),
    /// The URL verification request failed, timed out or was not successful.
    #[error("the url_verification request failed: {0}")]
    Unreachable(&'static str),
    /// The response does not contain the challenge.
    #[error("the url_verification response does not contain the challenge")]
    WrongChallenge,
}

/// All subscriptions, by client id.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(pub(super) BTreeMap<String, Subscription>);

impl Subscriptions {
    /// Returns all subscriptions.
    pub(super) fn all(&self) -> Vec<Subscription> {
        self.0.values().cloned().collect()
    }

    /// Returns the subscription of an app.
    pub(super) fn get(&self, client_id: &str) -> Option<Subscription> {
        self.0.get(client_id).cloned()
    }
}

/// Returns the deprecated verification token.
pub(super) fn verification_token(subscription: &Subscription) -> String {
    format!("verification-{}", subscription.app_id)
}
