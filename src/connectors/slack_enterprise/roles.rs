//! Roles. Slack has no method that lists them: the levels and kinds of guest are ours to name, and the
//! system roles are the table of <https://docs.slack.dev/reference/methods/admin.roles.addAssignments>.

use async_trait::async_trait;

use super::SlackEnterprise;
use super::api::refuse_reserved;
use super::wire;
use crate::connectors::position::{encode, position};
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::filter::Filter as _;
use crate::domain::page::Page;
use crate::domain::role::RoleScope::{Channel, Organization, Workspace};
use crate::domain::role::{Role, RoleKind, RoleScope};

/// A row of the table: id, name, what it permits, kind, where it applies, whether its holder can harm
/// others.
struct Known {
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
) -> Known {
    Known { id, name, description, kind: RoleKind::Level, applicable_in: place, is_privileged }
}

const fn guest(id: &'static str, name: &'static str, description: &'static str) -> Known {
    let kind = RoleKind::Guest;
    Known { id, name, description, kind, applicable_in: &[Workspace], is_privileged: false }
}

const fn system(
    id: &'static str,
    name: &'static str,
    description: &'static str,
    applicable_in: &'static [RoleScope],
) -> Known {
    Known { id, name, description, kind: RoleKind::System, applicable_in, is_privileged: true }
}

const ORG: &[RoleScope] = &[Organization];
const WS: &[RoleScope] = &[Workspace];
const ORG_OR_WS: &[RoleScope] = &[Organization, Workspace];
const ANYWHERE: &[RoleScope] = &[Organization, Workspace, Channel];

const KNOWN: &[Known] = &[
    level(
        "org:primary_owner",
        "Primary Org Owner",
        "Answers for the organization; only one.",
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
        "Answers for a workspace; only one.",
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
    system("Rl02", "Role Admin", "Gives and takes system roles.", ORG_OR_WS),
    system("Rl03", "User Admin", "Manages people.", ORG_OR_WS),
    system("Rl04", "Legal Holds Admin", "Manages legal holds.", ORG),
    system("Rl05", "Conversation Admin", "Manages conversations.", ORG_OR_WS),
    system("Rl09", "DLP Admin", "Manages data loss prevention.", ORG),
    system("Rl0A", "Channel Manager", "Manages the channels given.", ANYWHERE),
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

/// The name of a role in the table.
pub(super) fn name(id: &str) -> Option<&'static str> {
    find(id).map(|known| known.name)
}

/// Whether a role's holder can harm others. One that nobody knows is taken for one who can.
pub(super) fn is_privileged(id: &str) -> bool {
    find(id).is_none_or(|known| known.is_privileged)
}

fn find(id: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.id == id)
}

impl Known {
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

/// Whether an id is one of a system or custom role.
pub(super) fn is_provider_id(id: &str) -> bool {
    id.len() > 2 && id.starts_with("Rl") && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether somebody can hold a role with that id at all.
pub(super) fn can_be_held(id: &str) -> bool {
    find(id).is_some() || is_provider_id(id)
}

/// A rung of the ladder of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    PrimaryOwner,
    Owner,
    Admin,
    Member,
}

impl Level {
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

    /// The level that the flags of a row of `admin.users.list` tell: of the organization, or of the
    /// workspace that was asked for.
    pub(super) fn in_organization(row: &wire::AdminUser) -> Self {
        Self::of(row.is_primary_owner, row.is_owner, row.is_admin)
    }

    /// The level in the organization that `users.info` tells.
    pub(super) fn in_enterprise(part: &wire::EnterpriseUser) -> Self {
        Self::of(part.is_primary_owner, part.is_owner, part.is_admin)
    }

    /// Our id of this level of the organization.
    pub(super) fn organization_role(self) -> &'static str {
        match self {
            Self::PrimaryOwner => "org:primary_owner",
            Self::Owner => "org:owner",
            Self::Admin => "org:admin",
            Self::Member => "org:member",
        }
    }

    /// The level that an id of ours names in a workspace.
    pub(super) fn of_workspace_role(id: &str) -> Option<Self> {
        let all = [Self::PrimaryOwner, Self::Owner, Self::Admin, Self::Member];
        all.into_iter().find(|level| level.workspace_role() == id)
    }

    /// Our id of this level of a workspace.
    pub(super) fn workspace_role(self) -> &'static str {
        match self {
            Self::PrimaryOwner => "ws:primary_owner",
            Self::Owner => "ws:owner",
            Self::Admin => "ws:admin",
            Self::Member => "ws:member",
        }
    }
}

/// The role that a row of a workspace's members tells; `None` for a bot.
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
        Some(Level::PrimaryOwner.workspace_role())
    } else {
        Some(Level::in_organization(user).workspace_role())
    }
}

#[async_trait]
impl Reads<Role> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, Role>,
    ) -> Result<Page<Record<Role>, Position>, ConnectorError> {
        let Question { page, filter, remote_query, .. } = question;
        // There is no call that they could go to.
        refuse_reserved(cx, "roles", remote_query, &remote_query.names().collect::<Vec<_>>())?;
        let start: usize = position(cx, "roles", page.position.as_ref())?;
        let admitted = (0_usize..).zip(KNOWN).skip(start);
        let mut admitted = admitted.filter_map(|(number, known)| {
            let role = known.role();
            filter.admits(&role).then_some((number, role))
        });
        let rows = admitted.by_ref().take(page.limit.into());
        let items = rows.map(|(_, unified)| Record::new(unified, None)).collect();
        let next = admitted.next().map(|(number, _)| encode(&number));
        Ok(Page { items, next })
    }

    async fn get(
        &self,
        _: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Role>>, ConnectorError> {
        let unlisted = || {
            // Custom roles, and system roles that are newer than the table.
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
        let role = find(id).map(Known::role).or_else(unlisted);
        Ok(role.map(|unified| Record::new(unified, None)))
    }
}
