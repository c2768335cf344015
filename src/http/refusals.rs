//! Refusals of our own in the audit log: who was refused what, and how often. They are counted for each key, so that
//! refusals do not fill it.

use super::current::CurrentRequest;
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::store::Noted;

/// What the log calls a request that was refused.
const ACTION: &str = "request.refused";

/// Notes a problem, when it is a refusal and it is known whose key came with the request.
pub(super) fn note(state: &AppState, current: &CurrentRequest, problem: &Problem) {
    if let Some(quota) = problem.quota() {
        state.metrics.over_quota(quota);
    }
    let kind = problem.kind();
    if !is_refusal(kind) {
        return;
    }
    let caller = current.caller().map(|caller| (caller.environment_id, &*caller.key_id));
    let Some((environment_id, actor)) = caller.or_else(|| current.refused_key()) else { return };
    state.uses.note(&Noted {
        environment_id,
        actor,
        action: ACTION,
        reason: Some(kind.name()),
        account_id: current.account_id(),
        request_id: current.id(),
        status: kind.status().as_u16(),
    });
}

/// Whether we refused the request for who sent it, or for how much was sent.
fn is_refusal(kind: ProblemKind) -> bool {
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
