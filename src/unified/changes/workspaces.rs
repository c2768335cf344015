//! Changes of workspaces: create, and update each setting in a step.

use super::outcome::{ChangeResult, ChangeStep, ObjectOrigin, ReadBackResult};
use super::{Changes, reject_invalid};
use crate::connectors::WorkspaceWrites;
use crate::domain::patch::WriteOutcome;
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::{WorkspaceInput, WorkspaceSettingInput};
use crate::unified::{Directory, RenderOptions, UnifiedError};

impl Changes<'_> {
    /// Creates a workspace.
    ///
    /// # Errors
    ///
    /// `Invalid` before anything is sent, or the provider's error.
    pub async fn create_workspace(
        &self,
        input: &WorkspaceInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        reject_invalid(input.validate_create())?;
        let send = self.workspace_writes()?.create(&self.directory.cx, input);
        // A workspace that had the domain before is not the new one.
        let before = self.workspaces_with_domain(input).await;
        let seen = async {
            let (before, after) = (before?, self.workspaces_with_domain(input).await?);
            let new = after.into_iter().find(|id| !before.contains(id));
            Ok(new.map_or(ReadBackResult::NotApplied, ReadBackResult::Applied))
        };
        let address = input.domain_or_default();
        let id = self.create_step("workspace.created", &address, send, seen).await??;
        self.invalidate_names();
        let mut parts = vec![ChangeStep::of("workspace", &id, Ok(WriteOutcome::Applied))];
        for setting in input.settings() {
            // The other settings were sent with the workspace.
            if let WorkspaceSettingInput::Icon(_) = setting {
                parts.push(self.update_setting(&id, setting).await?);
            }
        }
        self.change_result::<Workspace>(&id, ObjectOrigin::Created, parts, shape).await
    }

    /// Returns the id of the workspace with the name and the domain of a request, if there is one.
    ///
    /// # Errors
    ///
    /// The provider's error.
    pub async fn find_workspace(
        &self,
        input: &WorkspaceInput,
    ) -> Result<Option<String>, UnifiedError> {
        Ok(self.workspaces_with_domain(input).await?.into_iter().next())
    }

    /// Changes settings of a workspace.
    ///
    /// # Errors
    ///
    /// `Invalid` before anything is sent, or the provider's error of the only setting. With several settings, failures
    /// are in the steps.
    pub async fn update_workspace(
        &self,
        id: &str,
        input: &WorkspaceInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        reject_invalid(input.validate_update())?;
        let mut parts = Vec::new();
        for setting in input.settings() {
            parts.push(self.update_setting(id, setting).await?);
        }
        if let [ChangeStep { outcome: Err(error), .. }] = &*parts {
            return Err(error.without_source().into());
        }
        self.change_result::<Workspace>(id, ObjectOrigin::Existing, parts, shape).await
    }

    async fn update_setting(
        &self,
        id: &str,
        setting: WorkspaceSettingInput<'_>,
    ) -> Result<ChangeStep, UnifiedError> {
        let send = self.workspace_writes()?.update_setting(&self.directory.cx, id, setting);
        let state = self.compare(id, |workspace: &Workspace| setting.compare(workspace));
        let outcome = self.update_step("workspace.updated", id, send, state).await?;
        self.invalidate_names();
        Ok(ChangeStep {
            place_id: Some(id.to_owned()),
            ..ChangeStep::of("setting", setting.field(), outcome)
        })
    }

    /// Invalidates the cached workspace names of the account.
    fn invalidate_names(&self) {
        let Directory { cx, workspace_names, .. } = self.directory;
        workspace_names.invalidate(cx.account.id);
    }

    fn workspace_writes(&self) -> Result<&dyn WorkspaceWrites, UnifiedError> {
        let writer = self.directory.connector.workspace_writes();
        writer.ok_or_else(|| self.unsupported("changes of workspaces"))
    }
}
