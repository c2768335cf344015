//! Subscriptions: where an app's events go, which of them, and the handshake before the first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::deliver::send;
use super::{DEFAULT_SIGNING_SECRET, EVENTS, tag};
use crate::sandbox::apps::is_loopback;
use crate::sandbox::locks::lock;
use crate::sandbox::{DEFAULT_CLIENT_ID, Sandbox};

/// Where an app wants its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// The app.
    pub client_id: String,
    /// The same app, as events name it.
    pub app_id: String,
    /// The request URL, on this machine.
    pub url: Url,
    /// What the requests are signed with.
    pub signing_secret: String,
    /// The events it wants.
    pub events: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// The app; the one that every sandbox knows when absent.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The request URL.
    pub url: Url,
    /// What the requests are to be signed with.
    #[serde(default)]
    pub signing_secret: Option<String>,
    /// The events it wants; all of them when absent.
    #[serde(default)]
    pub events: Option<Vec<String>>,
}

/// Why there is no subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// Nobody registered the app.
    #[error("no app has this client_id")]
    UnknownApp,
    /// Events leave this machine for nowhere.
    #[error("url must be an http address of this machine")]
    NotLoopback,
    /// Not one of those that are sent.
    #[error("the sandbox sends no event of the type {0}")]
    UnknownEvent(String),
    /// The address does not answer, or not with success, or not in time.
    #[error("the url_verification request failed: {0}")]
    Unreachable(&'static str),
    /// It answers something else.
    #[error("the address did not answer with the challenge of the url_verification request")]
    WrongChallenge,
}

/// All subscriptions, one for each app.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeMap<String, Subscription>);

impl Subscriptions {
    /// All of them.
    pub(super) fn all(&self) -> Vec<Subscription> {
        self.0.values().cloned().collect()
    }

    /// That of one app.
    pub(super) fn get(&self, client_id: &str) -> Option<Subscription> {
        self.0.get(client_id).cloned()
    }
}

impl Sandbox {
    /// Subscribes an app to events, once the address has answered the challenge.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the request or with the answer.
    pub async fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> Result<Subscription, SubscriptionError> {
        let client_id = request.client_id.as_deref().unwrap_or(DEFAULT_CLIENT_ID);
        let app = self.app(client_id).ok_or(SubscriptionError::UnknownApp)?;
        if request.url.scheme() != "http" || !is_loopback(&request.url) {
            return Err(SubscriptionError::NotLoopback);
        }
        let all = || EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let events = request.events.unwrap_or_else(all);
        let is_known = |wanted: &String| EVENTS.iter().any(|(name, _)| name == wanted);
        if let Some(unknown) = events.iter().find(|wanted| !is_known(wanted)) {
            return Err(SubscriptionError::UnknownEvent(unknown.clone()));
        }
        let secret = request.signing_secret.unwrap_or_else(|| DEFAULT_SIGNING_SECRET.to_owned());
        let subscription = Subscription {
            client_id: app.client_id,
            app_id: app.app_id,
            url: request.url,
            signing_secret: secret,
            events,
        };
        self.shake_hands(&subscription).await?;
        let mut all = lock(&self.events().subscriptions);
        all.0.insert(subscription.client_id.clone(), subscription.clone());
        Ok(subscription)
    }

    /// The subscriptions there are.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        lock(&self.events().subscriptions).all()
    }

    /// Ends the subscription of one app, or all.
    pub fn unsubscribe(&self, client_id: Option<&str>) {
        let mut all = lock(&self.events().subscriptions);
        all.0.retain(|id, _| client_id.is_some_and(|gone| gone != id));
    }

    async fn shake_hands(&self, subscription: &Subscription) -> Result<(), SubscriptionError> {
        let challenge = tag(self.options().seed, 0, self.now()).to_lowercase();
        let body = json!({
            "token": verification_token(subscription),
            "challenge": challenge,
            "type": "url_verification",
        });
        let now = self.now().unix_timestamp();
        let answer = send(self.events(), subscription, &body.to_string(), now, None).await;
        let text = answer.map_err(|failure| SubscriptionError::Unreachable(failure.reason))?;
        if answers(&text, &challenge) { Ok(()) } else { Err(SubscriptionError::WrongChallenge) }
    }
}

/// Whether a body holds the challenge: as plain text, in a form, or in JSON.
fn answers(body: &str, challenge: &str) -> bool {
    let in_json = serde_json::from_str::<Value>(body)
        .is_ok_and(|value| value.get("challenge").and_then(Value::as_str) == Some(challenge));
    let mut pairs = url::form_urlencoded::parse(body.trim().as_bytes());
    in_json
        || body.trim() == challenge
        || pairs.any(|(name, value)| name == "challenge" && value == challenge)
}

/// The token of older days, by which a request could be told from others'.
pub(super) fn verification_token(subscription: &Subscription) -> String {
    format!("verification-{}", subscription.app_id)
}
