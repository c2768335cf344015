//! Events: what happened to accounts and in their directories, in one feed.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{EventId, IntegratedAccountId};
use super::names::names;
use super::sync::CopyKind;

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum EventKind {
    /// An account was linked for the first time.
    #[serde(rename = "integrated_account.created")]
    Created,
    /// A new account is active.
    #[serde(rename = "integrated_account.active")]
    Active,
    /// The grant is invalid: the customer must link again.
    #[serde(rename = "integrated_account.needs_reauth")]
    NeedsReauth,
    /// The customer linked the account again.
    #[serde(rename = "integrated_account.reactivated")]
    Reactivated,
    /// The account was disconnected permanently.
    #[serde(rename = "integrated_account.disconnected")]
    Disconnected,
    /// The tokens could not be refreshed, although the grant may be valid; sent at most once per hour.
    #[serde(rename = "integrated_account.refresh_failed")]
    RefreshFailed,
    /// A run of the sync started.
    #[serde(rename = "sync.started")]
    SyncStarted,
    /// A run of the sync read the whole directory.
    #[serde(rename = "sync.succeeded")]
    SyncSucceeded,
    /// A run of the sync could not read some resources.
    #[serde(rename = "sync.partial")]
    SyncPartial,
    /// A run of the sync would remove too much: accept or reject it.
    #[serde(rename = "sync.held")]
    SyncHeld,
    /// A run of the sync could not read the directory.
    #[serde(rename = "sync.failed")]
    SyncFailed,
    /// A user was found or created.
    #[serde(rename = "user.created")]
    UserCreated,
    /// Fields of a user changed.
    #[serde(rename = "user.updated")]
    UserUpdated,
    /// A user can no longer sign in.
    #[serde(rename = "user.deactivated")]
    UserDeactivated,
    /// A deactivated user can sign in again.
    #[serde(rename = "user.reactivated")]
    UserReactivated,
    /// A user is no longer in the directory.
    #[serde(rename = "user.removed")]
    UserRemoved,
    /// A role was assigned.
    #[serde(rename = "role_assignment.granted")]
    RoleGranted,
    /// A role was removed from a user.
    #[serde(rename = "role_assignment.revoked")]
    RoleRevoked,
    /// A workspace was found or created.
    #[serde(rename = "workspace.created")]
    WorkspaceCreated,
    /// Fields of a workspace changed.
    #[serde(rename = "workspace.updated")]
    WorkspaceUpdated,
    /// A workspace is no longer in the directory.
    #[serde(rename = "workspace.archived")]
    WorkspaceArchived,
    /// A user joined a workspace.
    #[serde(rename = "workspace_member.added")]
    WorkspaceMemberAdded,
    /// A user left a workspace.
    #[serde(rename = "workspace_member.removed")]
    WorkspaceMemberRemoved,
    /// A group was found or created.
    #[serde(rename = "group.created")]
    GroupCreated,
    /// Fields of a group changed.
    #[serde(rename = "group.updated")]
    GroupUpdated,
    /// A group is no longer in the directory.
    #[serde(rename = "group.removed")]
    GroupRemoved,
    /// A user joined a group.
    #[serde(rename = "group_member.added")]
    GroupMemberAdded,
    /// A user left a group.
    #[serde(rename = "group_member.removed")]
    GroupMemberRemoved,
    /// A directory violates a policy.
    #[serde(rename = "drift.detected")]
    DriftDetected,
    /// A directory complies with a policy again.
    #[serde(rename = "drift.resolved")]
    DriftResolved,
    /// The plan of a reconciliation was made.
    #[serde(rename = "reconciliation.planned")]
    ReconciliationPlanned,
    /// A reconciliation was applied, or all of it but some steps.
    #[serde(rename = "reconciliation.applied")]
    ReconciliationApplied,
    /// The plan of a reconciliation could not be made, or applying it stopped.
    #[serde(rename = "reconciliation.failed")]
    ReconciliationFailed,
    /// Events are no longer delivered to an endpoint, because it failed for 72 hours or returned 410.
    #[serde(rename = "webhook.disabled")]
    WebhookDisabled,
}

names! { EventKind, UnknownEventKind,
    "unknown type of event; GET /openapi.json lists them as EventKind",
    Created = "integrated_account.created",
    Active = "integrated_account.active",
    NeedsReauth = "integrated_account.needs_reauth",
    Reactivated = "integrated_account.reactivated",
    Disconnected = "integrated_account.disconnected",
    RefreshFailed = "integrated_account.refresh_failed",
    SyncStarted = "sync.started",
    SyncSucceeded = "sync.succeeded",
    SyncPartial = "sync.partial",
    SyncHeld = "sync.held",
    SyncFailed = "sync.failed",
    UserCreated = "user.created",
    UserUpdated = "user.updated",
    UserDeactivated = "user.deactivated",
    UserReactivated = "user.reactivated",
    UserRemoved = "user.removed",
    RoleGranted = "role_assignment.granted",
    RoleRevoked = "role_assignment.revoked",
    WorkspaceCreated = "workspace.created",
    WorkspaceUpdated = "workspace.updated",
    WorkspaceArchived = "workspace.archived",
    WorkspaceMemberAdded = "workspace_member.added",
    WorkspaceMemberRemoved = "workspace_member.removed",
    GroupCreated = "group.created",
    GroupUpdated = "group.updated",
    GroupRemoved = "group.removed",
    GroupMemberAdded = "group_member.added",
    GroupMemberRemoved = "group_member.removed",
    DriftDetected = "drift.detected",
    DriftResolved = "drift.resolved",
    ReconciliationPlanned = "reconciliation.planned",
    ReconciliationApplied = "reconciliation.applied",
    ReconciliationFailed = "reconciliation.failed",
    WebhookDisabled = "webhook.disabled",
}

impl EventKind {
    /// Returns the type for an object that appeared in a directory.
    #[must_use]
    pub fn added(kind: CopyKind) -> Self {
        match kind {
            CopyKind::Workspace => Self::WorkspaceCreated,
            CopyKind::User => Self::UserCreated,
            CopyKind::WorkspaceMember => Self::WorkspaceMemberAdded,
            CopyKind::Group => Self::GroupCreated,
            CopyKind::GroupMember => Self::GroupMemberAdded,
            CopyKind::RoleAssignment => Self::RoleGranted,
        }
    }

    /// Returns the type for an object that is no longer in a directory.
    #[must_use]
    pub fn removed(kind: CopyKind) -> Self {
        match kind {
            CopyKind::Workspace => Self::WorkspaceArchived,
            CopyKind::User => Self::UserRemoved,
            CopyKind::WorkspaceMember => Self::WorkspaceMemberRemoved,
            CopyKind::Group => Self::GroupRemoved,
            CopyKind::GroupMember => Self::GroupMemberRemoved,
            CopyKind::RoleAssignment => Self::RoleRevoked,
        }
    }

    /// Returns the kind of object that the event is about; `None` for accounts, runs, policies and webhooks.
    #[must_use]
    pub fn copy_kind(self) -> Option<CopyKind> {
        match self {
            Self::UserCreated
            | Self::UserUpdated
            | Self::UserDeactivated
            | Self::UserReactivated
            | Self::UserRemoved => Some(CopyKind::User),
            Self::RoleGranted | Self::RoleRevoked => Some(CopyKind::RoleAssignment),
            Self::WorkspaceCreated | Self::WorkspaceUpdated | Self::WorkspaceArchived => {
                Some(CopyKind::Workspace)
            }
            Self::WorkspaceMemberAdded | Self::WorkspaceMemberRemoved => {
                Some(CopyKind::WorkspaceMember)
            }
            Self::GroupCreated | Self::GroupUpdated | Self::GroupRemoved => Some(CopyKind::Group),
            Self::GroupMemberAdded | Self::GroupMemberRemoved => Some(CopyKind::GroupMember),
            Self::Created
            | Self::Active
            | Self::NeedsReauth
            | Self::Reactivated
            | Self::Disconnected
            | Self::RefreshFailed
            | Self::SyncStarted
            | Self::SyncSucceeded
            | Self::SyncPartial
            | Self::SyncHeld
            | Self::SyncFailed
            | Self::DriftDetected
            | Self::DriftResolved
            | Self::ReconciliationPlanned
            | Self::ReconciliationApplied
            | Self::ReconciliationFailed
            | Self::WebhookDisabled => None,
        }
    }

    /// Returns the type for an object whose fields changed; `None` where a change is a removal and an addition.
    #[must_use]
    pub fn updated(kind: CopyKind) -> Option<Self> {
        match kind {
            CopyKind::Workspace => Some(Self::WorkspaceUpdated),
            CopyKind::User => Some(Self::UserUpdated),
            CopyKind::Group => Some(Self::GroupUpdated),
            CopyKind::WorkspaceMember | CopyKind::GroupMember | CopyKind::RoleAssignment => None,
        }
    }
}

/// How the gateway learned of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventOrigin {
    /// The gateway made the change.
    Gateway,
    /// The provider sent an event.
    ProviderEvent,
    /// The provider's audit log has it.
    AuditLog,
    /// A run of the sync found it.
    Sync,
}

names! { EventOrigin, UnknownEventOrigin, "unknown origin of an event",
    Gateway = "gateway",
    ProviderEvent = "provider_event",
    AuditLog = "audit_log",
    Sync = "sync",
}

/// The app at a provider by which a change was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActingApp {
    /// The provider's id of the app.
    #[schema(example = "A0EXAMPLE")]
    pub id: String,
    /// The app's name.
    pub name: Option<String>,
}

/// Who made a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventActor {
    /// The kind of actor: `user`, `app`, `scim`, `gateway` or `unknown`.
    #[serde(rename = "type")]
    #[schema(example = "gateway")]
    pub kind: String,
    /// The actor's id: of the provider, or of the API key for `gateway`.
    pub id: Option<String>,
    /// The actor's name.
    pub name: Option<String>,
    /// The app at the provider that the actor used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<ActingApp>,
    /// The request to the gateway that made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Event {
    /// The event's id.
    pub id: EventId,
    /// The type of the event.
    // A text: a later version may have appended events of other types.
    #[serde(rename = "type")]
    #[schema(value_type = EventKind)]
    pub kind: String,
    /// The position among the events of the account, without gaps; `null` for events about no account.
    #[schema(example = 17)]
    pub sequence: Option<i64>,
    /// The account; `null` for events about no account.
    pub integrated_account_id: Option<IntegratedAccountId>,
    /// Your id of the customer.
    pub tenant_id: Option<String>,
    /// When it happened; the time at which the gateway found it, where the provider has none.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
    /// When the gateway recorded it.
    #[serde(with = "time::serde::rfc3339")]
    pub observed_at: OffsetDateTime,
    /// How the gateway learned of it.
    pub origin: EventOrigin,
    /// Who made the change; `null` while it is unknown. The provider's audit log may name the actor later: then the
    /// stored event is completed, and is not delivered again.
    pub actor: Option<EventActor>,
    /// The object after the change; `null` after a removal, and for events about the account itself.
    #[schema(value_type = Option<Object>)]
    pub object: Option<Box<RawValue>>,
    /// The earlier values of the fields that changed; after a removal, the whole object.
    #[schema(value_type = Option<Object>)]
    pub previous: Option<Box<RawValue>>,
    /// Present and `true` for an object that the first run found.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub initial: bool,
    /// For events about the account: its state after the event. For `sync.…`: the run. For `webhook.…`: the endpoint.
    #[schema(value_type = Option<Object>)]
    pub data: Option<Box<RawValue>>,
}
