//! The channel object and the type filter of `conversations.*`:
//! <https://docs.slack.dev/reference/objects/conversation-object>.

use serde_json::{Value, json};

use super::error::WebApiError;
use super::method::MethodCall;
use crate::sandbox::org::{Channel, GridOrganization, PersonIndex};

/// Channel types with the scope that each requires. There are no direct messages.
const TYPES: &[(&str, &str)] = &[
    ("public_channel", "channels:read"),
    ("private_channel", "groups:read"),
    ("mpim", "mpim:read"),
    ("im", "im:read"),
];

/// Filter of a channel list.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelFilter {
    public: bool,
    private: bool,
    archived: bool,
}

impl ChannelFilter {
    /// Parses `types` and `exclude_archived`, and checks the token's scopes for these types.
    pub(super) fn parse(call: &MethodCall<'_>) -> Result<Self, WebApiError> {
        let mut types = call.args.list("types");
        if types.is_empty() {
            types.push("public_channel".to_owned());
        }
        for kind in &types {
            check_scope(call, kind)?;
        }
        let has = |name: &str| types.iter().any(|kind| kind == name);
        Ok(Self {
            public: has("public_channel"),
            private: has("private_channel"),
            archived: !call.args.flag("exclude_archived").unwrap_or(false),
        })
    }

    /// Whether a channel matches the filter.
    pub(super) fn matches(self, channel: &Channel) -> bool {
        let kind = if channel.is_private { self.private } else { self.public };
        kind && (self.archived || !channel.is_archived)
    }
}

/// Checks whether the token's scopes include this channel type.
pub(super) fn check_scope(call: &MethodCall<'_>, kind: &str) -> Result<(), WebApiError> {
    let known = TYPES.iter().find(|(name, _)| *name == kind);
    let (_, scope) = known.ok_or_else(|| WebApiError::new("invalid_types"))?;
    let scopes = &call.caller?.scopes;
    let is_held = scopes.iter().any(|held| held == scope);
    if is_held { Ok(()) } else { Err(WebApiError::missing_scope(scope, scopes)) }
}

/// Returns the channel object as the account `me` sees it.
pub(super) fn channel_object(
    org: &GridOrganization,
    team: usize,
    channel: &Channel,
    me: PersonIndex,
) -> Value {
    let workspace = org.workspaces.get(team);
    let team_id = workspace.map_or("", |workspace| workspace.id.as_str());
    let owner = workspace.and_then(|workspace| org.person(workspace.primary_owner));
    let creator = owner.map_or("", |person| person.id.as_str());
    let text = |value: &str| {
        let is_set = !value.is_empty();
        let (who, when) = if is_set { (creator, channel.created) } else { ("", 0) };
        json!({"value": value, "creator": who, "last_set": when})
    };
    json!({
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": !channel.is_private,
        "is_group": channel.is_private,
        "is_im": false,
        "is_mpim": false,
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_general": channel.is_general(),
        "is_member": org.is_in_channel(me, team, channel),
        "is_shared": false,
        "is_org_shared": false,
        "is_ext_shared": false,
        "is_pending_ext_shared": false,
        "is_global_shared": false,
        "is_org_default": false,
        "is_org_mandatory": false,
        "is_moved": 0,
        "pending_shared": [],
        "pending_connected_team_ids": [],
        "previous_names": [],
        "created": channel.created,
        // In milliseconds, unlike all other times here.
        "updated": channel.created * 1_000,
        "unlinked": 0,
        "creator": creator,
        "context_team_id": team_id,
        "conversation_host_id": team_id,
        "internal_team_ids": [team_id],
        "shared_team_ids": [team_id],
        "enterprise_id": org.id,
        "topic": text(""),
        "purpose": text(&channel.purpose),
        "properties": {},
    })
}
