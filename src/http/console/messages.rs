//! The messages after a change. The URL has the key of a message, never its text.

use serde_json::Value;

use super::json::Fields as _;
use super::view::PageError;
use crate::http::problem::ProblemKind;

/// Returns the key of the message after a fix, by the response of the API.
pub(in crate::http) fn key_of_fix(fixed: &Value) -> &'static str {
    let operations = fixed.list("/result/last_fix/operations");
    let has = |outcome: &str| operations.iter().any(|one| one.text("outcome") == outcome);
    if has("refused") {
        "fix-refused"
    } else if has("failed") {
        "fix-failed"
    } else if has("skipped") {
        "fix-skipped"
    } else {
        "fixed"
    }
}

/// Returns the key of the message after a change. A change that came too late, because a policy was evaluated since the page
/// was loaded, has a message too, and is no problem.
pub(in crate::http) fn key_after(changed: Result<&str, PageError>) -> Result<&str, PageError> {
    match changed {
        Err(PageError::Failure(failure)) if failure.is(ProblemKind::ViolationNotOpen) => {
            Ok("violation-closed")
        }
        changed => changed,
    }
}

/// Returns the message of a key.
pub(in crate::http) fn message(key: &str) -> Option<&'static str> {
    Some(match key {
        "acknowledged" => "The violation is acknowledged until its end.",
        "fixed" => "The fix was run. The violation is resolved when the policy is evaluated next.",
        "fix-refused" => "A guard refused the fix, or the rest of it. “Last fix” has the reason.",
        "fix-failed" => "The fix failed, or the rest of it. “Last fix” has the reason.",
        "fix-skipped" => "Operations of the fix were skipped. “Last fix” has the reason.",
        "violation-closed" => {
            "Nothing was changed: the violation is no longer open. Its policy was evaluated since the page was loaded."
        }
        "sync-requested" => "A run of the sync is requested.",
        "sync-accepted" => {
            "The removals are accepted. The run requests each object and removes those that the provider does not have."
        }
        "sync-rejected" => "The held run is rejected. The copy is unchanged.",
        "sync-cancelled" => "The run ends after its current page.",
        "sync-resumed" => "The run continues.",
        "refreshed" => "The token was refreshed.",
        "disconnected" => "The account is disconnected and its copy is erased.",
        "policy-created" => "The policy is created and is evaluated now.",
        "policy-changed" => "The policy is changed and is evaluated now.",
        "policy-deleted" => "The policy and its violations are deleted.",
        "starter" => "The starter policies are created and are evaluated now.",
        "plan-requested" => {
            "The plan is being made. Nothing changes in the directory before it is applied."
        }
        "plan-discarded" => "The plan is discarded. What was applied stays as it is.",
        "plan-applied" => "The plan is approved.",
        "plan-paused" => "The steps that are being carried out end; the others wait.",
        "plan-resumed" => "The plan is being applied again.",
        "rule-set-created" => "The rule set is created.",
        "rule-set-changed" => "The rule set is changed.",
        "rule-set-deleted" => "The rule set is deleted. Access that it granted is retained.",
        "webhook-changed" => "The webhook is changed.",
        "webhook-deleted" => "The webhook is deleted.",
        "webhook-tested" => "A test event was sent; see its delivery.",
        "resent" => "The delivery is sent again.",
        "replayed" => "The events are delivered again.",
        "key-revoked" => "The key and its tokens are revoked.",
        "deactivated" => "The person is deactivated.",
        "session-ended" => "The session is ended.",
        "environment-changed" => "The environment is changed.",
        "sync-settings" => "The settings of the sync are changed.",
        _ => return None,
    })
}
