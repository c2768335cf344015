//! Sends single steps, each the same change as a request to the unified API.

use serde_json::{Map, Value};

use super::subject_error::describe;
use crate::connectors::ErrorKind;
use crate::domain::own_change::{self, OwnChange};
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::{CreateOperation, StepOutcome};
use crate::domain::sync_run::SyncProblem;
use crate::domain::user_input::UserInput;
use crate::domain::workspace_input::WorkspaceInput;
use crate::policies::BackgroundChanges;
use crate::store::StoreError;
use crate::sync::describe_problem;
use crate::unified::{ChangeResult, OnConflict, RenderOptions, UnifiedError};

/// Why a step failed.
#[derive(Debug)]
pub(super) struct StepFailed {
    pub(super) detail: String,
    /// Why no other step can be carried out either.
    pub(super) problem: Option<SyncProblem>,
    /// Whether the provider may have made the change.
    pub(super) is_outcome_unknown: bool,
    /// The error of the database: another attempt looks what was done, and continues.
    pub(super) interrupted: Option<StoreError>,
}

impl StepFailed {
    /// Returns the failure of a step that the provider did not carry out.
    pub(super) fn refused(detail: String) -> Self {
        Self { detail, problem: None, is_outcome_unknown: false, interrupted: None }
    }
}

/// Sends steps.
pub(super) struct StepRun<'a> {
    pub(super) background: BackgroundChanges<'a>,
}

impl StepRun<'_> {
    /// Sends a change of a person. The object is read by the caller.
    pub(super) async fn change(&self, operation: &DirectoryOperation) -> Result<(), StepFailed> {
        let (changes, write) = (self.background.changes(), self.background.write_through());
        let change = OwnChange::of_operation(operation);
        let send = Box::pin(changes.run_operation(operation));
        let made = write.make_one_of_several(&change.effects, send, |_| Some(change.clone()));
        Box::pin(made).await.map(|_| ()).map_err(failed)
    }

    /// Creates a person or a workspace. Returns the outcome, what is left to do, and the id. `is_resumed` is whether a
    /// process that ended began it: then what exists is completed.
    pub(super) async fn create(
        &self,
        operation: CreateOperation,
        is_resumed: bool,
    ) -> Result<(StepOutcome, Option<String>, Option<String>), StepFailed> {
        match operation {
            CreateOperation::User { user } => Box::pin(self.create_user(user, is_resumed)).await,
            CreateOperation::Workspace { workspace } => {
                Box::pin(self.create_workspace(workspace, is_resumed)).await
            }
        }
    }

    async fn create_user(
        &self,
        user: Map<String, Value>,
        is_resumed: bool,
    ) -> Result<(StepOutcome, Option<String>, Option<String>), StepFailed> {
        let input: UserInput = read(user)?;
        let on_conflict = if is_resumed { OnConflict::Update } else { OnConflict::Fail };
        let (changes, write) = (self.background.changes(), self.background.write_through());
        let shape = RenderOptions::default();
        let effects = own_change::new_user(&input);
        let send = Box::pin(changes.create_user(input.clone(), on_conflict, &shape));
        let made = write.make(&effects, send, |done: &ChangeResult| {
            done.id.as_ref().map(|id| OwnChange::new_user(id, &input))
        });
        match Box::pin(made).await {
            Ok(done) => Ok(report(done)),
            Err(UnifiedError::Exists { id, .. }) => {
                let detail = format!(
                    "A user with this e-mail address exists now ({id}). Make a new plan, which changes that user."
                );
                Ok((StepOutcome::Conflict, Some(detail), None))
            }
            Err(error) => Err(failed(error)),
        }
    }

    async fn create_workspace(
        &self,
        workspace: Map<String, Value>,
        is_resumed: bool,
    ) -> Result<(StepOutcome, Option<String>, Option<String>), StepFailed> {
        let input: WorkspaceInput = read(workspace)?;
        let (changes, write) = (self.background.changes(), self.background.write_through());
        if is_resumed && let Some(id) = changes.find_workspace(&input).await.map_err(failed)? {
            write.refresh(&OwnChange::new_workspace(&id, &input)).await;
            return Ok((StepOutcome::Applied, None, Some(id)));
        }
        let shape = RenderOptions::default();
        let effects = own_change::new_workspace(&input);
        let send = Box::pin(changes.create_workspace(&input, &shape));
        let made = write.make(&effects, send, |done: &ChangeResult| {
            done.id.as_ref().map(|id| OwnChange::new_workspace(id, &input))
        });
        Box::pin(made).await.map(report).map_err(failed)
    }
}

/// Returns the outcome of a creation in several parts.
fn report(done: ChangeResult) -> (StepOutcome, Option<String>, Option<String>) {
    let failed: Vec<String> = done
        .steps
        .iter()
        .filter_map(|part| {
            let error = part.outcome.as_ref().err()?;
            let of = part.id.as_deref().unwrap_or_default();
            Some(format!("{} {of}: {}", part.name, describe(error)))
        })
        .collect();
    let outcome = if failed.is_empty() { StepOutcome::Applied } else { StepOutcome::Failed };
    let detail = (!failed.is_empty()).then(|| {
        format!(
            "It was created, and some of it failed. {} Make a new plan for the rest.",
            failed.join(" ")
        )
    });
    (outcome, detail, done.id)
}

fn read<T: serde::de::DeserializeOwned>(fields: Map<String, Value>) -> Result<T, StepFailed> {
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| StepFailed::refused(error.to_string()))
}

fn failed(error: UnifiedError) -> StepFailed {
    match error {
        UnifiedError::Connector(error) => {
            let is_final = error.kind == ErrorKind::NeedsReauth;
            let problem = is_final.then(|| describe_problem(&error, None));
            let is_outcome_unknown = error.is_outcome_unknown();
            StepFailed { problem, is_outcome_unknown, ..StepFailed::refused(describe(&error)) }
        }
        UnifiedError::Invalid(errors) => {
            let texts: Vec<String> = errors
                .iter()
                .map(|error| format!("`{}` {}", error.pointer, error.message))
                .collect();
            StepFailed::refused(texts.join("; "))
        }
        UnifiedError::Store(error) => StepFailed {
            interrupted: Some(error),
            ..StepFailed::refused("The database failed.".to_owned())
        },
        error @ (UnifiedError::Unsupported { .. }
        | UnifiedError::Exists { .. }
        | UnifiedError::InvalidCursor
        | UnifiedError::NotFound { .. }) => StepFailed::refused(error.to_string()),
    }
}
