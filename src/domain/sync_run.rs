//! A run of the directory sync: what it has read so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{IntegratedAccountId, JobId, SyncRunId};
use super::sync::{CopyKind, SyncResource, SyncStatus};

/// Numbers of objects of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ChangeCounts {
    /// New objects.
    #[schema(example = 3)]
    pub created: u64,
    /// Objects with other fields than before.
    #[schema(example = 1)]
    pub updated: u64,
    /// Objects that are no longer in the directory.
    #[schema(example = 0)]
    pub removed: u64,
    /// Objects that are as before.
    #[schema(example = 196)]
    pub unchanged: u64,
}

impl ChangeCounts {
    /// Adds other numbers.
    pub fn add(&mut self, other: Self) {
        self.created += other.created;
        self.updated += other.updated;
        self.removed += other.removed;
        self.unchanged += other.unchanged;
    }

    /// Returns the number of objects that are in the directory.
    #[must_use]
    pub fn present(self) -> u64 {
        self.created + self.updated + self.unchanged
    }
}

/// How much of a resource a run has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct SyncProgress {
    /// The resource.
    pub resource: SyncResource,
    /// Objects read.
    #[schema(example = 100)]
    pub done: u64,
    /// Objects in the copy before the run; `null` in a first run.
    #[schema(example = 200)]
    pub expected: Option<u64>,
}

/// Why a run or a resource of it could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncProblem {
    /// A stable code, such as `missing_scope` or `endless_list`.
    #[schema(example = "missing_scope")]
    pub code: String,
    /// What was wrong, and how to fix it.
    #[schema(
        example = "admin.users.list failed: missing_scope. Link the account again with all scopes."
    )]
    pub detail: String,
    /// The resource that could not be read; `null` for all.
    pub resource: Option<SyncResource>,
    /// The provider's method.
    #[schema(example = "admin.users.list")]
    pub method: Option<String>,
}

/// The pass of a run: what it reads next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncPass {
    /// Lists workspaces.
    Workspaces,
    /// Lists the profiles that are merged into users.
    Profiles,
    /// Lists users.
    Users,
    /// Lists groups.
    Groups,
    /// Lists role assignments.
    RoleAssignments,
    /// Requests what was not listed by its id, and removes what is not found.
    Removals,
}

impl SyncPass {
    /// Every pass, in order: each object is read before those that refer to it.
    pub const ALL: [Self; 6] = [
        Self::Workspaces,
        Self::Profiles,
        Self::Users,
        Self::Groups,
        Self::RoleAssignments,
        Self::Removals,
    ];

    /// Returns the resource of the pass; `None` for that of the removals.
    #[must_use]
    pub fn resource(self) -> Option<SyncResource> {
        match self {
            Self::Workspaces => Some(SyncResource::Workspaces),
            Self::Profiles | Self::Users => Some(SyncResource::Users),
            Self::Groups => Some(SyncResource::Groups),
            Self::RoleAssignments => Some(SyncResource::RoleAssignments),
            Self::Removals => None,
        }
    }

    /// Returns the pass after this one.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|pass| *pass > self)
    }
}

/// Where a run continues: stored with the page that it follows, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The pass.
    pub pass: SyncPass,
    /// The connector's token of the next page; `None` at the start of the pass.
    pub token: Option<String>,
    /// The pages of this pass so far, to detect a list without an end.
    pub history: Vec<u8>,
    /// When the first page of each resource was requested.
    pub started: BTreeMap<SyncResource, Started>,
    /// Objects read, by kind.
    pub counts: BTreeMap<CopyKind, ChangeCounts>,
    /// The number of objects in the copy before the run, by kind.
    pub expected: BTreeMap<CopyKind, u64>,
    /// What could not be read. A problem with a resource stops the reading of that resource.
    pub problems: Vec<SyncProblem>,
    /// The resources that the account's server does not have: nothing of them is removed.
    #[serde(default)]
    pub unsupported: BTreeSet<SyncResource>,
    /// The resources that were read with rows left out: nothing of them is removed.
    pub incomplete: BTreeSet<SyncResource>,
    /// What the run was held for, by kind.
    #[serde(default)]
    pub held_removals: BTreeMap<CopyKind, HeldRemovals>,
    /// How often a list was read from its start again, because its page token had expired.
    pub restarts: u32,
    /// Whether profiles are read, so that users may be written.
    pub has_profiles: bool,
}

/// Objects of one kind that a held run would remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldRemovals {
    /// Objects of the copy that the provider did not list.
    #[schema(example = 121)]
    pub missing: u64,
    /// Objects of the copy.
    #[schema(example = 332)]
    pub present: u64,
}

/// A stored time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started(#[serde(with = "time::serde::rfc3339")] pub OffsetDateTime);

impl Default for Checkpoint {
    fn default() -> Self {
        Self {
            pass: SyncPass::Workspaces,
            token: None,
            history: Vec::new(),
            started: BTreeMap::new(),
            counts: BTreeMap::new(),
            expected: BTreeMap::new(),
            problems: Vec::new(),
            unsupported: BTreeSet::new(),
            incomplete: BTreeSet::new(),
            held_removals: BTreeMap::new(),
            restarts: 0,
            has_profiles: false,
        }
    }
}

impl Checkpoint {
    /// Whether a resource could not be read.
    #[must_use]
    pub fn is_skipped(&self, resource: SyncResource) -> bool {
        self.unsupported.contains(&resource)
            || self.problems.iter().any(|problem| problem.resource == Some(resource))
    }

    /// Returns the progress of each resource.
    #[must_use]
    pub fn progress(&self, resources: &[SyncResource]) -> Vec<SyncProgress> {
        let of = |resource: &SyncResource| {
            let first = resource.kinds().first().copied();
            let done = first.and_then(|kind| self.counts.get(&kind)).copied().unwrap_or_default();
            let expected = first.and_then(|kind| self.expected.get(&kind)).copied();
            SyncProgress { resource: *resource, done: done.present(), expected }
        };
        resources.iter().map(of).collect()
    }
}

/// A run of the directory sync.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SyncRun {
    /// The run's id.
    pub id: SyncRunId,
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// Its job, see `GET /jobs`.
    pub job_id: JobId,
    /// The status.
    pub status: SyncStatus,
    /// The resources that it reads.
    pub resources: Vec<SyncResource>,
    /// Who started it: an API key's id, `schedule`, `cli` or `demo`.
    #[schema(example = "schedule")]
    pub started_by: String,
    /// How much it has read.
    pub progress: Vec<SyncProgress>,
    /// Calls to the provider so far.
    #[schema(example = 42)]
    pub provider_calls: u64,
    /// Numbers of objects by kind: `user`, `workspace`, `workspace_member`, `group`, `group_member`,
    /// `role_assignment`.
    #[schema(value_type = BTreeMap<String, ChangeCounts>)]
    pub counts: BTreeMap<CopyKind, ChangeCounts>,
    /// What a held run would remove, of the kinds that exceed `max_removed`; empty if the run was not held.
    #[schema(value_type = BTreeMap<String, HeldRemovals>)]
    pub held_removals: BTreeMap<CopyKind, HeldRemovals>,
    /// Estimated seconds until its end; `null` when unknown.
    #[schema(example = 30)]
    pub eta_s: Option<u64>,
    /// Why it is not `succeeded`; the first problem if there are several.
    pub problem: Option<SyncProblem>,
    /// When it was requested.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When a worker began it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
}

impl SyncRun {
    /// Estimates the seconds until the end of a run from the share it has read by `now`.
    #[must_use]
    pub fn estimate(&self, now: OffsetDateTime) -> Option<u64> {
        let began = self.started_at.filter(|_| self.status == SyncStatus::Running)?;
        estimate(&self.progress, began, now)
    }
}

/// Estimates the seconds that are left of work that began at `began`, from its progress by `now`.
#[must_use]
pub fn estimate(
    progress: &[SyncProgress],
    began: OffsetDateTime,
    now: OffsetDateTime,
) -> Option<u64> {
    let done: u64 = progress.iter().map(|one| one.done).sum();
    let expected: Option<u64> = progress.iter().map(|one| one.expected).sum();
    let (expected, took) = (expected?, (now - began).whole_seconds());
    let took = u64::try_from(took).ok().filter(|_| done > 0)?;
    Some(took.saturating_mul(expected.saturating_sub(done)) / done)
}
