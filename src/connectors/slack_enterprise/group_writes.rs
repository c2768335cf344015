//! Changes groups: create, update and delete by SCIM, link to workspaces by `admin.usergroups.addTeams`.

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use super::api::is_id;
use super::{SlackConnector, wire};
use crate::connectors::{CallContext, ConnectorError, ErrorKind, GroupWrites};
use crate::domain::group::GroupInput;
use crate::domain::patch::WriteOutcome;

const CREATE: &str = "scim.groups.create";
const UPDATE: &str = "scim.groups.update";
const DELETE: &str = "scim.groups.delete";
const LINK: &str = "admin.usergroups.addTeams";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[async_trait]
impl GroupWrites for SlackConnector {
    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &GroupInput,
    ) -> Result<String, ConnectorError> {
        let body = json!({
            "schemas": [GROUP],
            "displayName": input.name.value(),
            "members": members(input.initial_members()),
        });
        let response = self.scim(cx, CREATE, Method::POST, "Groups", Some(&body)).await?;
        Ok(response.read::<wire::ScimId>(cx)?.id)
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        input: &GroupInput,
    ) -> Result<WriteOutcome, ConnectorError> {
        let path = group_path(cx, UPDATE, id)?;
        // The ids are put into the path of an operation.
        if !input.remove_member_ids.iter().all(|id| is_id(id)) {
            return Err(cx.error(UPDATE, ErrorKind::NotFound).with_code("no_such_user"));
        }
        let body = json!({"schemas": [PATCH], "Operations": operations(input)});
        self.scim(cx, UPDATE, Method::PATCH, &path, Some(&body))
            .await
            .map(|_| WriteOutcome::Applied)
    }

    async fn link_workspaces(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_ids: &[String],
    ) -> Result<WriteOutcome, ConnectorError> {
        let teams = workspace_ids.join(",");
        let arguments = [("usergroup_id", id), ("team_ids", &*teams)];
        self.web(cx, LINK, &arguments).await.map(|_| WriteOutcome::Applied)
    }

    async fn delete(&self, cx: &CallContext<'_>, id: &str) -> Result<WriteOutcome, ConnectorError> {
        let path = group_path(cx, DELETE, id)?;
        self.scim(cx, DELETE, Method::DELETE, &path, None).await.map(|_| WriteOutcome::Applied)
    }
}

fn operations(input: &GroupInput) -> Vec<Value> {
    let name = input.name.value().into_iter();
    let name = name.map(|name| json!({"op": "replace", "path": "displayName", "value": name}));
    let all = input.member_ids.value().into_iter();
    let all = all.map(|ids| json!({"op": "replace", "path": "members", "value": members(ids)}));
    let more = (!input.add_member_ids.is_empty())
        .then(|| json!({"op": "add", "path": "members", "value": members(&input.add_member_ids)}));
    let fewer = input.remove_member_ids.iter();
    let fewer = fewer.map(|id| json!({"op": "remove", "path": format!("members[value eq {id}]")}));
    name.chain(all).chain(more).chain(fewer).collect()
}

fn members<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    ids.into_iter().map(|id| json!({ "value": id })).collect()
}

/// Returns the SCIM path of a group; fails for a text that is not an id.
fn group_path(
    cx: &CallContext<'_>,
    method: &'static str,
    id: &str,
) -> Result<String, ConnectorError> {
    let missing = || cx.error(method, ErrorKind::NotFound).with_code("no_such_group");
    is_id(id).then(|| format!("Groups/{id}")).ok_or_else(missing)
}
