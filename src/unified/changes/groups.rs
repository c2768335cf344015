//! Changes of groups: create, update, link to workspaces, delete.

use std::collections::BTreeSet;

use super::outcome::{ChangeResult, ChangeStep, ObjectOrigin, ReadBackResult};
use super::{Changes, reject_invalid};
use crate::connectors::{ConnectorError, GroupWrites};
use crate::domain::group::{Group, GroupInput};
use crate::domain::patch::{Comparison, WriteOutcome};
use crate::unified::{RenderOptions, UnifiedError};

impl Changes<'_> {
    /// Creates a group with its members.
    ///
    /// # Errors
    ///
    /// `Invalid` for a request that contradicts itself or has no name, or the provider's error.
    pub async fn create_group(
        &self,
        input: &GroupInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let mut errors = input.validate_create();
        errors.extend(self.group_writes()?.validate(&self.directory.cx, input));
        reject_invalid(errors)?;
        let name = input.name.value().map(String::as_str).unwrap_or_default();
        let send = self.group_writes()?.create(&self.directory.cx, input);
        // Names of groups are not unique: the new group is the one that was not there before.
        let before = self.groups_named(name).await;
        let seen = async {
            let before = before?.map(|groups| ids(&groups));
            let (Some(before), Some(after)) = (before, self.groups_named(name).await?) else {
                return Ok(ReadBackResult::Inconclusive);
            };
            let mut new = after.iter().filter(|group| !before.contains(&group.id));
            Ok(match (new.next(), new.next()) {
                (None, _) => ReadBackResult::NotApplied,
                (Some(group), None) if has_members(group, input) => {
                    ReadBackResult::Applied(group.id.clone())
                }
                // Another request may have created it in the meantime.
                (Some(_), _) => ReadBackResult::Inconclusive,
            })
        };
        let id = self.create_step("group.created", name, send, seen).await??;
        let mut parts = vec![ChangeStep::of("group", &id, Ok(WriteOutcome::Applied))];
        parts.extend(self.link_workspaces(&id, input).await?);
        self.change_result::<Group>(&id, ObjectOrigin::Created, parts, shape).await
    }

    /// Changes the name and the members, and links the group to workspaces.
    ///
    /// # Errors
    ///
    /// `Invalid` for a request that contradicts itself, or the provider's error of the first step. A failure of the
    /// second step is in the steps.
    pub async fn update_group(
        &self,
        id: &str,
        input: &GroupInput,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let parts = self.update_group_steps(id, input).await?;
        if let [ChangeStep { outcome: Err(error), .. }] = &*parts {
            return Err(error.without_source().into());
        }
        self.change_result::<Group>(id, ObjectOrigin::Existing, parts, shape).await
    }

    /// Changes a group as [`Self::update_group`], without reading the group afterwards.
    pub(super) async fn update_group_steps(
        &self,
        id: &str,
        input: &GroupInput,
    ) -> Result<Vec<ChangeStep>, UnifiedError> {
        let mut errors = input.validate_update();
        errors.extend(self.group_writes()?.validate(&self.directory.cx, input));
        reject_invalid(errors)?;
        let mut parts = Vec::new();
        if input.changes_group() {
            parts.push(ChangeStep::of("group", id, Ok(self.change_group(id, input).await??)));
        }
        parts.extend(self.link_workspaces(id, input).await?);
        Ok(parts)
    }

    /// Deletes a group permanently. Members that it added to a workspace remain there.
    ///
    /// # Errors
    ///
    /// The provider's error.
    pub async fn delete_group(&self, id: &str) -> Result<WriteOutcome, UnifiedError> {
        let send = self.group_writes()?.delete(&self.directory.cx, id);
        let seen = async {
            let is_gone = self.read::<Group>(id).await?.is_none();
            Ok(if is_gone {
                ReadBackResult::Applied(WriteOutcome::Applied)
            } else {
                ReadBackResult::NotApplied
            })
        };
        Ok(self.create_step("group.deleted", id, send, seen).await??)
    }

    async fn change_group(
        &self,
        id: &str,
        input: &GroupInput,
    ) -> Result<Result<WriteOutcome, ConnectorError>, UnifiedError> {
        let send = self.group_writes()?.update(&self.directory.cx, id, input);
        let state = self.compare(id, |group: &Group| input.compare(group));
        self.update_step("group.updated", id, send, state).await
    }

    /// Links the group to the workspaces of a request, if there are any. No provider returns the links.
    async fn link_workspaces(
        &self,
        id: &str,
        input: &GroupInput,
    ) -> Result<Option<ChangeStep>, UnifiedError> {
        if input.add_workspace_ids.is_empty() {
            return Ok(None);
        }
        let send =
            self.group_writes()?.link_workspaces(&self.directory.cx, id, &input.add_workspace_ids);
        let state = async { Ok(Comparison::Unknown) };
        let outcome = self.update_step("group.linked", id, send, state).await?;
        Ok(Some(ChangeStep::of("workspaces", id, outcome)))
    }

    fn group_writes(&self) -> Result<&dyn GroupWrites, UnifiedError> {
        let writer = self.directory.connector.group_writes();
        writer.ok_or_else(|| self.unsupported("changes of groups"))
    }
}

fn ids(groups: &[Group]) -> BTreeSet<String> {
    groups.iter().map(|group| group.id.clone()).collect()
}

/// Whether a group has exactly the requested initial members.
fn has_members(group: &Group, input: &GroupInput) -> bool {
    let members: BTreeSet<&String> = group.members.iter().map(|member| &member.id).collect();
    members == input.initial_members()
}
