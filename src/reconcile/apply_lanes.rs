//! Runs the steps of a phase: those of one subject one after another, those of different subjects beside each other in
//! a lane for each type of operation, so that each of the provider's rate limits is used.

use std::collections::BTreeMap;
use std::future::Future;

use futures_util::stream::{self, StreamExt as _};

use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::PlanOperation;
use crate::store::StoredStep;

/// Number of subjects of a lane at the same time: enough to wait for permits beside the calls.
const PER_LANE: usize = 8;

/// The steps about one subject, in their order.
#[derive(Debug)]
pub(super) struct SubjectSteps {
    pub(super) steps: Vec<StoredStep>,
}

impl SubjectSteps {
    /// Returns the number of the phase of a step.
    pub(super) fn phase_of(step: &StoredStep) -> i64 {
        step.position >> 32
    }
}

/// Runs steps, by subject.
pub(super) async fn lanes<F>(steps: Vec<StoredStep>, run: impl Fn(SubjectSteps) -> F)
where
    F: Future<Output = ()>,
{
    let mut lanes: BTreeMap<&'static str, Vec<SubjectSteps>> = BTreeMap::new();
    for (lane, subject) in by_subject(steps) {
        lanes.entry(lane).or_default().push(subject);
    }
    let run = &run;
    let running = lanes
        .into_values()
        .map(|subjects| stream::iter(subjects).for_each_concurrent(PER_LANE, run));
    stream::iter(running).for_each_concurrent(None, |lane| lane).await;
}

/// Returns the steps by subject, each with the name of its lane: its first operation.
fn by_subject(steps: Vec<StoredStep>) -> Vec<(&'static str, SubjectSteps)> {
    let mut subjects: Vec<(String, &'static str, SubjectSteps)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for step in steps {
        let key = subject_key(&step);
        if let Some((_, _, subject)) = places.get(&key).and_then(|place| subjects.get_mut(*place)) {
            subject.steps.push(step);
            continue;
        }
        places.insert(key.clone(), subjects.len());
        let lane = step.step.operation.name();
        subjects.push((key, lane, SubjectSteps { steps: vec![step] }));
    }
    subjects.into_iter().map(|(_, lane, subject)| (lane, subject)).collect()
}

/// Returns what a step reads and changes: a group, or a person.
fn subject_key(step: &StoredStep) -> String {
    match &step.step.operation {
        PlanOperation::Change(
            DirectoryOperation::AddGroupMember { group_id, .. }
            | DirectoryOperation::RemoveGroupMember { group_id, .. },
        ) => group_id.clone(),
        PlanOperation::Create(_) | PlanOperation::Change(_) => {
            step.step.subject.id.clone().unwrap_or_else(|| step.step.subject.key.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::Map;
    use tokio::sync::Notify;

    use super::*;
    use crate::domain::reconciliation::{ApplyControl, PlanStep, StepOutcome, StepSubject};
    use crate::reconcile::apply_stopped::{ApplyStopped, FirstStop};

    fn step(position: i64) -> StoredStep {
        let id = format!("U{position}");
        let operation = DirectoryOperation::DeactivateUser { user_id: id.clone() };
        let step = PlanStep {
            n: 1,
            operation: operation.into(),
            subject: StepSubject { id: Some(id.clone()), key: id, name: None },
            before: Map::new(),
            after: Map::new(),
            reason: String::new(),
            is_removal: true,
            provider_calls: 1,
            outcome: StepOutcome::Pending,
            detail: None,
        };
        StoredStep { step, position, is_started: false, object_id: None }
    }

    #[tokio::test]
    async fn steps_that_were_sent_end_after_a_request_to_stop() {
        let (begun, ended, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), Notify::new());
        let run = async |subject: SubjectSteps| {
            begun.fetch_add(1, Ordering::Relaxed);
            if subject.steps.iter().any(|step| step.position == 0) {
                // Sent before the request to stop, and ended after it.
                stop.notified().await;
                ended.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            stop.notify_one();
            Err(ApplyStopped::Controlled(ApplyControl::Pause))
        };
        let first = FirstStop::default();
        let steps = (0..10).map(step).collect();
        lanes(steps, |subject| first.unless_stopped(run(subject))).await;
        let stopped = first.into_result();
        assert!(matches!(stopped, Err(ApplyStopped::Controlled(ApplyControl::Pause))));
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert!(begun.load(Ordering::Relaxed) <= PER_LANE, "no other subject is begun");
    }
}
