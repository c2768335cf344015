//! Adds members to workspaces and removes them, where groups are workspaces by the account's settings.

use async_trait::async_trait;

use super::ScimConnector;
use super::features::{ScimFeatures, ScimSettings, WorkspaceSource};
use super::group_members::GroupChange;
use super::group_writes::group_target;
use super::resource_writes::{GROUPS, WriteTarget};
use super::unsupported::{NO_GUESTS, NO_WORKSPACES, unsupported};
use crate::connectors::{
    CallContext, ConnectorError, ErrorKind, MembershipRequest, MembershipWrites,
};
use crate::domain::patch::WriteOutcome;
use crate::domain::user::UserType;

#[async_trait]
impl MembershipWrites for ScimConnector {
    fn check_workspaces(&self, cx: &CallContext<'_>) -> Result<(), ConnectorError> {
        match ScimSettings::of(cx.account).workspaces_from {
            WorkspaceSource::None => Err(unsupported(cx, NO_WORKSPACES)),
            WorkspaceSource::AllGroups | WorkspaceSource::Prefix(_) | WorkspaceSource::Ids(_) => {
                Ok(())
            }
        }
    }

    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: MembershipRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let MembershipRequest { workspace_id, user_type, channel_ids } = membership;
        if user_type != UserType::Member || !channel_ids.is_empty() {
            return Err(unsupported(cx, NO_GUESTS));
        }
        let add = [user_id.to_owned()];
        let change = GroupChange { add: &add, ..GroupChange::default() };
        self.change_workspace(cx, workspace_id, change).await
    }

    async fn remove(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        let remove = [user_id.to_owned()];
        let change = GroupChange { remove: &remove, ..GroupChange::default() };
        self.change_workspace(cx, workspace_id, change).await
    }
}

impl ScimConnector {
    /// Changes the members of a group that is a workspace.
    async fn change_workspace(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        change: GroupChange<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        self.check_workspaces(cx)?;
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        let target = group_target(cx, &features, id)?;
        if !self.is_workspace(cx, target, &settings).await? {
            return Err(cx.error(GROUPS.get, ErrorKind::NotFound).with_code("no_such_workspace"));
        }
        self.change_group(cx, target, change).await
    }

    /// Whether a group is a workspace. It is read only where its name decides.
    async fn is_workspace(
        &self,
        cx: &CallContext<'_>,
        group: WriteTarget<'_>,
        settings: &ScimSettings,
    ) -> Result<bool, ConnectorError> {
        let name = match settings.workspaces_from {
            WorkspaceSource::None | WorkspaceSource::AllGroups | WorkspaceSource::Ids(_) => {
                String::new()
            }
            WorkspaceSource::Prefix(_) => self.group_name(cx, group).await?,
        };
        Ok(settings.is_workspace(group.id, &name))
    }
}
