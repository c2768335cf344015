//! Single operations of fixes and plans, each the same change as a request to the unified API.

use serde_json::Value;
use time::Duration;

use super::Changes;
use super::outcome::ChangeStep;
use crate::connectors::MembershipRequest;
use crate::domain::group::GroupInput;
use crate::domain::patch::{PatchField, ValidationError, WriteOutcome, json_pointer};
use crate::domain::policy::DirectoryOperation;
use crate::domain::timestamp::Timestamp;
use crate::domain::user_input::{RoleInput, UserInput};
use crate::unified::UnifiedError;

impl Changes<'_> {
    /// Runs one operation. The object is not read afterwards.
    ///
    /// # Errors
    ///
    /// `Unsupported`, or the provider's error.
    pub async fn run_operation(
        &self,
        operation: &DirectoryOperation,
    ) -> Result<WriteOutcome, UnifiedError> {
        match operation {
            DirectoryOperation::UpdateUser { user_id, changes } => {
                let input: UserInput = serde_path_to_error::deserialize(&Value::Object(
                    changes.clone(),
                ))
                .map_err(|error| {
                    let pointer = json_pointer(error.path());
                    let error = ValidationError::at(pointer, error.inner().to_string());
                    UnifiedError::Invalid(vec![error])
                })?;
                overall(self.update_user_steps(user_id, &input).await?)
            }
            DirectoryOperation::GrantRole { user_id, role_id, workspace_id } => {
                let (id, workspace_id) = (role_id.clone(), workspace_id.clone());
                let role = RoleInput { id, workspace_id, channel_id: None };
                self.grant(user_id, role).await.map(|(_, outcome)| outcome)
            }
            DirectoryOperation::RevokeRole { id, .. } => self.remove_role(id).await,
            DirectoryOperation::AddWorkspaceMember {
                workspace_id,
                user_id,
                user_type,
                channel_ids,
            } => {
                let user_type = *user_type;
                let membership = MembershipRequest { workspace_id, user_type, channel_ids };
                self.add_member(user_id, membership).await
            }
            DirectoryOperation::RemoveWorkspaceMember { workspace_id, user_id } => {
                self.remove_member(user_id, workspace_id).await
            }
            DirectoryOperation::AddGroupMember { group_id, user_id } => {
                let add_member_ids = vec![user_id.clone()];
                let input = GroupInput { add_member_ids, ..GroupInput::default() };
                overall(self.update_group_steps(group_id, &input).await?)
            }
            DirectoryOperation::RemoveGroupMember { group_id, user_id } => {
                let remove_member_ids = vec![user_id.clone()];
                let input = GroupInput { remove_member_ids, ..GroupInput::default() };
                overall(self.update_group_steps(group_id, &input).await?)
            }
            DirectoryOperation::DeactivateUser { user_id } => self.end_account(user_id).await,
            DirectoryOperation::ExpireUser { user_id, in_days } => {
                let end = self.audit_trail.clock.now() + Duration::days((*in_days).into());
                // Whole seconds: providers store no fractions.
                let end = end.replace_nanosecond(0).unwrap_or(end);
                let expires_at = Timestamp::new(end).map_or(PatchField::Absent, PatchField::Set);
                let input = UserInput { expires_at, ..UserInput::default() };
                overall(self.update_user_steps(user_id, &input).await?)
            }
        }
    }
}

/// Returns the outcome of all steps: the first error, or whether any was applied.
fn overall(steps: Vec<ChangeStep>) -> Result<WriteOutcome, UnifiedError> {
    let mut outcome = WriteOutcome::Unchanged;
    for step in steps {
        if step.outcome? == WriteOutcome::Applied {
            outcome = WriteOutcome::Applied;
        }
    }
    Ok(outcome)
}
