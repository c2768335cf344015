//! Records the gateway's own rejections in the audit log, aggregated per key so that they cannot fill it.

use super::problem::{Problem, ProblemKind};
use super::request_context::RequestContext;
use super::state::AppState;
use crate::store::CountedEntry;

/// The audit action of a rejected request.
const REJECTED_ACTION: &str = "request.refused";

/// Records a problem if it is a rejection and the request's key is known.
pub(super) fn record(state: &AppState, current: &RequestContext, problem: &Problem) {
    if let Some(quota) = problem.quota() {
        state.metrics.record_quota_rejection(quota);
    }
    let kind = problem.kind();
    if !is_rejection(kind) {
        return;
    }
    let caller = current.caller().map(|caller| (caller.environment_id, &*caller.key_id));
    let Some((environment_id, actor)) = caller.or_else(|| current.rejected_key()) else { return };
    state.uses.count_entry(&CountedEntry {
        environment_id,
        actor,
        action: REJECTED_ACTION,
        reason: Some(kind.name()),
        account_id: current.account_id(),
        request_id: current.id(),
        status: kind.status().as_u16(),
    });
}

/// Whether the request was rejected for its caller's permissions or usage.
fn is_rejection(kind: ProblemKind) -> bool {
    matches!(
        kind,
        ProblemKind::Unauthorized
            | ProblemKind::TooManyWrongKeys
            | ProblemKind::InsufficientScope
            | ProblemKind::MethodForbidden
            | ProblemKind::AddressNotAllowed
            | ProblemKind::RateLimited
            | ProblemKind::EnvironmentOverloaded
            | ProblemKind::QuotaExceeded
    )
}
