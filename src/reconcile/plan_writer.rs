//! Collects the steps of a plan: numbers them by phase, counts them, hashes them for the approval, and writes them in
//! batches.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::subject_reads::{changes_roles, profile_fields};
use crate::connectors::{CallContext, Connector, PlannedCall, PlannedWork};
use crate::domain::ids::ReconciliationId;
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::{
    CreateOperation, PlanOperation, PlanSummary, ProposedStep, StepPhase, StepSubject,
};
use crate::jobs::JobInterrupted;
use crate::store::{JobLease, NewStep, TenantDb};
use crate::upstream::ProviderBucket;

/// Number of steps that are written together.
const BATCH: usize = 2_000;

/// The number of calls by the buckets that they take from.
type Calls = BTreeMap<Vec<String>, (Vec<ProviderBucket>, u64)>;

/// What a plan adds up to.
pub(super) struct PlanTotals {
    pub(super) hash: String,
    /// The number of the first step of each phase, by rank.
    pub(super) first_numbers: Vec<i64>,
    pub(super) summary: PlanSummary,
    pub(super) removals: u64,
    pub(super) provider_calls: u64,
    pub(super) eta_s: u64,
}

/// Writes the steps of a plan.
pub(super) struct PlanWriter<'a> {
    db: &'a TenantDb,
    lease: &'a JobLease,
    id: ReconciliationId,
    connector: &'a dyn Connector,
    batch: Vec<NewStep>,
    /// By phase: the number of steps, and the digest of all of them.
    phases: BTreeMap<StepPhase, (i64, Sha256)>,
    summary: PlanSummary,
    removals: u64,
    calls: Calls,
    provider_calls: u64,
    /// The subject of the last step, whose reads are counted.
    last_subject: Option<(StepPhase, String)>,
    /// The subject of the last step whose reads of more than the profile are counted.
    last_whole: Option<(StepPhase, String)>,
    /// The subject of the last step whose reads of roles are counted.
    last_with_roles: Option<(StepPhase, String)>,
}

/// What is read for a step.
#[derive(Debug, Clone, Copy)]
struct StepReads {
    /// The number of workspaces of the person.
    workspaces: usize,
    with_roles: bool,
    /// Whether the person's profile alone is read.
    is_profile: bool,
}

impl<'a> PlanWriter<'a> {
    pub(super) fn new(
        db: &'a TenantDb,
        lease: &'a JobLease,
        id: ReconciliationId,
        connector: &'a dyn Connector,
    ) -> Self {
        Self {
            db,
            lease,
            id,
            connector,
            batch: Vec::new(),
            phases: BTreeMap::new(),
            summary: PlanSummary::default(),
            removals: 0,
            calls: Calls::new(),
            provider_calls: 0,
            last_subject: None,
            last_whole: None,
            last_with_roles: None,
        }
    }

    /// Adds a step about a subject. `workspaces` is the number of workspaces of the person.
    pub(super) async fn push(
        &mut self,
        step: ProposedStep,
        subject: StepSubject,
        (new_key, workspaces): (Option<String>, usize),
    ) -> Result<(), JobInterrupted> {
        let ProposedStep { phase, operation, before, after, reason, is_removal, skipped } = step;
        self.summary.count(&operation, skipped.is_some());
        let mut provider_calls = 0;
        if skipped.is_none() {
            self.removals += u64::from(is_removal);
            let is_profile = profile_fields(self.connector, &operation, &before, &after).is_some();
            let reads = StepReads {
                workspaces,
                with_roles: changes_roles(&operation, &before),
                is_profile,
            };
            provider_calls = self.count_calls(phase, &operation, &subject, reads);
        }
        let (number, digest) = self.phases.entry(phase).or_default();
        let (place, skipped_here) = (*number, skipped.is_some());
        *number += 1;
        let hashed = (&operation, &subject, &before, &after, skipped_here);
        if let Ok(bytes) = serde_json::to_vec(&hashed) {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(&bytes);
        }
        self.batch.push(NewStep {
            phase,
            number: place,
            operation,
            subject,
            before,
            after,
            reason,
            is_removal,
            provider_calls,
            skipped,
            new_key,
        });
        if self.batch.len() >= BATCH { self.flush().await } else { Ok(()) }
    }

    /// Returns the number of calls of a step, with the reads of its subject if it is the first step about it.
    fn count_calls(
        &mut self,
        phase: StepPhase,
        operation: &PlanOperation,
        subject: &StepSubject,
        reads: StepReads,
    ) -> u32 {
        let mut work = vec![(PlannedWork::Operation(operation), 1)];
        let key = match operation {
            PlanOperation::Change(
                DirectoryOperation::AddGroupMember { group_id, .. }
                | DirectoryOperation::RemoveGroupMember { group_id, .. },
            ) => group_id.clone(),
            PlanOperation::Change(_) | PlanOperation::Create(_) => subject.key.clone(),
        };
        let is_first = self.last_subject.as_ref().is_none_or(|last| *last != (phase, key.clone()));
        let is_workspace =
            matches!(operation, PlanOperation::Create(CreateOperation::Workspace { .. }));
        if is_first && !is_workspace {
            // Before and after the steps.
            let is_group = matches!(phase, StepPhase::GroupAdditions | StepPhase::GroupRemovals);
            work.push((
                if is_group { PlannedWork::ReadGroup } else { PlannedWork::ReadProfile },
                2,
            ));
            self.last_subject = Some((phase, key));
            // A group has no other reads.
            self.last_whole = self.last_subject.clone().filter(|_| is_group);
        }
        let subject = self.last_subject.clone();
        if !is_workspace && !reads.is_profile && self.last_whole != subject {
            work.push((PlannedWork::ReadUser, 2));
            self.last_whole.clone_from(&subject);
        }
        if reads.with_roles && self.last_with_roles != subject {
            let workspaces = u32::try_from(reads.workspaces).unwrap_or(u32::MAX);
            work.push((PlannedWork::ReadRoles(workspaces), 2));
            self.last_with_roles = subject;
        }
        let mut count = 0_u32;
        for (work, times) in work {
            for PlannedCall { buckets, count: calls } in self.connector.planned_calls(&work) {
                let calls = calls.saturating_mul(times);
                count = count.saturating_add(calls);
                let names = buckets.iter().map(|bucket| bucket.name.to_string()).collect();
                self.calls.entry(names).or_insert((buckets, 0)).1 += u64::from(calls);
            }
        }
        self.provider_calls += u64::from(count);
        count
    }

    /// Writes the rest, and returns what the plan adds up to.
    pub(super) async fn finish(
        &mut self,
        cx: &CallContext<'_>,
    ) -> Result<PlanTotals, JobInterrupted> {
        self.flush().await?;
        let first_number = |phase: &StepPhase| {
            let before = self.phases.iter().filter(|(of, _)| of.rank() < phase.rank());
            1 + before.map(|(_, (count, _))| count).sum::<i64>()
        };
        let first_numbers = StepPhase::ALL.iter().map(first_number).collect();
        let mut whole = Sha256::new();
        for (phase, (count, digest)) in std::mem::take(&mut self.phases) {
            whole.update(phase.name());
            whole.update(count.to_be_bytes());
            whole.update(digest.finalize());
        }
        let hash = whole.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let calls = self.calls.values().map(|(buckets, count)| (buckets.as_slice(), *count));
        let duration = cx.upstream.background_duration(cx.account, calls);
        Ok(PlanTotals {
            hash,
            first_numbers,
            summary: self.summary,
            removals: self.removals,
            provider_calls: self.provider_calls,
            eta_s: duration.as_secs() + u64::from(duration.subsec_nanos() > 0),
        })
    }

    async fn flush(&mut self) -> Result<(), JobInterrupted> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        if self.db.insert_steps(self.lease, self.id, &batch).await? {
            Ok(())
        } else {
            Err(JobInterrupted::LeaseLost)
        }
    }
}
