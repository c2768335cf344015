//! One attempt of a delivery: the signed request, and what the endpoint returned.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Uri, header};
use time::OffsetDateTime;
use tokio::time::{Instant, timeout, timeout_at};

use super::services::WebhookServices;
use crate::domain::ids::{EnvironmentId, EventId, WebhookId};
use crate::domain::webhook::{DeliveryAttempt, MAX_RESPONSE_BYTES, MAX_RETRY_AFTER};
use crate::store::WebhookTarget;
use crate::telemetry::DeliveryOutcome;
use crate::upstream::{AddressSource, ReadMode, SendError, retry_after_up_to};
use crate::vault::secret::WebhookSecret;
use crate::vault::{CipherError, SignatureError, webhook_signature};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// The maximum time for the body of a response: the status decides, the body is only listed.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of bytes of a body that are read, so that the connection can be used again after a short page. Only
/// [`MAX_RESPONSE_BYTES`] are stored.
const MAX_READ_BYTES: usize = 16 * 1024;
/// The maximum length of the reason why there was no response.
const MAX_REASON_CHARS: usize = 200;

/// Where deliveries go, and what signs them.
#[derive(Debug)]
pub(super) struct OpenedTarget {
    /// `None` for a URL that is not valid for HTTP.
    uri: Option<Uri>,
    secrets: Vec<WebhookSecret>,
}

/// The result of an attempt.
#[derive(Debug)]
pub(super) struct AttemptResult {
    /// The attempt as it is listed.
    pub(super) attempt: DeliveryAttempt,
    /// The outcome.
    pub(super) outcome: DeliveryOutcome,
    /// The pause that the endpoint requests.
    pub(super) retry_after: Option<Duration>,
}

impl AttemptResult {
    /// Whether the endpoint has received the event.
    pub(super) fn is_success(&self) -> bool {
        self.outcome == DeliveryOutcome::Succeeded
    }

    /// Whether the endpoint returned that it no longer exists.
    pub(super) fn is_gone(&self) -> bool {
        self.attempt.response_status == Some(StatusCode::GONE.as_u16())
    }
}

/// A response, with the prefix of its body.
struct EndpointResponse {
    head: Response<()>,
    body: String,
}

impl WebhookServices {
    /// Returns the target of an endpoint's deliveries at this time.
    pub(super) fn open_target(
        &self,
        (environment_id, webhook_id): (EnvironmentId, WebhookId),
        target: &WebhookTarget,
        now: OffsetDateTime,
    ) -> Result<OpenedTarget, CipherError> {
        let opened = self.vault.open_webhook_secrets(environment_id, webhook_id, &target.secrets);
        let (secret, previous) = opened?;
        let is_overlap = target.previous_secret_until.is_some_and(|until| until > now);
        let secrets = [secret].into_iter().chain(previous.filter(|_| is_overlap)).collect();
        Ok(OpenedTarget { uri: target.url.parse().ok(), secrets })
    }

    /// Sends an event to an endpoint once.
    ///
    /// # Errors
    ///
    /// When it can't be signed; nothing was sent.
    pub(super) async fn attempt(
        &self,
        target: &OpenedTarget,
        event_id: EventId,
        body: Bytes,
    ) -> Result<AttemptResult, SignatureError> {
        let (at, began) = (self.clock.now(), Instant::now());
        let id = event_id.text();
        let signature = webhook_signature(&target.secrets, &id, at, &body)?;
        let request = target.uri.clone().and_then(|uri| {
            Request::post(uri)
                .header(header::CONTENT_TYPE, "application/json")
                .header(WEBHOOK_ID, id)
                .header(WEBHOOK_TIMESTAMP, at.unix_timestamp())
                .header(WEBHOOK_SIGNATURE, signature)
                .body(body)
                .ok()
        });
        let received = match request {
            Some(request) => self.send(request).await,
            None => Err(SendError::Connect("the URL is not valid".into())),
        };
        let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let result = self.result(at, duration_ms, received);
        self.metrics.record_webhook_delivery(result.outcome);
        Ok(result)
    }

    /// Sends a request and reads a prefix of the response, within the timeout of an attempt.
    async fn send(&self, request: Request<Bytes>) -> Result<EndpointResponse, SendError> {
        let request = Box::new(request.map(Into::into));
        let deadline = Instant::now() + self.timeout;
        // Boxed, because it is large and a round has many of them.
        let sent =
            Box::pin(self.http.execute(request, AddressSource::Customer, ReadMode::Buffered));
        let response = timeout_at(deadline, sent).await;
        let (head, mut incoming) = response.map_err(|_| SendError::Timeout)??.into_parts();
        let mut prefix = Vec::new();
        let reading = async {
            let mut read = 0;
            while read < MAX_READ_BYTES
                && let Ok(Some(chunk)) = incoming.chunk().await
            {
                read += chunk.len();
                let free = MAX_RESPONSE_BYTES.saturating_sub(prefix.len());
                prefix.extend(chunk.iter().take(free));
            }
        };
        let rest = deadline.saturating_duration_since(Instant::now());
        // What has arrived until then is enough.
        let _ = timeout(BODY_TIMEOUT.min(rest), reading).await;
        // PostgreSQL stores no NUL.
        let body = String::from_utf8_lossy(&prefix).replace('\0', "\u{fffd}");
        Ok(EndpointResponse { head: Response::from_parts(head, ()), body })
    }

    fn result(
        &self,
        at: OffsetDateTime,
        duration_ms: u64,
        received: Result<EndpointResponse, SendError>,
    ) -> AttemptResult {
        let attempt = DeliveryAttempt {
            at,
            duration_ms,
            response_status: None,
            response_body: None,
            error: None,
        };
        match received {
            Ok(EndpointResponse { head, body }) => {
                let is_success = head.status().is_success();
                let outcome =
                    if is_success { DeliveryOutcome::Succeeded } else { DeliveryOutcome::Rejected };
                let retry_after =
                    retry_after_up_to(head.headers(), self.clock.now(), MAX_RETRY_AFTER);
                AttemptResult {
                    attempt: DeliveryAttempt {
                        response_status: Some(head.status().as_u16()),
                        response_body: Some(body),
                        ..attempt
                    },
                    outcome,
                    retry_after: retry_after.filter(|_| !is_success),
                }
            }
            Err(error) => AttemptResult {
                attempt: DeliveryAttempt { error: Some(reason(&error)), ..attempt },
                outcome: outcome_of(&error),
                retry_after: None,
            },
        }
    }
}

fn outcome_of(error: &SendError) -> DeliveryOutcome {
    match error {
        SendError::NotAllowed | SendError::Connect(_) => DeliveryOutcome::Unreachable,
        SendError::Timeout | SendError::CallerStalled => DeliveryOutcome::Timeout,
        SendError::Interrupted(_) => DeliveryOutcome::Interrupted,
    }
}

/// Returns why there was no response: the error, and what caused it first.
fn reason(error: &SendError) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let (text, cause) = (error.to_string(), cause.to_string());
    let text = if text == cause { text } else { format!("{text}: {cause}") };
    text.replace('\0', "\u{fffd}").chars().take(MAX_REASON_CHARS).collect()
}
