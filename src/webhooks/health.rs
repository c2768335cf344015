//! The state of an endpoint, as the results of its attempts arrive.

use time::OffsetDateTime;

use super::attempt::AttemptResult;
use crate::domain::webhook::{MAX_FAILING, PROBE_AFTER_FAILURES};
use crate::store::ClaimedWebhook;

/// Why a webhook is disabled.
const GONE: &str = "returned 410 Gone";
const FAILED_TOO_LONG: &str = "failed for 72 hours";

/// The state of an endpoint in a round.
#[derive(Debug)]
pub(super) struct WebhookHealth {
    /// The number of failures since the last success, without rejections of single events.
    pub(super) failures: i32,
    /// When the first attempt failed since then, by a rejection or otherwise.
    pub(super) failing_since: Option<OffsetDateTime>,
    /// The time before which it wants no request.
    pub(super) retry_at: Option<OffsetDateTime>,
    /// Whether it failed before the round and works again.
    pub(super) has_recovered: bool,
    /// Why it gets no more events.
    pub(super) disabled_reason: Option<&'static str>,
    was_failing: bool,
}

impl WebhookHealth {
    /// Returns the state at the beginning of a round.
    pub(super) fn of(webhook: &ClaimedWebhook) -> Self {
        Self {
            failures: webhook.failures,
            failing_since: webhook.failing_since,
            retry_at: None,
            has_recovered: false,
            disabled_reason: None,
            was_failing: webhook.is_failing(),
        }
    }

    /// Records the result of an attempt that ended at `now`.
    pub(super) fn record(&mut self, result: &AttemptResult, now: OffsetDateTime) {
        if result.is_success() {
            self.failures = 0;
            self.failing_since = None;
            self.has_recovered |= self.was_failing;
            return;
        }
        if !result.attempt.is_rejection() {
            self.failures = self.failures.saturating_add(1);
        }
        let since = *self.failing_since.get_or_insert(result.attempt.at);
        let retry_at = result.retry_after.map(|pause| now + pause);
        self.retry_at = self.retry_at.max(retry_at);
        if result.is_gone() {
            self.disabled_reason = Some(GONE);
        } else if now - since >= MAX_FAILING && self.disabled_reason.is_none() {
            self.disabled_reason = Some(FAILED_TOO_LONG);
        }
    }

    /// Whether it should get no further request in this round.
    pub(super) fn is_halted(&self) -> bool {
        self.failures >= PROBE_AFTER_FAILURES
            || self.retry_at.is_some()
            || self.disabled_reason.is_some()
    }
}
