//! Delivery of events: one signed request for each event, retried on failure.

use std::time::Duration;

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use reqwest::redirect::{Attempt, Policy};
use sha2::Sha256;

use super::dispatcher::EventDispatcher;
use super::outbox::{DeliveryError, QueuedEvent};
use super::subscription::Subscription;
use crate::sandbox::Sandbox;
use crate::sandbox::apps::is_loopback;
use crate::sandbox::locks::lock;

/// Response timeout in real time, independent of the provider's clock.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum number of redirects, as at Slack.
const MAX_REDIRECTS: usize = 2;

impl Sandbox {
    /// Delivers events, and makes the changes of [`Sandbox::start_churn`], until `stop` resolves.
    /// The program runs it beside the server.
    pub async fn deliver_events(self, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = stop => {}
            () = self.delivery_loop() => {}
            () = self.churn_loop() => {}
        }
    }

    async fn delivery_loop(&self) {
        loop {
            let now = self.now();
            let due = lock(&self.events().outbox).take_due(now);
            if due.is_empty() {
                self.wait_for_due_event().await;
            } else {
                join_all(due.into_iter().map(|event| self.deliver(event))).await;
            }
        }
    }

    /// Waits until an event may be due: on a notification, or at the next retry.
    async fn wait_for_due_event(&self) {
        let notified = self.events().notify.notified();
        let next = lock(&self.events().outbox).next_due();
        match next {
            None => notified.await,
            Some(due) => {
                let wait = Duration::try_from(due - self.now()).unwrap_or_default();
                // The error means that the time has come; then the outbox is checked as well.
                let _ = tokio::time::timeout(wait, notified).await;
            }
        }
    }

    async fn deliver(&self, event: QueuedEvent) {
        let subscription = lock(&self.events().subscriptions).get(&event.client_id);
        // After an unsubscription the queued events are dropped.
        let Some(subscription) = subscription else {
            return;
        };
        let started = self.now();
        let at = started.unix_timestamp();
        let sent = send(self.events(), &subscription, &event.body, at, event.retry).await;
        let scale = self.options().time_scale;
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        lock(&self.events().outbox).record_result(event, sent.map(|_| ()), started, scale);
    }
}

/// Sends one request. Returns the body of a successful response.
pub(super) async fn send(
    events: &EventDispatcher,
    to: &Subscription,
    body: &str,
    at: i64,
    retry: Option<(u8, &'static str)>,
) -> Result<String, DeliveryError> {
    let client = client(events).map_err(|error| delivery_error(&error))?;
    let mut request = client
        .post(to.url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("x-slack-request-timestamp", at)
        .header("x-slack-signature", signature(&to.signing_secret, at, body));
    if let Some((number, reason)) = retry {
        request = request
            .header("x-slack-retry-num", u16::from(number))
            .header("x-slack-retry-reason", reason);
    }
    let response =
        request.body(body.to_owned()).send().await.map_err(|error| delivery_error(&error))?;
    if !response.status().is_success() {
        let no_retry = response.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
        return Err(DeliveryError { reason: "http_error", retry: !no_retry });
    }
    response.text().await.map_err(|error| delivery_error(&error))
}

fn delivery_error(error: &reqwest::Error) -> DeliveryError {
    let reason = if error.is_timeout() {
        "http_timeout"
    } else if error.is_redirect() {
        "too_many_redirects"
    } else if error.is_connect() {
        "connection_failed"
    } else {
        "unknown_error"
    };
    DeliveryError { reason, retry: true }
}

/// Returns the value of the `X-Slack-Signature` header.
fn signature(secret: &str, at: i64, body: &str) -> String {
    // HMAC accepts keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let hex: Vec<String> =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={}", hex.concat())
}

/// Returns the HTTP client, which is built on first use.
#[expect(clippy::disallowed_methods, reason = "the sandbox shares no code with the gateway")]
fn client(events: &EventDispatcher) -> Result<reqwest::Client, reqwest::Error> {
    if let Some(client) = events.client.get() {
        return Ok(client.clone());
    }
    // A second installation fails, which is fine: the first one stays active.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(DELIVERY_TIMEOUT)
        .redirect(Policy::custom(follow_redirect))
        .no_proxy()
        .user_agent("Slackbot 1.0 (+https://api.slack.com/robots)")
        .build()?;
    // A concurrent call may have set it first; the clients are equivalent.
    let _ = events.client.set(client.clone());
    Ok(client)
}

/// Follows redirects to loopback hosts, up to the maximum.
fn follow_redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if !is_loopback(attempt.url()) {
        attempt.stop()
    } else if attempt.previous().len() > MAX_REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_matches_slacks_example() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
                    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA\
                    &user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
                    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            signature("8f742231b10e8888abcd99yyyzzz85a5", 1_531_420_618, body),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }
}
