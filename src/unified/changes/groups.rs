//! Groups made, changed, linked to workspaces, deleted.

use std::collections::BTreeSet;

use super::outcome::{Changed, Made, Part, Seen};
use super::{Changes, refuse};
use crate::connectors::{ConnectorError, GroupWrites};
use crate::domain::group::{Group, GroupWish};
use crate::domain::input::{Comparison, Done};
use crate::unified::{Shape, UnifiedError};

impl Changes<'_> {
    /// Makes a group with its members.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that contradicts itself or has no name; else what the provider said.
    pub async fn create_group(
        &self,
        wish: &GroupWish,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(wish.flaws_of_new())?;
        let name = wish.name.value().map(String::as_str).unwrap_or_default();
        let send = self.group_writes()?.create(&self.directory.cx, wish);
        // Groups may share a name: the new one is that which was not there before.
        let before = self.groups_named(name).await;
        let seen = async {
            let before = before?.map(|groups| ids(&groups));
            let (Some(before), Some(after)) = (before, self.groups_named(name).await?) else {
                return Ok(Seen::Undecided);
            };
            let mut new = after.iter().filter(|group| !before.contains(&group.id));
            Ok(match (new.next(), new.next()) {
                (None, _) => Seen::NotDone,
                (Some(group), None) if has_members(group, wish) => Seen::Done(group.id.clone()),
                // Another request may have made it meanwhile.
                (Some(_), _) => Seen::Undecided,
            })
        };
        let id = self.step("group.created", name, send, seen).await??;
        let mut parts = vec![Part::of("group", &id, Ok(Done::Done))];
        parts.extend(self.link(&id, wish).await?);
        self.changed::<Group>(&id, Made::New, parts, shape).await
    }

    /// Changes the name and the members, and links the group to workspaces.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that contradicts itself; what the provider said of the first step. A
    /// failure of the second one is a part.
    pub async fn update_group(
        &self,
        id: &str,
        wish: &GroupWish,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(wish.flaws_of_change())?;
        let mut parts = Vec::new();
        if wish.changes_group() {
            parts.push(Part::of("group", id, Ok(self.change_group(id, wish).await??)));
        }
        parts.extend(self.link(id, wish).await?);
        if let [Part { outcome: Err(error), .. }] = &*parts {
            return Err(error.copy().into());
        }
        self.changed::<Group>(id, Made::Existing, parts, shape).await
    }

    /// Deletes a group for good. Whoever came into a workspace by it stays there.
    ///
    /// # Errors
    ///
    /// What the provider said.
    pub async fn delete_group(&self, id: &str) -> Result<Done, UnifiedError> {
        let send = self.group_writes()?.delete(&self.directory.cx, id);
        let seen = async {
            let is_gone = self.read::<Group>(id).await?.is_none();
            Ok(if is_gone { Seen::Done(Done::Done) } else { Seen::NotDone })
        };
        Ok(self.step("group.deleted", id, send, seen).await??)
    }

    async fn change_group(
        &self,
        id: &str,
        wish: &GroupWish,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let send = self.group_writes()?.update(&self.directory.cx, id, wish);
        let state = self.compare(id, |group: &Group| wish.compare(group));
        self.reach("group.updated", id, send, state).await
    }

    /// Links the group to the workspaces of a request, if it names some. No provider shows them.
    async fn link(&self, id: &str, wish: &GroupWish) -> Result<Option<Part>, UnifiedError> {
        if wish.add_workspace_ids.is_empty() {
            return Ok(None);
        }
        let send = self.group_writes()?.link(&self.directory.cx, id, &wish.add_workspace_ids);
        let state = async { Ok(Comparison::Unknown) };
        let outcome = self.reach("group.linked", id, send, state).await?;
        Ok(Some(Part::of("workspaces", id, outcome)))
    }

    fn group_writes(&self) -> Result<&dyn GroupWrites, UnifiedError> {
        let facet = self.directory.connector.group_writes();
        facet.ok_or_else(|| self.unsupported("changes of groups"))
    }
}

fn ids(groups: &[Group]) -> BTreeSet<String> {
    groups.iter().map(|group| group.id.clone()).collect()
}

/// Whether a group has the members that a new one was to have.
fn has_members(group: &Group, wish: &GroupWish) -> bool {
    let members: BTreeSet<&String> = group.members.iter().map(|member| &member.id).collect();
    members == wish.initial_members()
}
