//! The directory sync: what a copy of a directory contains, how often it is read, and the states of a run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::names;
use super::patch::ValidationError;

/// A kind of objects in the copy of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyKind {
    /// A workspace.
    Workspace,
    /// A user or bot.
    User,
    /// A user's membership of a workspace.
    WorkspaceMember,
    /// A group.
    Group,
    /// A user's membership of a group.
    GroupMember,
    /// A role held by a user.
    RoleAssignment,
}

names! { CopyKind, UnknownCopyKind, "unknown kind of objects",
    Workspace = "workspace",
    User = "user",
    WorkspaceMember = "workspace_member",
    Group = "group",
    GroupMember = "group_member",
    RoleAssignment = "role_assignment",
}

impl CopyKind {
    /// Returns the resource that the kind is read with.
    #[must_use]
    pub fn resource(self) -> SyncResource {
        match self {
            Self::Workspace => SyncResource::Workspaces,
            Self::User | Self::WorkspaceMember => SyncResource::Users,
            Self::Group | Self::GroupMember => SyncResource::Groups,
            Self::RoleAssignment => SyncResource::RoleAssignments,
        }
    }

    /// Returns the name of several of them, for texts.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::Workspace => "workspaces",
            Self::User => "users",
            Self::WorkspaceMember => "workspace memberships",
            Self::Group => "groups",
            Self::GroupMember => "group memberships",
            Self::RoleAssignment => "role assignments",
        }
    }
}

/// A resource that a run reads. Users include the members of workspaces; groups include their members.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SyncResource {
    /// Workspaces, with their owners and admins.
    Workspaces,
    /// Users with their profiles, and the members of workspaces.
    Users,
    /// Groups, with their members.
    Groups,
    /// Role assignments.
    RoleAssignments,
}

names! { SyncResource, UnknownSyncResource,
    "unknown resource; the known ones are: workspaces, users, groups, role_assignments",
    Workspaces = "workspaces",
    Users = "users",
    Groups = "groups",
    RoleAssignments = "role_assignments",
}

impl SyncResource {
    /// Returns the kinds of objects that are read with it, each before those that refer to it.
    #[must_use]
    pub fn kinds(self) -> &'static [CopyKind] {
        match self {
            Self::Workspaces => &[CopyKind::Workspace],
            Self::Users => &[CopyKind::User, CopyKind::WorkspaceMember],
            Self::Groups => &[CopyKind::Group, CopyKind::GroupMember],
            Self::RoleAssignments => &[CopyKind::RoleAssignment],
        }
    }
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SyncStatus {
    /// It waits for a worker.
    Queued,
    /// A worker reads the directory.
    Running,
    /// The copy is complete.
    Succeeded,
    /// Some resources could not be read; nothing of them was removed.
    Partial,
    /// It would remove more than `max_removed`: accept or reject it.
    Held,
    /// The directory could not be read.
    Failed,
    /// It was cancelled, or a held run was rejected.
    Cancelled,
}

names! { SyncStatus, UnknownSyncStatus,
    "unknown status; the known ones are: queued, running, succeeded, partial, held, failed, cancelled",
    Queued = "queued",
    Running = "running",
    Succeeded = "succeeded",
    Partial = "partial",
    Held = "held",
    Failed = "failed",
    Cancelled = "cancelled",
}

/// How many objects of a kind one run may remove: the larger of the two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MaxRemoved {
    /// A number of objects.
    #[schema(minimum = 0, example = 20)]
    pub count: u32,
    /// A percentage of the objects in the copy.
    #[schema(minimum = 0, maximum = 100, example = 10)]
    pub percent: u8,
}

impl MaxRemoved {
    /// Whether `removed` of `present` objects may be removed. All of them may not.
    #[must_use]
    pub fn allows(self, removed: u64, present: u64) -> bool {
        let share = present.saturating_mul(self.percent.into()) / 100;
        removed == 0 || (removed < present && removed <= share.max(self.count.into()))
    }
}

/// The effective settings of an account's sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SyncSettings {
    /// Whether the directory is copied.
    #[schema(example = true)]
    pub enabled: bool,
    /// Seconds between two full runs.
    #[schema(example = 86_400)]
    pub full_every_s: u32,
    /// Seconds between two readings of the provider's audit log.
    #[schema(example = 300)]
    pub poll_every_s: u32,
    /// The resources that are copied.
    pub resources: BTreeSet<SyncResource>,
    /// Retention of earlier versions of objects, in days.
    #[schema(example = 400)]
    pub history_days: u32,
    /// How many objects of a kind one run may remove.
    pub max_removed: MaxRemoved,
    /// Whether the first run appends an event for each object.
    #[schema(example = false)]
    pub emit_initial: bool,
}

impl Default for SyncSettings {
    fn default() -> Self {
        Self {
            enabled: false,
            full_every_s: 86_400,
            poll_every_s: 300,
            resources: SyncResource::ALL.iter().copied().collect(),
            history_days: 400,
            max_removed: MaxRemoved { count: 20, percent: 10 },
            emit_initial: false,
        }
    }
}

/// Settings that differ from those of the environment, or from the defaults. Absent fields are inherited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"enabled": true, "full_every_s": 43_200}))]
#[serde(deny_unknown_fields)]
pub struct SyncOverrides {
    /// Whether the directory is copied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Seconds between two full runs.
    #[schema(minimum = 300, maximum = 2_592_000)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_every_s: Option<u32>,
    /// Seconds between two readings of the provider's audit log.
    #[schema(minimum = 60, maximum = 86_400)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_every_s: Option<u32>,
    /// The resources that are copied.
    #[schema(value_type = Option<Vec<SyncResource>>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<BTreeSet<SyncResource>>,
    /// Retention of earlier versions of objects, in days.
    #[schema(minimum = 1, maximum = 3_650)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_days: Option<u32>,
    /// How many objects of a kind one run may remove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_removed: Option<MaxRemoved>,
    /// Whether the first run appends an event for each object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emit_initial: Option<bool>,
}

impl SyncOverrides {
    /// Returns the validation errors; `pointer` is the place of the settings in the request body.
    #[must_use]
    pub fn validate(&self, pointer: &str) -> Vec<ValidationError> {
        let within = |name: &str, value: Option<u32>, least: u32, most: u32| {
            let is_valid = value.is_none_or(|value| (least..=most).contains(&value));
            (!is_valid).then(|| {
                let message = format!("must be between {least} and {most}");
                ValidationError::at(format!("{pointer}/{name}"), message)
            })
        };
        let percent = self.max_removed.map(|most| most.percent.into());
        let no_resource = self.resources.as_ref().is_some_and(BTreeSet::is_empty);
        let errors = [
            within("full_every_s", self.full_every_s, 300, 2_592_000),
            within("poll_every_s", self.poll_every_s, 60, 86_400),
            within("history_days", self.history_days, 1, 3_650),
            within("max_removed/percent", percent, 0, 100),
            no_resource.then(|| {
                let message = "must name a resource; set `enabled` to false to copy none";
                ValidationError::at(format!("{pointer}/resources"), message)
            }),
        ];
        errors.into_iter().flatten().collect()
    }

    /// Returns `settings` with these in their places.
    #[must_use]
    pub fn apply_to(&self, settings: SyncSettings) -> SyncSettings {
        SyncSettings {
            enabled: self.enabled.unwrap_or(settings.enabled),
            full_every_s: self.full_every_s.unwrap_or(settings.full_every_s),
            poll_every_s: self.poll_every_s.unwrap_or(settings.poll_every_s),
            resources: self.resources.clone().unwrap_or(settings.resources),
            history_days: self.history_days.unwrap_or(settings.history_days),
            max_removed: self.max_removed.unwrap_or(settings.max_removed),
            emit_initial: self.emit_initial.unwrap_or(settings.emit_initial),
        }
    }

    /// Returns these settings changed by `patch`; absent fields are unchanged.
    #[must_use]
    pub fn patched(self, patch: Self) -> Self {
        Self {
            enabled: patch.enabled.or(self.enabled),
            full_every_s: patch.full_every_s.or(self.full_every_s),
            poll_every_s: patch.poll_every_s.or(self.poll_every_s),
            resources: patch.resources.or(self.resources),
            history_days: patch.history_days.or(self.history_days),
            max_removed: patch.max_removed.or(self.max_removed),
            emit_initial: patch.emit_initial.or(self.emit_initial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_removals_by_the_larger_number_and_never_allows_all() {
        let most = MaxRemoved { count: 20, percent: 10 };
        for (removed, present, allowed) in [
            (0, 0, true),
            (0, 5, true),
            (4, 5, true),
            (5, 5, false),
            (20, 30, true),
            (21, 30, false),
            (100, 1_000, true),
            (101, 1_000, false),
        ] {
            assert_eq!(most.allows(removed, present), allowed, "{removed} of {present}");
        }
    }
}
