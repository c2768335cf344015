//! Changes groups: create, update and delete.

use async_trait::async_trait;
use http::Method;
use serde_json::json;

use super::ScimConnector;
use super::created_id::created_id;
use super::features::{GROUP_SCHEMA, ScimFeatures};
use super::group_members::{GroupChange, MEMBERS_PER_REQUEST, members_value};
use super::resource_writes::{GROUPS, WriteTarget};
use super::unsupported::{NO_GROUPS, NO_LINKS, unsupported};
use crate::connectors::{CallContext, ConnectorError, GroupWrites};
use crate::domain::group::GroupInput;
use crate::domain::patch::{ValidationError, WriteOutcome};

/// What happened to a new group whose members could not all be added.
const DELETED_AGAIN: &str = "Not all members could be added, so the new group was deleted again.";
/// What to do about a new group that could not be deleted again.
const INCOMPLETE: &str = "The group was created, and not all of its members could be added. Find it with GET /groups?name=.";

#[async_trait]
impl GroupWrites for ScimConnector {
    fn validate(&self, _: &CallContext<'_>, input: &GroupInput) -> Vec<ValidationError> {
        if input.add_workspace_ids.is_empty() {
            return Vec::new();
        }
        vec![ValidationError::at("/add_workspace_ids", NO_LINKS)]
    }

    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &GroupInput,
    ) -> Result<String, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let groups = features.group.as_ref().ok_or_else(|| unsupported(cx, NO_GROUPS))?;
        let members: Vec<String> = input.initial_members().into_iter().cloned().collect();
        let (first, rest) = members.split_at(members.len().min(MEMBERS_PER_REQUEST));
        let mut body = json!({"schemas": [GROUP_SCHEMA], "displayName": input.name.value()});
        if let Some(group) = body.as_object_mut().filter(|_| !first.is_empty()) {
            group.insert("members".to_owned(), members_value(first));
        }
        let segments = [&*groups.endpoint];
        let sent = self.send(cx, GROUPS.post, Method::POST, &segments, Some(&body), None);
        let id = created_id(cx, GROUPS.post, sent.await?)?;
        if rest.is_empty() {
            return Ok(id);
        }
        let target = group_target(cx, &features, &id)?;
        let change = GroupChange { add: rest, ..GroupChange::default() };
        let Err(error) = self.change_group(cx, target, change).await else { return Ok(id) };
        let deleted = self.delete_resource(cx, target).await;
        Err(error.with_fix(if deleted.is_ok() { DELETED_AGAIN } else { INCOMPLETE }))
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &GroupInput,
    ) -> Result<WriteOutcome, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let target = group_target(cx, &features, id)?;
        self.change_group(cx, target, GroupChange::of(input)).await
    }

    async fn link_workspaces(
        &self,
        cx: &CallContext<'_>,
        _: &str,
        _: &[String],
    ) -> Result<WriteOutcome, ConnectorError> {
        Err(unsupported(cx, "SCIM does not link groups to workspaces."))
    }

    async fn delete(&self, cx: &CallContext<'_>, id: &str) -> Result<WriteOutcome, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let target = group_target(cx, &features, id)?;
        self.delete_resource(cx, target).await
    }
}

/// Returns a group to change.
pub(super) fn group_target<'a>(
    cx: &CallContext<'_>,
    features: &'a ScimFeatures,
    id: &'a str,
) -> Result<WriteTarget<'a>, ConnectorError> {
    let resource = features.group.as_ref().ok_or_else(|| unsupported(cx, NO_GROUPS))?;
    Ok(WriteTarget { methods: &GROUPS, features, resource, id })
}
