//! Changes workspaces: `admin.teams.create`, and a method for each setting.

use async_trait::async_trait;

use super::{SlackConnector, wire};
use crate::connectors::{CallContext, ConnectorError, WorkspaceWrites};
use crate::domain::patch::{PatchField, WriteOutcome};
use crate::domain::workspace_input::{WorkspaceInput, WorkspaceSettingInput};

const CREATE: &str = "admin.teams.create";

#[async_trait]
impl WorkspaceWrites for SlackConnector {
    async fn create(
        &self,
        cx: &CallContext<'_>,
        input: &WorkspaceInput,
    ) -> Result<String, ConnectorError> {
        let address = input.domain_or_default();
        let text = |field: &PatchField<String>| field.value().cloned().unwrap_or_default();
        let [name, description, discoverability] =
            [&input.name, &input.description, &input.discoverability].map(text);
        let arguments = [
            ("team_domain", &*address),
            ("team_name", &*name),
            ("team_description", &*description),
            ("team_discoverability", &*discoverability),
        ];
        Ok(self.web(cx, CREATE, &arguments).await?.read::<wire::CreatedTeam>(cx)?.team)
    }

    async fn update_setting(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        setting: WorkspaceSettingInput<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let channels;
        let (method, name, value) = match setting {
            WorkspaceSettingInput::Name(name) => ("admin.teams.settings.setName", "name", name),
            WorkspaceSettingInput::Description(text) => {
                ("admin.teams.settings.setDescription", "description", text)
            }
            WorkspaceSettingInput::Discoverability(word) => {
                ("admin.teams.settings.setDiscoverability", "discoverability", word)
            }
            WorkspaceSettingInput::Icon(url) => ("admin.teams.settings.setIcon", "image_url", url),
            WorkspaceSettingInput::DefaultChannels(ids) => {
                channels = ids.join(",");
                ("admin.teams.settings.setDefaultChannels", "channel_ids", &*channels)
            }
        };
        // Empty values are sent as well: Slack requires each argument.
        let request = self.web_request(cx, method, [("team_id", id), (name, value)])?;
        self.web_send(cx, method, request).await.map(|_| WriteOutcome::Applied)
    }
}
