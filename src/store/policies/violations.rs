//! Stores what an evaluation found: it is compared with the stored violations, and each change of a status is written
//! with its event.

use std::collections::{HashMap, HashSet};

use time::OffsetDateTime;

use super::super::change_events::{
    Attribution, ChangeEvent, ChangeSource, append_changes, lock_feed,
};
use super::super::connections::TimedConnection;
use super::super::{StoreError, TenantDb};
use super::queue::{self, EvaluationLease};
use super::violation_row::{StateRow, write};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, PolicyId, ViolationId};
use crate::domain::policy::{
    Finding, FindingSubject, Policy, StateChange, SubjectKind, Violation, ViolationState,
    ViolationStatus,
};

/// The source of the events of policies.
const SOURCE: ChangeSource<'_> =
    ChangeSource { origin: EventOrigin::Gateway, actor: None, initial: false, read_at: None };

/// The subjects that an evaluation covers: what it did not find of them is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EvaluatedSubjects {
    /// All of them.
    All,
    /// These.
    Only(HashSet<FindingSubject>),
}

impl EvaluatedSubjects {
    fn contains(&self, subject: &FindingSubject) -> bool {
        match self {
            Self::All => true,
            Self::Only(subjects) => subjects.contains(subject),
        }
    }
}

/// What an evaluation found of one policy.
#[derive(Debug)]
pub struct PolicyFindings<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The subjects that it covers.
    pub subjects: EvaluatedSubjects,
    /// What it found, at most one finding for each subject.
    pub findings: Vec<Finding>,
    /// The subjects of what it found beyond the maximum number of findings: their violations do not change.
    pub omitted: HashSet<FindingSubject>,
}

impl PolicyFindings<'_> {
    /// Whether a subject was evaluated and violates nothing.
    #[must_use]
    pub fn has_none_of(&self, subject: &FindingSubject) -> bool {
        self.subjects.contains(subject)
            && !self.omitted.contains(subject)
            && !self.findings.iter().any(|finding| finding.subject == *subject)
    }
}

impl TenantDb {
    /// Stores the findings of one policy in a claimed account, with the events of what changed. Returns `false` when
    /// another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn store_findings(
        &self,
        lease: &EvaluationLease,
        found: &PolicyFindings<'_>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let account = (self.environment_id, lease.account_id);
        let now = clock.now();
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, account, now).await?;
        if !queue::holds(&mut tx, lease).await? {
            return Ok(false);
        }
        let mut findings: HashMap<&FindingSubject, &Finding> =
            found.findings.iter().map(|finding| (&finding.subject, finding)).collect();
        let stored = stored(&mut tx, account, found, now).await?;
        let mut changes = Changes::default();
        for mut state in stored {
            let finding = findings.remove(&state.subject);
            let is_covered = found.subjects.contains(&state.subject);
            let change =
                if finding.is_none() && is_covered && !found.omitted.contains(&state.subject) {
                    state.gone(now)
                } else if finding.is_none() && state.status == ViolationStatus::Resolved {
                    StateChange::None
                } else {
                    state.found(finding, found.policy, now)
                };
            changes.add(state, change, found.policy, lease.account_id);
        }
        let mut new: Vec<&Finding> = findings.into_values().collect();
        new.sort_unstable_by(|one, other| one.subject.cmp(&other.subject));
        for finding in new {
            let id = ViolationId::generate(clock, entropy);
            let mut state = ViolationState::new(id, finding, now);
            let change = state.found(Some(finding), found.policy, now);
            changes.add(state, change, found.policy, lease.account_id);
        }
        write(&mut tx, account, found.policy.id, &changes.written).await?;
        forget(&mut tx, self.environment_id, &changes.forgotten).await?;
        if found.subjects == EvaluatedSubjects::All {
            touch(&mut tx, account, found.policy.id, now).await?;
        }
        append_changes(&mut tx, &feed, SOURCE, &changes.events, entropy).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Returns the policies that have violations in an account, but are inactive or apply to it no longer.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ended_policies(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<PolicyId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT p.policy_id AS "id: PolicyId" FROM policies p
               WHERE p.environment_id = $1
                 AND NOT (p.is_active AND (p.account_ids IS NULL OR $2 = ANY (p.account_ids)))
                 AND EXISTS (
                     SELECT FROM violations v
                     WHERE v.environment_id = $1 AND v.integrated_account_id = $2
                       AND v.policy_id = p.policy_id AND v.status <> 'resolved')"#,
            self.environment_id as EnvironmentId,
            account_id.text(),
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the e-mail addresses and other subjects of the unresolved violations of a policy that concern one of these
    /// users.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn subjects_of_users(
        &self,
        account_id: IntegratedAccountId,
        policy_id: PolicyId,
        user_ids: &[String],
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT subject_id FROM violations
             WHERE environment_id = $1 AND integrated_account_id = $2 AND policy_id = $3
               AND status <> 'resolved' AND (evidence -> 'user_ids') ?| $4",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            policy_id as PolicyId,
            user_ids,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// The changes of a transaction.
#[derive(Debug, Default)]
struct Changes {
    written: Vec<ViolationState>,
    forgotten: Vec<ViolationId>,
    events: Vec<ChangeEvent>,
}

impl Changes {
    fn add(
        &mut self,
        state: ViolationState,
        change: StateChange,
        policy: &Policy,
        account_id: IntegratedAccountId,
    ) {
        let kind = match change {
            StateChange::None => return,
            StateChange::Forgotten => return self.forgotten.push(state.id),
            StateChange::Unreported => None,
            StateChange::Opened => Some(EventKind::DriftDetected),
            StateChange::Resolved => Some(EventKind::DriftResolved),
        };
        if let Some(kind) = kind {
            self.events.push(event(kind, &state, &state.violation(policy, account_id)));
        }
        self.written.push(state);
    }
}

fn event(kind: EventKind, state: &ViolationState, violation: &Violation) -> ChangeEvent {
    let is_user = state.subject.kind == SubjectKind::User;
    let newest = state.evidence.newest_change().filter(|_| kind == EventKind::DriftDetected);
    let attribution = newest.map(|(actor, occurred_at)| Attribution {
        actor: actor.clone(),
        occurred_at,
        origin: EventOrigin::Gateway,
    });
    ChangeEvent {
        kind,
        object: serde_json::to_string(violation).ok(),
        previous: None,
        data: None,
        subject: None,
        subject_id: is_user.then(|| state.subject.id.clone()),
        attribution,
    }
}

/// Returns the violations that an evaluation may change: those of its subjects that are unresolved or were found again,
/// and those whose status ends with a time.
async fn stored(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    found: &PolicyFindings<'_>,
    now: OffsetDateTime,
) -> Result<Vec<ViolationState>, StoreError> {
    let mut subjects: Vec<&FindingSubject> =
        found.findings.iter().map(|finding| &finding.subject).collect();
    if let EvaluatedSubjects::Only(only) = &found.subjects {
        subjects.extend(only);
    }
    let kinds: Vec<String> = subjects.iter().map(|one| one.kind.name().to_owned()).collect();
    let ids: Vec<String> = subjects.iter().map(|one| one.id.clone()).collect();
    let rows = sqlx::query_as!(
        StateRow,
        r#"SELECT violation_id AS "id: ViolationId", subject_kind, subject_id, status, evidence AS "evidence: _",
                  fix AS "fix: _", fix_unavailable, last_fix AS "last_fix: _", occurrences, first_seen_at,
                  last_seen_at, pending_since, grace_until, opened_at, resolved_at, acknowledgement AS "acknowledgement: _", fix_due_at
           FROM violations
           WHERE environment_id = $1 AND integrated_account_id = $2 AND policy_id = $3
             AND (($4 AND status <> 'resolved')
                  OR (status = 'pending' AND grace_until <= $7)
                  OR (status = 'acknowledged' AND acknowledged_until <= $7)
                  OR (subject_kind, subject_id) IN (SELECT * FROM UNNEST($5::text[], $6::text[])))"#,
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        found.policy.id as PolicyId,
        found.subjects == EvaluatedSubjects::All,
        &kinds,
        &ids,
        now,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(StateRow::read).collect()
}

async fn forget(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    ids: &[ViolationId],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = ids.iter().map(|id| id.text()).collect();
    sqlx::query!(
        "DELETE FROM violations WHERE environment_id = $1 AND violation_id = ANY ($2)",
        environment_id as EnvironmentId,
        &ids,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sets when the unresolved violations of a policy were last found, after an evaluation over everybody.
async fn touch(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    policy_id: PolicyId,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE violations SET last_seen_at = $4
         WHERE environment_id = $1 AND integrated_account_id = $2 AND policy_id = $3 AND status <> 'resolved'",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        policy_id as PolicyId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
