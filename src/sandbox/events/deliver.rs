//! The way out: one signed request for each event, and again when it fails.

use std::time::Duration;

use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::CONTENT_TYPE;
use reqwest::redirect::{Attempt, Policy};
use sha2::Sha256;

use super::outbox::Letter;
use super::{Events, Subscription};
use crate::sandbox::Sandbox;
use crate::sandbox::apps::is_loopback;
use crate::sandbox::locks::lock;

/// An app has so long to answer, whatever the provider's clock does.
const PATIENCE: Duration = Duration::from_secs(3);
/// Slack follows so many redirects.
const REDIRECTS: usize = 2;

/// A request that did not arrive, or was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// Slack's word for it.
    pub(super) reason: &'static str,
    /// Whether it is worth another attempt: the app may say that it is not.
    pub(super) retry: bool,
}

impl Sandbox {
    /// Sends events until `stop` is there. Whoever serves the sandbox runs this beside the server.
    pub async fn deliver_events(self, stop: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = stop => {}
            () = self.deliver_for_ever() => {}
        }
    }

    async fn deliver_for_ever(&self) {
        loop {
            let now = self.now();
            let due = lock(&self.events().outbox).take_due(now);
            if due.is_empty() {
                self.wait_for_letters().await;
            } else {
                join_all(due.into_iter().map(|letter| self.deliver(letter))).await;
            }
        }
    }

    /// Waits until something may be due: the bell rings, or the time of a retry comes.
    async fn wait_for_letters(&self) {
        let bell = self.events().bell.notified();
        let next = lock(&self.events().outbox).next_due();
        match next {
            None => bell.await,
            Some(due) => {
                let wait = Duration::try_from(due - self.now()).unwrap_or_default();
                // The error says that the time is up; then the outbox is looked at as well.
                let _ = tokio::time::timeout(wait, bell).await;
            }
        }
    }

    async fn deliver(&self, letter: Letter) {
        let subscription = lock(&self.events().subscriptions).get(&letter.client_id);
        // Whoever ended the subscription wants none of the rest either.
        let Some(subscription) = subscription else {
            return;
        };
        let started = self.now();
        let at = started.unix_timestamp();
        let sent = send(self.events(), &subscription, &letter.body, at, letter.retry).await;
        let scale = self.options().time_scale;
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        lock(&self.events().outbox).settle(letter, sent.map(|_| ()), started, scale);
    }
}

/// Sends one request and gives the body of the answer, if the app took it.
pub(super) async fn send(
    events: &Events,
    to: &Subscription,
    body: &str,
    at: i64,
    retry: Option<(u8, &'static str)>,
) -> Result<String, Failure> {
    let client = client(events).map_err(|error| failed(&error))?;
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
    let answer = request.body(body.to_owned()).send().await.map_err(|error| failed(&error))?;
    if !answer.status().is_success() {
        let unwanted = answer.headers().get("x-slack-no-retry").is_some_and(|value| value == "1");
        return Err(Failure { reason: "http_error", retry: !unwanted });
    }
    answer.text().await.map_err(|error| failed(&error))
}

fn failed(error: &reqwest::Error) -> Failure {
    let reason = if error.is_timeout() {
        "http_timeout"
    } else if error.is_redirect() {
        "too_many_redirects"
    } else if error.is_connect() {
        "connection_failed"
    } else {
        "unknown_error"
    };
    Failure { reason, retry: true }
}

/// The signature by which an app tells Slack's requests from others'.
fn signature(secret: &str, at: i64, body: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(format!("v0:{at}:{body}").as_bytes());
    let hex: Vec<String> =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v0={}", hex.concat())
}

/// The client, which is built when it is first needed.
#[expect(clippy::disallowed_methods, reason = "the sandbox shares no code with the gateway")]
fn client(events: &Events) -> Result<reqwest::Client, reqwest::Error> {
    if let Some(client) = events.client.get() {
        return Ok(client.clone());
    }
    // A second installation is refused, and that is fine: the first one stands.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(Policy::custom(follow))
        .no_proxy()
        .user_agent("Slackbot 1.0 (+https://api.slack.com/robots)")
        .build()?;
    // Another call may have been first; one client is as good as the other.
    let _ = events.client.set(client.clone());
    Ok(client)
}

/// Follows a redirect on this machine, but not for ever.
fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if !is_loopback(attempt.url()) {
        attempt.stop()
    } else if attempt.previous().len() > REDIRECTS {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_slacks_own_example() {
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
