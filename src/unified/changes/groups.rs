//! Groups made, changed, linked to workspaces, deleted.

use super::{Changes, Part, done_if};
use crate::connectors::{ConnectorError, GroupWrites};
use crate::domain::group::{Group, GroupWish};
use crate::domain::input::{Done, Flaw};
use crate::unified::{Shape, Shown, UnifiedError};

/// A group after a change, and the steps that it took.
type Written = (Shown, Vec<Part>);

impl Changes<'_> {
    /// Makes a group with its members.
    ///
    /// # Errors
    ///
    /// `Flawed` for a group without a name; else what the provider said.
    pub async fn create_group(
        &self,
        wish: &GroupWish,
        shape: &Shape,
    ) -> Result<Written, UnifiedError> {
        let Some(name) = wish.name.as_deref().filter(|name| !name.trim().is_empty()) else {
            return Err(UnifiedError::Flawed(vec![Flaw::at("/name", "a group has a name")]));
        };
        let send = self.group_writes()?.create(&self.directory.cx, wish);
        // Groups may share a name: which one is new can't be told.
        let unseen = async { Ok(None) };
        let id = self.step("group.created", name, send, unseen).await??;
        let mut parts = vec![Part::of("group", &id, Ok(Done::Done))];
        parts.extend(self.link(&id, wish).await?);
        Ok((self.directory.get::<Group>(&id, shape).await?, parts))
    }

    /// Changes the name and the members, and links the group to workspaces.
    ///
    /// # Errors
    ///
    /// What the provider said of the first step; the second one is a part.
    pub async fn update_group(
        &self,
        id: &str,
        wish: &GroupWish,
        shape: &Shape,
    ) -> Result<Written, UnifiedError> {
        let mut parts = Vec::new();
        if wish.changes_group() {
            parts.push(Part::of("group", id, Ok(self.change_group(id, wish).await??)));
        }
        parts.extend(self.link(id, wish).await?);
        if let [Part { outcome: Err(error), .. }] = &*parts {
            return Err(error.copy().into());
        }
        Ok((self.directory.get::<Group>(id, shape).await?, parts))
    }

    /// Deletes a group for good. Whoever came into a workspace by it stays there.
    ///
    /// # Errors
    ///
    /// What the provider said.
    pub async fn delete_group(&self, id: &str) -> Result<Done, UnifiedError> {
        let send = self.group_writes()?.delete(&self.directory.cx, id);
        let seen = async { Ok(done_if(self.read::<Group>(id).await?.is_none())) };
        Ok(self.step("group.deleted", id, send, seen).await??)
    }

    async fn change_group(
        &self,
        id: &str,
        wish: &GroupWish,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let send = self.group_writes()?.update(&self.directory.cx, id, wish);
        let seen = async {
            let group = self.read::<Group>(id).await?;
            Ok(done_if(group.is_some_and(|group| wish.is_met_by(&group))))
        };
        self.step("group.updated", id, send, seen).await
    }

    /// Links the group to the workspaces of a wish, if there are some.
    async fn link(&self, id: &str, wish: &GroupWish) -> Result<Option<Part>, UnifiedError> {
        if wish.add_workspace_ids.is_empty() {
            return Ok(None);
        }
        let send = self.group_writes()?.link(&self.directory.cx, id, &wish.add_workspace_ids);
        let unseen = async { Ok(None) };
        let outcome = self.step("group.linked", id, send, unseen).await?;
        Ok(Some(Part::of("workspaces", id, outcome)))
    }

    fn group_writes(&self) -> Result<&dyn GroupWrites, UnifiedError> {
        let facet = self.directory.connector.group_writes();
        facet.ok_or_else(|| self.unsupported("changes of groups"))
    }
}
