//! Checks steps against what the provider can do, before anything is sent: a step that it would refuse is skipped with
//! the reason.

use serde_json::{Map, Value};

use crate::connectors::{CallContext, Connector, ConnectorError, RoleGrant, UserRemoval};
use crate::domain::clock::Clock;
use crate::domain::patch::ValidationError;
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::{CreateOperation, PlanOperation, ProposedStep, new_object_key};
use crate::domain::user_input::UserInput;

/// What a step that the provider has no operation for is skipped with.
const UNSUPPORTED: &str = "The provider has no such operation.";
/// What a deactivation is skipped with that would delete the person.
const DELETES: &str = "The account deletes users in place of a deactivation, which no plan does. Set its provider setting \
                       `delete_user` to `deactivate`.";

/// Checks steps against the provider.
pub(super) struct StepChecks<'a> {
    pub(super) cx: CallContext<'a>,
    pub(super) connector: &'a dyn Connector,
    pub(super) clock: &'a dyn Clock,
}

impl StepChecks<'_> {
    /// Returns the step as it can be carried out, after another one with the fields that the provider refuses.
    pub(super) fn check(&self, mut step: ProposedStep) -> Vec<ProposedStep> {
        if step.skipped.is_some() {
            return vec![step];
        }
        let refused = match &mut step.operation {
            PlanOperation::Create(CreateOperation::Workspace { .. }) => {
                self.connector.workspace_writes().is_none().then(|| UNSUPPORTED.to_owned())
            }
            PlanOperation::Create(CreateOperation::User { user }) => {
                let errors = self.errors_of(user, true);
                (!errors.is_empty()).then(|| describe(&errors))
            }
            PlanOperation::Change(DirectoryOperation::UpdateUser { .. }) => {
                return self.check_update(step);
            }
            PlanOperation::Change(operation) => self.refusal(operation),
        };
        step.skipped = refused;
        vec![step]
    }

    /// Returns why the provider refuses an operation.
    fn refusal(&self, operation: &DirectoryOperation) -> Option<String> {
        let unless = |is_supported: bool| (!is_supported).then(|| UNSUPPORTED.to_owned());
        match operation {
            DirectoryOperation::GrantRole { user_id, role_id, workspace_id } => {
                let Some(writer) = self.connector.assignment_writes() else { return unless(false) };
                if workspace_id.as_deref().is_some_and(|id| new_object_key(id).is_some()) {
                    return None;
                }
                let organization = || self.cx.account.organization.id.to_string();
                let place_id = workspace_id.clone().unwrap_or_else(organization);
                let grant =
                    RoleGrant { role_id: role_id.clone(), user_id: user_id.clone(), place_id };
                let checked = writer.check_assignable(&self.cx, &grant);
                checked.err().as_ref().map(reason)
            }
            DirectoryOperation::RevokeRole { .. } => {
                unless(self.connector.assignment_writes().is_some())
            }
            DirectoryOperation::AddWorkspaceMember { .. }
            | DirectoryOperation::RemoveWorkspaceMember { .. } => {
                let Some(writer) = self.connector.membership_writes() else { return unless(false) };
                writer.check_workspaces(&self.cx).err().as_ref().map(reason)
            }
            DirectoryOperation::AddGroupMember { .. }
            | DirectoryOperation::RemoveGroupMember { .. } => {
                unless(self.connector.group_writes().is_some())
            }
            DirectoryOperation::DeactivateUser { .. } => {
                deletion(self.connector, &self.cx, operation)
                    .or_else(|| unless(self.connector.user_writes().is_some()))
            }
            DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. } => {
                unless(self.connector.user_writes().is_some())
            }
        }
    }

    /// Takes the fields that the provider refuses out of a change.
    fn check_update(&self, mut step: ProposedStep) -> Vec<ProposedStep> {
        let PlanOperation::Change(DirectoryOperation::UpdateUser { user_id, changes }) =
            &mut step.operation
        else {
            return vec![step];
        };
        let errors = self.errors_of(changes, false);
        if errors.is_empty() {
            return vec![step];
        }
        let is_refused = |name: &str| {
            errors.iter().any(|error| {
                let field = error.pointer.trim_start_matches('/').split('/').next();
                field.is_some_and(|field| field == name || field.is_empty())
            })
        };
        let refused: Map<String, Value> =
            changes.iter().filter(|(name, _)| is_refused(name)).map(owned).collect();
        let left: Map<String, Value> =
            changes.iter().filter(|(name, _)| !is_refused(name)).map(owned).collect();
        // An error about no field, or what is left without the refused fields, may be wrong as a whole.
        if refused.is_empty() || left.is_empty() || !self.errors_of(&left, false).is_empty() {
            step.skipped = Some(describe(&errors));
            return vec![step];
        }
        let user_id = user_id.clone();
        let part = |fields: Map<String, Value>, skipped: Option<String>| {
            let only = |values: &Map<String, Value>| {
                values.iter().filter(|(name, _)| fields.contains_key(*name)).map(owned).collect()
            };
            let operation = DirectoryOperation::UpdateUser {
                user_id: user_id.clone(),
                changes: fields.clone(),
            };
            ProposedStep {
                operation: operation.into(),
                before: only(&step.before),
                after: only(&step.after),
                skipped,
                ..step.clone()
            }
        };
        vec![part(refused, Some(describe(&errors))), part(left, None)]
    }

    fn errors_of(&self, fields: &Map<String, Value>, is_new: bool) -> Vec<ValidationError> {
        let Some(writer) = self.connector.user_writes() else {
            return vec![ValidationError::at("", UNSUPPORTED)];
        };
        let input: UserInput = match serde_json::from_value(Value::Object(fields.clone())) {
            Ok(input) => input,
            Err(error) => return vec![ValidationError::at("", error.to_string())],
        };
        let mut errors = writer.validate(&self.cx, &input, is_new);
        let accepted = input.without_rejected(&errors);
        errors.extend(if is_new {
            accepted.validate_create(self.clock.now())
        } else {
            accepted.validate_update(self.clock.now())
        });
        errors
    }
}

/// Returns why a deactivation is not carried out: the account deletes users instead.
pub(super) fn deletion(
    connector: &dyn Connector,
    cx: &CallContext<'_>,
    operation: &DirectoryOperation,
) -> Option<String> {
    let is_deactivation = matches!(operation, DirectoryOperation::DeactivateUser { .. });
    let removal = connector.user_writes().map(|writer| writer.removal(cx));
    (is_deactivation && removal == Some(UserRemoval::Deletion)).then(|| DELETES.to_owned())
}

fn owned((name, value): (&String, &Value)) -> (String, Value) {
    (name.clone(), value.clone())
}

fn describe(errors: &[ValidationError]) -> String {
    let texts = errors.iter().map(|error| match error.pointer.trim_start_matches('/') {
        "" => error.message.clone(),
        field => format!("`{field}` {}", error.message),
    });
    texts.collect::<Vec<_>>().join("; ")
}

/// Returns the reason of a refusal before anything is sent.
fn reason(error: &ConnectorError) -> String {
    error.fix.as_ref().map_or_else(|| error.to_string(), ToString::to_string)
}
