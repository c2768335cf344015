//! Groups made, changed and deleted by SCIM, and linked to workspaces by `admin.usergroups.addTeams`.

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};

use super::api::is_id;
use super::{SlackEnterprise, wire};
use crate::connectors::{CallContext, ConnectorError, GroupWrites, Kind};
use crate::domain::group::GroupWish;
use crate::domain::input::Done;

const CREATE: &str = "scim.groups.create";
const UPDATE: &str = "scim.groups.update";
const DELETE: &str = "scim.groups.delete";
const LINK: &str = "admin.usergroups.addTeams";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

#[async_trait]
impl GroupWrites for SlackEnterprise {
    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &GroupWish,
    ) -> Result<String, ConnectorError> {
        let body = json!({
            "schemas": [GROUP],
            "displayName": wish.name.value(),
            "members": members(wish.initial_members()),
        });
        let answer = self.scim(cx, CREATE, Method::POST, "Groups", Some(&body)).await?;
        Ok(answer.read::<wire::ScimId>(cx)?.id)
    }

    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        wish: &GroupWish,
    ) -> Result<Done, ConnectorError> {
        let path = group_path(cx, UPDATE, id)?;
        // It goes into a path of an operation.
        if !wish.remove_member_ids.iter().all(|id| is_id(id)) {
            return Err(cx.error(UPDATE, Kind::NotFound).with_code("no_such_user"));
        }
        let body = json!({"schemas": [PATCH], "Operations": operations(wish)});
        self.scim(cx, UPDATE, Method::PATCH, &path, Some(&body)).await.map(|_| Done::Done)
    }

    async fn link(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_ids: &[String],
    ) -> Result<Done, ConnectorError> {
        let teams = workspace_ids.join(",");
        let arguments = [("usergroup_id", id), ("team_ids", &*teams)];
        self.web(cx, LINK, &arguments).await.map(|_| Done::Done)
    }

    async fn delete(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        let path = group_path(cx, DELETE, id)?;
        self.scim(cx, DELETE, Method::DELETE, &path, None).await.map(|_| Done::Done)
    }
}

fn operations(wish: &GroupWish) -> Vec<Value> {
    let name = wish.name.value().into_iter();
    let name = name.map(|name| json!({"op": "replace", "path": "displayName", "value": name}));
    let all = wish.member_ids.value().into_iter();
    let all = all.map(|ids| json!({"op": "replace", "path": "members", "value": members(ids)}));
    let more = (!wish.add_member_ids.is_empty())
        .then(|| json!({"op": "add", "path": "members", "value": members(&wish.add_member_ids)}));
    let fewer = wish.remove_member_ids.iter();
    let fewer = fewer.map(|id| json!({"op": "remove", "path": format!("members[value eq {id}]")}));
    name.chain(all).chain(more).chain(fewer).collect()
}

fn members<'a>(ids: impl IntoIterator<Item = &'a String>) -> Value {
    ids.into_iter().map(|id| json!({ "value": id })).collect()
}

/// The path of a group; nothing but an id goes into it.
fn group_path(
    cx: &CallContext<'_>,
    method: &'static str,
    id: &str,
) -> Result<String, ConnectorError> {
    let missing = || cx.error(method, Kind::NotFound).with_code("no_such_group");
    is_id(id).then(|| format!("Groups/{id}")).ok_or_else(missing)
}
