//! Workspaces made and set up, each setting a part.

use super::outcome::{Changed, Made, Part, Seen};
use super::{Changes, refuse};
use crate::connectors::WorkspaceWrites;
use crate::domain::input::Done;
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::{WorkspaceSetting, WorkspaceWish};
use crate::unified::{Directory, Shape, UnifiedError};

impl Changes<'_> {
    /// Makes a workspace.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that can't be granted, before anything is sent; else what the provider said.
    pub async fn create_workspace(
        &self,
        wish: &WorkspaceWish,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(wish.flaws_of_new())?;
        let send = self.workspace_writes()?.create(&self.directory.cx, wish);
        // An address that was taken before is not that of the new workspace.
        let before = self.workspaces_at(wish).await;
        let seen = async {
            let (before, after) = (before?, self.workspaces_at(wish).await?);
            let new = after.into_iter().find(|id| !before.contains(id));
            Ok(new.map_or(Seen::NotDone, Seen::Done))
        };
        let address = wish.address();
        let id = self.step("workspace.created", &address, send, seen).await??;
        self.forget_names();
        let mut parts = vec![Part::of("workspace", &id, Ok(Done::Done))];
        for setting in wish.settings() {
            // The rest came with the workspace.
            if let WorkspaceSetting::Icon(_) = setting {
                parts.push(self.set(&id, setting).await?);
            }
        }
        self.changed::<Workspace>(&id, Made::New, parts, shape).await
    }

    /// Changes settings of a workspace.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that can't be granted, before anything is sent; what the provider said when
    /// the only setting was refused. With several, one that fails is a failed part.
    pub async fn update_workspace(
        &self,
        id: &str,
        wish: &WorkspaceWish,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(wish.flaws_of_change())?;
        let mut parts = Vec::new();
        for setting in wish.settings() {
            parts.push(self.set(id, setting).await?);
        }
        if let [Part { outcome: Err(error), .. }] = &*parts {
            return Err(error.copy().into());
        }
        self.changed::<Workspace>(id, Made::Existing, parts, shape).await
    }

    async fn set(&self, id: &str, setting: WorkspaceSetting<'_>) -> Result<Part, UnifiedError> {
        let send = self.workspace_writes()?.set(&self.directory.cx, id, setting);
        let state = self.compare(id, |workspace: &Workspace| setting.compare(workspace));
        let outcome = self.reach("workspace.updated", id, send, state).await?;
        self.forget_names();
        Ok(Part { place_id: Some(id.to_owned()), ..Part::of("setting", setting.field(), outcome) })
    }

    /// Whatever names were read before are those of before.
    fn forget_names(&self) {
        let Directory { cx, workspace_names, .. } = self.directory;
        workspace_names.forget(cx.account.id);
    }

    fn workspace_writes(&self) -> Result<&dyn WorkspaceWrites, UnifiedError> {
        let facet = self.directory.connector.workspace_writes();
        facet.ok_or_else(|| self.unsupported("changes of workspaces"))
    }
}
