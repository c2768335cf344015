//! Workspaces made and set up: `admin.teams.create`, and a method for each setting.

use async_trait::async_trait;

use super::{SlackEnterprise, wire};
use crate::connectors::{CallContext, ConnectorError, WorkspaceWrites};
use crate::domain::input::{Done, Field};
use crate::domain::workspace_input::{WorkspaceSetting, WorkspaceWish};

const CREATE: &str = "admin.teams.create";

#[async_trait]
impl WorkspaceWrites for SlackEnterprise {
    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &WorkspaceWish,
    ) -> Result<String, ConnectorError> {
        let address = wish.address();
        let text = |field: &Field<String>| field.value().cloned().unwrap_or_default();
        let [name, description, discoverability] =
            [&wish.name, &wish.description, &wish.discoverability].map(text);
        let arguments = [
            ("team_domain", &*address),
            ("team_name", &*name),
            ("team_description", &*description),
            ("team_discoverability", &*discoverability),
        ];
        Ok(self.web(cx, CREATE, &arguments).await?.read::<wire::CreatedTeam>(cx)?.team)
    }

    async fn set(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        setting: WorkspaceSetting<'_>,
    ) -> Result<Done, ConnectorError> {
        let channels;
        let (method, name, value) = match setting {
            WorkspaceSetting::Name(name) => ("admin.teams.settings.setName", "name", name),
            WorkspaceSetting::Description(text) => {
                ("admin.teams.settings.setDescription", "description", text)
            }
            WorkspaceSetting::Discoverability(word) => {
                ("admin.teams.settings.setDiscoverability", "discoverability", word)
            }
            WorkspaceSetting::Icon(url) => ("admin.teams.settings.setIcon", "image_url", url),
            WorkspaceSetting::DefaultChannels(ids) => {
                channels = ids.join(",");
                ("admin.teams.settings.setDefaultChannels", "channel_ids", &*channels)
            }
        };
        // What is emptied is said so: each of them is an argument that Slack requires.
        let request = self.web_request(cx, method, [("team_id", id), (name, value)])?;
        self.web_send(cx, method, request).await.map(|_| Done::Done)
    }
}
