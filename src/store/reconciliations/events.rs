//! The events of reconciliations.

use super::super::change_events::{ChangeEvent, ChangeSource};
use crate::domain::event::{EventKind, EventOrigin};
use crate::domain::ids::ReconciliationId;
use crate::domain::reconciliation::PlanSummary;
use crate::domain::sync_run::SyncProblem;

/// The source of the events of reconciliations.
pub(super) const SOURCE: ChangeSource<'_> =
    ChangeSource { origin: EventOrigin::Gateway, actor: None, initial: false, read_at: None };

/// Returns the event of a reconciliation.
pub(super) fn event(
    kind: EventKind,
    id: ReconciliationId,
    summary: PlanSummary,
    hash: Option<&str>,
    problem: Option<&SyncProblem>,
) -> ChangeEvent {
    let data = serde_json::json!({
        "reconciliation_id": id, "summary": summary, "hash": hash, "problem": problem,
    });
    ChangeEvent {
        kind,
        object: None,
        previous: None,
        data: Some(data.to_string()),
        subject: None,
        subject_id: None,
        attribution: None,
    }
}
