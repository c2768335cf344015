//! The channel object of `conversations.*`, and which channels a list holds:
//! <https://docs.slack.dev/reference/objects/conversation-object>.

use serde_json::{Value, json};

use super::method::Call;
use super::refusal::Refusal;
use crate::sandbox::org::{Channel, Organization, PersonIndex, Workspace};

/// The kinds of channel, each with the scope that shows it. There are no direct messages here.
const TYPES: &[(&str, &str)] = &[
    ("public_channel", "channels:read"),
    ("private_channel", "groups:read"),
    ("mpim", "mpim:read"),
    ("im", "im:read"),
];

/// Which channels are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    open: bool,
    private: bool,
    archived: bool,
}

impl Channels {
    /// Reads `types` and `exclude_archived`, and whether the token may see those types.
    pub(super) fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut types = call.args.list("types");
        if types.is_empty() {
            types.push("public_channel".to_owned());
        }
        let scopes = &call.caller?.scopes;
        for kind in &types {
            let known = TYPES.iter().find(|(name, _)| name == kind);
            let (_, scope) = known.ok_or_else(|| Refusal::new("invalid_types"))?;
            if !scopes.iter().any(|held| held == scope) {
                return Err(Refusal::missing_scope(scope, scopes));
            }
        }
        let has = |name: &str| types.iter().any(|kind| kind == name);
        Ok(Self {
            open: has("public_channel"),
            private: has("private_channel"),
            archived: !call.args.flag("exclude_archived").unwrap_or(false),
        })
    }

    /// The wanted channels of one workspace or of all, each with its position, from one on.
    pub(super) fn of(
        self,
        org: &Organization,
        team: Option<usize>,
        start: u64,
        is_seen: impl Fn(usize, &Channel) -> bool,
    ) -> impl Iterator<Item = (u64, (usize, &Channel))> {
        let teams = org.workspaces.iter().enumerate();
        let teams = teams.filter(move |(number, _)| team.is_none_or(|wanted| wanted == *number));
        let all = teams.flat_map(|(number, workspace): (usize, &Workspace)| {
            workspace.channels.iter().map(move |channel| (number, channel))
        });
        let wanted = move |channel: &Channel| {
            let kind = if channel.is_private { self.private } else { self.open };
            kind && (self.archived || !channel.is_archived)
        };
        let numbered = (0_u64..).zip(all).filter(move |(position, _)| *position >= start);
        numbered.filter(move |(_, (at, channel))| wanted(channel) && is_seen(*at, channel))
    }
}

/// The channel as somebody sees it.
pub(super) fn channel_object(
    org: &Organization,
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
        // Milliseconds, unlike every other time here.
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
