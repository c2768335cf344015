//! Workspaces made and set up, each setting a part.

use super::{Changes, Part, done_if, refuse};
use crate::connectors::{ConnectorError, Question, WorkspaceWrites};
use crate::domain::filter::{Expand, RemoteQuery, WorkspaceFilter};
use crate::domain::input::Done;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::{WorkspaceSetting, WorkspaceWish};
use crate::unified::{Shape, Shown, UnifiedError};

/// A workspace after a change, and the steps that it took.
type Written = (Shown, Vec<Part>);

impl Changes<'_> {
    /// Makes a workspace.
    ///
    /// # Errors
    ///
    /// `Flawed` for a wish that can't be granted, before anything is sent; else what the provider said.
    pub async fn create_workspace(
        &self,
        wish: &WorkspaceWish,
        shape: &Shape,
    ) -> Result<Written, UnifiedError> {
        refuse(wish.flaws_of_new())?;
        let send = self.workspace_writes()?.create(&self.directory.cx, wish);
        let seen = self.workspace_of(wish);
        let address = wish.address();
        let id = self.step("workspace.created", &address, send, seen).await??;
        let mut parts = vec![Part::of("workspace", &id, Ok(Done::Done))];
        for setting in wish.settings() {
            // The rest came with the workspace.
            if let WorkspaceSetting::Icon(_) = setting {
                parts.push(self.set(&id, setting).await?);
            }
        }
        let workspace = self.directory.get::<Workspace>(&id, shape).await?;
        Ok((workspace, parts))
    }

    /// Changes settings of a workspace.
    ///
    /// # Errors
    ///
    /// `Flawed` for a wish that can't be granted, before anything is sent; what the provider said when
    /// the only setting was refused. With several, one that fails is a failed part.
    pub async fn update_workspace(
        &self,
        id: &str,
        wish: &WorkspaceWish,
        shape: &Shape,
    ) -> Result<Written, UnifiedError> {
        refuse(wish.flaws_of_change())?;
        let mut parts = Vec::new();
        for setting in wish.settings() {
            parts.push(self.set(id, setting).await?);
        }
        if let [Part { outcome: Err(error), .. }] = &*parts {
            return Err(error.copy().into());
        }
        Ok((self.directory.get::<Workspace>(id, shape).await?, parts))
    }

    async fn set(&self, id: &str, setting: WorkspaceSetting<'_>) -> Result<Part, UnifiedError> {
        let send = self.workspace_writes()?.set(&self.directory.cx, id, setting);
        let seen = async {
            let workspace = self.read::<Workspace>(id).await?;
            Ok(done_if(workspace.is_some_and(|workspace| setting.is_met_by(&workspace))))
        };
        let outcome = self.step("workspace.updated", id, send, seen).await?;
        Ok(Part { place_id: Some(id.to_owned()), ..Part::of("setting", setting.field(), outcome) })
    }

    /// The workspace with the address of a wish.
    async fn workspace_of(&self, wish: &WorkspaceWish) -> Result<Option<String>, ConnectorError> {
        let Some(facet) = self.directory.connector.workspaces() else { return Ok(None) };
        let filter = &WorkspaceFilter { name: wish.name.clone(), ..WorkspaceFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let (address, mut position) = (wish.address(), None);
        loop {
            let page = PageRequest { position, limit: MAX_LIMIT };
            let question = Question { page, filter, expand, remote_query };
            let page = facet.list(&self.directory.cx, question).await?;
            let mut found = page.items.into_iter().map(|record| *record.unified);
            let is_it = |one: &Workspace| one.domain.as_ref() == Some(&address);
            match (found.find(is_it), page.next) {
                (Some(workspace), _) => return Ok(Some(workspace.id)),
                (None, None) => return Ok(None),
                (None, next) => position = next,
            }
        }
    }

    fn workspace_writes(&self) -> Result<&dyn WorkspaceWrites, UnifiedError> {
        let facet = self.directory.connector.workspace_writes();
        facet.ok_or_else(|| self.unsupported("changes of workspaces"))
    }
}
