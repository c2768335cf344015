//! A step as it is proposed, before the guards and the provider were asked.

use serde_json::{Map, Value};

use super::operation::PlanOperation;
use super::step::StepPhase;

/// A step that follows from a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedStep {
    /// Its phase.
    pub phase: StepPhase,
    /// The operation.
    pub operation: PlanOperation,
    /// The values before.
    pub before: Map<String, Value>,
    /// The values afterwards.
    pub after: Map<String, Value>,
    /// Why it follows.
    pub reason: String,
    /// Whether it takes access from the person; known when it was compared with the person.
    pub is_removal: bool,
    /// Why it is not carried out.
    pub skipped: Option<String>,
}

impl ProposedStep {
    pub(super) fn new(
        phase: StepPhase,
        operation: impl Into<PlanOperation>,
        (before, after): (Value, Value),
        reason: String,
    ) -> Self {
        let operation = operation.into();
        let is_removal = match &operation {
            PlanOperation::Create(_) => false,
            PlanOperation::Change(operation) => operation.is_removal(),
        };
        let [before, after] = [before, after].map(|value| match value {
            Value::Object(fields) => fields,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => Map::new(),
        });
        Self { phase, operation, before, after, reason, is_removal, skipped: None }
    }

    /// Returns the step, skipped for a reason unless it is skipped already.
    pub(super) fn unless(mut self, reason: Option<&str>) -> Self {
        self.skipped = self.skipped.or_else(|| reason.map(str::to_owned));
        self
    }
}
