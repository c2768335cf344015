//! The table of roles. Slack has no method that lists them: levels and guest types have ids of Switchboard, system
//! roles are those of <https://docs.slack.dev/reference/methods/admin.roles.addAssignments>.

use async_trait::async_trait;

use super::SlackConnector;
use super::api::reject_reserved;
use super::wire;
use crate::connectors::page_token::{decode, encode};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::filter::Filter as _;
use crate::domain::page::Page;
use crate::domain::role::RoleScope::{Channel, Organization, Workspace};
use crate::domain::role::{Role, RoleKind, RoleScope};

/// A row of the table.
struct RoleDefinition {
    id: &'static str,
    name: &'static str,
    description: &'static str,
    kind: RoleKind,
    applicable_in: &'static [RoleScope],
    is_privileged: bool,
}

const fn level(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    place: &'static [RoleScope],
    is_privileged: bool,
) -> RoleDefinition {
    RoleDefinition {
        id,
        name,
        description,
        kind: RoleKind::Level,
        applicable_in: place,
        is_privileged,
    }
}

const fn guest(id: &'static str, name: &'static str, description: &'static str) -> RoleDefinition {
    let kind = RoleKind::Guest;
    RoleDefinition {
        id,
        name,
        description,
        kind,
        applicable_in: &[Workspace],
        is_privileged: false,
    }
}

const fn system(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    applicable_in: &'static [RoleScope],
) -> RoleDefinition {
    RoleDefinition {
        id,
        name,
        description,
        kind: RoleKind::System,
        applicable_in,
        is_privileged: true,
    }
}

const ORG: &[RoleScope] = &[Organization];
const WS: &[RoleScope] = &[Workspace];
const ORG_OR_WS: &[RoleScope] = &[Organization, Workspace];
const ANYWHERE: &[RoleScope] = &[Organization, Workspace, Channel];

const ROLES: &[RoleDefinition] = &[
    level(
        "org:primary_owner",
        "Primary Org Owner",
        "Has final responsibility for the organization; only one.",
        ORG,
        true,
    ),
    level("org:owner", "Org Owner", "Manages everything in the organization.", ORG, true),
    level(
        "org:admin",
        "Org Admin",
        "Manages people and workspaces of the organization.",
        ORG,
        true,
    ),
    level("org:member", "Org Member", "A full member of the organization.", ORG, false),
    level(
        "ws:primary_owner",
        "Primary Workspace Owner",
        "Has final responsibility for a workspace; only one.",
        WS,
        true,
    ),
    level("ws:owner", "Workspace Owner", "Manages everything in a workspace.", WS, true),
    level("ws:admin", "Workspace Admin", "Manages people and channels of a workspace.", WS, true),
    level("ws:member", "Workspace Member", "A full member of a workspace.", WS, false),
    guest(
        "ws:guest_multi_channel",
        "Multi-Channel Guest",
        "Sees the channels they were invited to.",
    ),
    guest("ws:guest_single_channel", "Single-Channel Guest", "Sees one channel."),
    system("Rl01", "Channel Admin", "Manages channels.", ORG_OR_WS),
    system("Rl02", "Role Admin", "Assigns and removes system roles.", ORG_OR_WS),
    system("Rl03", "User Admin", "Manages people.", ORG_OR_WS),
    system("Rl04", "Legal Holds Admin", "Manages legal holds.", ORG),
    system("Rl05", "Conversation Admin", "Manages conversations.", ORG_OR_WS),
    system("Rl09", "DLP Admin", "Manages data loss prevention.", ORG),
    system("Rl0A", "Channel Manager", "Manages the assigned channels.", ANYWHERE),
    system("Rl0B", "Slack Platform Developer", "Builds and manages apps.", ORG_OR_WS),
    system("Rl0C", "Audit Logs Admin", "Reads the audit logs.", ORG_OR_WS),
    system("Rl0D", "Integrations Manager", "Manages apps and integrations.", ORG),
    system("Rl0E", "Message Activity Manager", "Reviews message activity.", ORG),
    system("Rl0F", "Exports Admin", "Exports data.", ORG),
    system("Rl0G", "Sales Admin", "Manages the sales features.", ORG),
    system("Rl0H", "Sales User", "Uses the sales features.", ORG),
    system("Rl0J", "Security Admin", "Manages security settings.", ORG),
    system("Rl0K", "Workflow Admin", "Manages workflows.", ORG),
    system("Rl0L", "Analytics Admin", "Reads analytics.", ORG_OR_WS),
];

/// Returns the name of a role in the table.
pub(super) fn name(id: &str) -> Option<&'static str> {
    find(id).map(|known| known.name)
}

/// Whether a role is privileged. An unknown role counts as privileged.
pub(super) fn is_privileged(id: &str) -> bool {
    find(id).is_none_or(|known| known.is_privileged)
}

fn find(id: &str) -> Option<&'static RoleDefinition> {
    ROLES.iter().find(|known| known.id == id)
}

impl RoleDefinition {
    fn role(&self) -> Role {
        let is_primary = self.id.ends_with(":primary_owner");
        Role {
            id: self.id.to_owned(),
            name: self.name.to_owned(),
            description: Some(self.description.to_owned()),
            scope: self.applicable_in.first().copied().unwrap_or(Organization),
            kind: self.kind,
            is_assignable: !is_primary,
            is_privileged: self.is_privileged,
            applicable_in: self.applicable_in.to_vec(),
        }
    }
}

/// Whether an id is of a system or custom role.
pub(super) fn is_provider_id(id: &str) -> bool {
    id.len() > 2 && id.starts_with("Rl") && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a role with that id can exist.
pub(super) fn can_be_held(id: &str) -> bool {
    find(id).is_some() || is_provider_id(id)
}

/// A level of the organization or of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdminLevel {
    PrimaryOwner,
    Owner,
    Admin,
    Member,
}

impl AdminLevel {
    pub(super) fn of(is_primary_owner: bool, is_owner: bool, is_admin: bool) -> Self {
        if is_primary_owner {
            Self::PrimaryOwner
        } else if is_owner {
            Self::Owner
        } else if is_admin {
            Self::Admin
        } else {
            Self::Member
        }
    }

    /// Returns the level of a row of `admin.users.list`: in the organization, or in the requested workspace.
    pub(super) fn in_organization(row: &wire::AdminUser) -> Self {
        Self::of(row.is_primary_owner, row.is_owner, row.is_admin)
    }

    /// Returns the level in the organization of a user of `users.info`.
    pub(super) fn in_enterprise(part: &wire::EnterpriseUser) -> Self {
        Self::of(part.is_primary_owner, part.is_owner, part.is_admin)
    }

    /// Returns the role id of this level of the organization.
    pub(super) fn organization_role(self) -> &'static str {
        match self {
            Self::PrimaryOwner => "org:primary_owner",
            Self::Owner => "org:owner",
            Self::Admin => "org:admin",
            Self::Member => "org:member",
        }
    }

    /// Returns the level of a workspace role id.
    pub(super) fn of_workspace_role(id: &str) -> Option<Self> {
        let all = [Self::PrimaryOwner, Self::Owner, Self::Admin, Self::Member];
        all.into_iter().find(|level| level.workspace_role() == id)
    }

    /// Returns the role id of this level of a workspace.
    pub(super) fn workspace_role(self) -> &'static str {
        match self {
            Self::PrimaryOwner => "ws:primary_owner",
            Self::Owner => "ws:owner",
            Self::Admin => "ws:admin",
            Self::Member => "ws:member",
        }
    }
}

/// Returns the role of a row of a workspace's members; `None` for a bot.
pub(super) fn workspace_role(
    user: &wire::AdminUser,
    is_primary_owner: bool,
) -> Option<&'static str> {
    if user.is_bot {
        None
    } else if user.is_ultra_restricted {
        Some("ws:guest_single_channel")
    } else if user.is_restricted {
        Some("ws:guest_multi_channel")
    } else if is_primary_owner {
        Some(AdminLevel::PrimaryOwner.workspace_role())
    } else {
        Some(AdminLevel::in_organization(user).workspace_role())
    }
}

#[async_trait]
impl ReadResource<Role> for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Role>,
    ) -> Result<Page<Unified<Role>, PageToken>, ConnectorError> {
        let ListRequest { page, filter, remote_query, .. } = request;
        // There is no provider call that takes arguments.
        reject_reserved(cx, "roles", remote_query, &remote_query.names().collect::<Vec<_>>())?;
        let start: usize = decode(cx, "roles", page.token.as_ref())?;
        let admitted = (0_usize..).zip(ROLES).skip(start);
        let mut admitted = admitted.filter_map(|(number, known)| {
            let role = known.role();
            filter.matches(&role).then_some((number, role))
        });
        let rows = admitted.by_ref().take(page.limit.into());
        let items = rows.map(|(_, unified)| Unified::new(unified, None)).collect();
        let next = admitted.next().map(|(number, _)| encode(&number));
        Ok(Page { items, next })
    }

    async fn get(
        &self,
        _: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Role>>, ConnectorError> {
        let unlisted = || {
            // Custom roles, and system roles newer than the table.
            is_provider_id(id).then(|| Role {
                id: id.to_owned(),
                name: id.to_owned(),
                description: None,
                scope: Organization,
                kind: RoleKind::Custom,
                is_assignable: true,
                is_privileged: true,
                applicable_in: ORG_OR_WS.to_vec(),
            })
        };
        let role = find(id).map(RoleDefinition::role).or_else(unlisted);
        Ok(role.map(|unified| Unified::new(unified, None)))
    }
}
