//! Subscribes apps to events, after the URL verification handshake.

use serde_json::{Value, json};

use super::deliver::send;
use super::dispatcher::{DEFAULT_SIGNING_SECRET, EVENT_SCOPES, event_tag};
use super::subscription::{
    Subscription, SubscriptionError, SubscriptionRequest, verification_token,
};
use crate::sandbox::apps::is_loopback;
use crate::sandbox::locks::lock;
use crate::sandbox::{DEFAULT_CLIENT_ID, Sandbox};

impl Sandbox {
    /// Subscribes an app to events after its URL has returned the challenge.
    ///
    /// # Errors
    ///
    /// All of [`SubscriptionError`].
    pub async fn subscribe(
        &self,
        request: SubscriptionRequest,
    ) -> Result<Subscription, SubscriptionError> {
        let client_id = request.client_id.as_deref().unwrap_or(DEFAULT_CLIENT_ID);
        let app = self.app(client_id).ok_or(SubscriptionError::UnknownApp)?;
        if request.url.scheme() != "http" || !is_loopback(&request.url) {
            return Err(SubscriptionError::NotLoopback);
        }
        let all = || EVENT_SCOPES.iter().map(|(name, _)| (*name).to_owned()).collect();
        let events = request.events.unwrap_or_else(all);
        let is_known = |wanted: &String| EVENT_SCOPES.iter().any(|(name, _)| name == wanted);
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
        self.verify_url(&subscription).await?;
        let mut all = lock(&self.events().subscriptions);
        all.0.insert(subscription.client_id.clone(), subscription.clone());
        Ok(subscription)
    }

    /// Returns all subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        lock(&self.events().subscriptions).all()
    }

    /// Removes the subscription of one app, or all.
    pub fn unsubscribe(&self, client_id: Option<&str>) {
        let mut all = lock(&self.events().subscriptions);
        all.0.retain(|id, _| client_id.is_some_and(|gone| gone != id));
    }

    async fn verify_url(&self, subscription: &Subscription) -> Result<(), SubscriptionError> {
        let challenge = event_tag(self.options().seed, 0, self.now()).to_lowercase();
        let body = json!({
            "token": verification_token(subscription),
            "challenge": challenge,
            "type": "url_verification",
        });
        let now = self.now().unix_timestamp();
        let response = send(self.events(), subscription, &body.to_string(), now, None).await;
        let text = response.map_err(|failure| SubscriptionError::Unreachable(failure.reason))?;
        if contains_challenge(&text, &challenge) {
            Ok(())
        } else {
            Err(SubscriptionError::WrongChallenge)
        }
    }
}

/// Whether a body contains the challenge: as plain text, form or JSON.
fn contains_challenge(body: &str, challenge: &str) -> bool {
    let in_json = serde_json::from_str::<Value>(body)
        .is_ok_and(|value| value.get("challenge").and_then(Value::as_str) == Some(challenge));
    let mut pairs = url::form_urlencoded::parse(body.trim().as_bytes());
    in_json
        || body.trim() == challenge
        || pairs.any(|(name, value)| name == "challenge" && value == challenge)
}
