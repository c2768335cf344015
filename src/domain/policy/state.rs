//! The state of a violation and its changes: found, found again, accepted, gone.

use time::{Duration, OffsetDateTime};

use super::finding::{Evidence, Finding, FindingSubject};
use super::operation::DirectoryOperation;
use super::violation::{Acknowledgement, FixReport, Violation, ViolationStatus};
use super::{Policy, PolicyMode};
use crate::domain::ids::{IntegratedAccountId, ViolationId};

/// How long a fix that did not end the violation is not run again.
const FIX_PAUSE: Duration = Duration::hours(1);

/// The state of a violation, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ViolationState {
    /// The id.
    pub id: ViolationId,
    /// The subject.
    pub subject: FindingSubject,
    /// The status.
    pub status: ViolationStatus,
    /// What was found last.
    pub evidence: Evidence,
    /// The operations that would end it.
    pub fix: Vec<DirectoryOperation>,
    /// Why there are none, or not for all of it.
    pub fix_unavailable: Option<String>,
    /// What became of the last fix.
    pub last_fix: Option<FixReport>,
    /// How often it was opened.
    pub occurrences: i32,
    /// When it was first found.
    pub first_seen_at: OffsetDateTime,
    /// When it was last found.
    pub last_seen_at: OffsetDateTime,
    /// When the grace period began, while it is pending.
    pub pending_since: Option<OffsetDateTime>,
    /// When it ends.
    pub grace_until: Option<OffsetDateTime>,
    /// When it was opened last.
    pub opened_at: Option<OffsetDateTime>,
    /// When it was resolved.
    pub resolved_at: Option<OffsetDateTime>,
    /// Why it is accepted, while it is acknowledged.
    pub acknowledgement: Option<Acknowledgement>,
    /// When its fix is run, for a policy of mode `fix`.
    pub fix_due_at: Option<OffsetDateTime>,
}

/// What a change of a violation is reported as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateChange {
    /// Nothing but the time at which it was last found.
    None,
    /// Something that is stored, but not reported.
    Unreported,
    /// It was opened.
    Opened,
    /// It was resolved.
    Resolved,
    /// It was never opened and is forgotten.
    Forgotten,
}

impl ViolationState {
    /// Returns the state of something that was not found before. [`Self::found`] decides its status.
    #[must_use]
    pub fn new(id: ViolationId, finding: &Finding, now: OffsetDateTime) -> Self {
        Self {
            id,
            subject: finding.subject.clone(),
            status: ViolationStatus::Resolved,
            evidence: finding.evidence.clone(),
            fix: finding.fix.clone(),
            fix_unavailable: finding.fix_unavailable.clone(),
            last_fix: None,
            occurrences: 0,
            first_seen_at: now,
            last_seen_at: now,
            pending_since: None,
            grace_until: None,
            opened_at: None,
            resolved_at: None,
            acknowledgement: None,
            fix_due_at: None,
        }
    }

    /// Changes the state after it was found. `finding` is `None` when it was not evaluated again.
    pub fn found(
        &mut self,
        finding: Option<&Finding>,
        policy: &Policy,
        now: OffsetDateTime,
    ) -> StateChange {
        let mut change = StateChange::None;
        if let Some(finding) = finding {
            self.last_seen_at = now;
            let is_same = self.evidence == finding.evidence
                && self.fix == finding.fix
                && self.fix_unavailable == finding.fix_unavailable;
            if !is_same {
                self.evidence.clone_from(&finding.evidence);
                self.fix.clone_from(&finding.fix);
                self.fix_unavailable.clone_from(&finding.fix_unavailable);
                change = StateChange::Unreported;
            }
        }
        let accepted = self.acknowledgement.as_ref().is_some_and(|one| one.expires_at > now);
        match self.status {
            ViolationStatus::Resolved => {
                self.resolved_at = None;
                self.pending_since = Some(now);
                self.wait(policy, now)
            }
            ViolationStatus::Pending => {
                let waited = self.wait(policy, now);
                if waited == StateChange::None { change } else { waited }
            }
            ViolationStatus::Acknowledged if !accepted => {
                self.occurrences -= 1;
                self.open(policy, now)
            }
            ViolationStatus::Open
                if self.is_fixed_by(policy)
                    && self.fix_due_at.is_none()
                    && self.last_fix.as_ref().is_none_or(|fix| fix.at + FIX_PAUSE <= now) =>
            {
                self.fix_due_at = Some(now);
                StateChange::Unreported
            }
            ViolationStatus::Open if !self.is_fixed_by(policy) && self.fix_due_at.is_some() => {
                self.fix_due_at = None;
                StateChange::Unreported
            }
            ViolationStatus::Open | ViolationStatus::Acknowledged => change,
        }
    }

    /// Changes the state after it was not found.
    pub fn gone(&mut self, now: OffsetDateTime) -> StateChange {
        let was = self.status;
        if was == ViolationStatus::Resolved {
            return StateChange::None;
        }
        self.status = ViolationStatus::Resolved;
        self.resolved_at = Some(now);
        self.pending_since = None;
        self.grace_until = None;
        self.acknowledgement = None;
        self.fix_due_at = None;
        match (was, self.occurrences) {
            (ViolationStatus::Pending, 0) => StateChange::Forgotten,
            (ViolationStatus::Pending, _) => StateChange::Unreported,
            (
                ViolationStatus::Open | ViolationStatus::Acknowledged | ViolationStatus::Resolved,
                _,
            ) => StateChange::Resolved,
        }
    }

    /// Accepts the violation until a time.
    pub fn acknowledge(&mut self, acknowledgement: Acknowledgement) {
        self.status = ViolationStatus::Acknowledged;
        self.acknowledgement = Some(acknowledgement);
        self.fix_due_at = None;
    }

    /// Opens the violation if the grace period, as the policy has it now, is over.
    fn wait(&mut self, policy: &Policy, now: OffsetDateTime) -> StateChange {
        let grace = Duration::seconds(policy.grace_s.into());
        let until = self.pending_since.map(|since| since + grace).or(self.grace_until);
        let Some(until) = until.filter(|until| *until > now) else {
            return self.open(policy, now);
        };
        let is_same = self.status == ViolationStatus::Pending && self.grace_until == Some(until);
        self.status = ViolationStatus::Pending;
        self.grace_until = Some(until);
        if is_same { StateChange::None } else { StateChange::Unreported }
    }

    fn open(&mut self, policy: &Policy, now: OffsetDateTime) -> StateChange {
        self.status = ViolationStatus::Open;
        self.pending_since = None;
        self.grace_until = None;
        self.acknowledgement = None;
        self.resolved_at = None;
        self.opened_at = Some(now);
        self.occurrences += 1;
        self.fix_due_at = self.is_fixed_by(policy).then_some(now);
        StateChange::Opened
    }

    /// Whether the policy runs the fix.
    fn is_fixed_by(&self, policy: &Policy) -> bool {
        policy.mode == PolicyMode::Fix && !self.fix.is_empty()
    }

    /// Returns the violation as the API has it.
    #[must_use]
    pub fn violation(&self, policy: &Policy, account_id: IntegratedAccountId) -> Violation {
        Violation {
            id: self.id,
            policy_id: policy.id,
            policy_name: policy.name.clone(),
            policy_kind: policy.kind.clone(),
            severity: policy.severity,
            integrated_account_id: account_id,
            subject: self.subject.clone(),
            status: self.status,
            evidence: self.evidence.clone(),
            fix: self.fix.clone(),
            fix_unavailable: self.fix_unavailable.clone(),
            last_fix: self.last_fix.clone(),
            occurrences: self.occurrences,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            opened_at: self.opened_at,
            resolved_at: self.resolved_at,
            acknowledgement: self.acknowledgement.clone(),
        }
    }
}
