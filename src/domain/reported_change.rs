//! Changes that a provider reports: which object changed, and what its audit log says of it. A report only leads to
//! another read of the object, so a report that is lost, late or repeated does no harm.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::effect::Effect;
use super::event::EventActor;
use super::names::names;
use super::sync::CopyKind;

/// The object of a directory that a change concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A user with its memberships and roles.
    User(String),
    /// A workspace.
    Workspace(String),
    /// A group with its members.
    Group(String),
}

impl Subject {
    /// Returns the subject of a kind with this id; `None` for kinds that are read with another.
    #[must_use]
    pub fn of(kind: CopyKind, id: String) -> Option<Self> {
        match kind {
            CopyKind::User => Some(Self::User(id)),
            CopyKind::Workspace => Some(Self::Workspace(id)),
            CopyKind::Group => Some(Self::Group(id)),
            CopyKind::WorkspaceMember | CopyKind::GroupMember | CopyKind::RoleAssignment => None,
        }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> CopyKind {
        match self {
            Self::User(_) => CopyKind::User,
            Self::Workspace(_) => CopyKind::Workspace,
            Self::Group(_) => CopyKind::Group,
        }
    }

    /// Returns the provider's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) | Self::Workspace(id) | Self::Group(id) => id,
        }
    }
}

/// A change that a provider reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedChange {
    /// The object.
    pub subject: Subject,
    /// Whether the change may concern the roles of a user.
    pub with_roles: bool,
    /// The entry of the audit log.
    pub cause: Option<Cause>,
}

/// What an audit log says of a change: who made it, when, and what it changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Who made it.
    pub actor: EventActor,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// The events that it explains.
    pub effects: Vec<Effect>,
}

/// A way in which changes of a directory become known between two full runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeSourceKind {
    /// The provider sends events to the gateway.
    ProviderEvents,
    /// The gateway reads the provider's audit log, which also names who made a change.
    AuditLog,
    /// The gateway lists the objects that were modified since the last time.
    LastModified,
}

names! { ChangeSourceKind, UnknownChangeSourceKind, "unknown source of changes",
    ProviderEvents = "provider_events",
    AuditLog = "audit_log",
    LastModified = "last_modified",
}
