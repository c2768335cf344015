//! Violations as rows: read, written in bulk, and deleted after their retention.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::columns::parse_name;
use super::super::connections::{TimedConnection, Transaction};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, PolicyId, ViolationId};
use crate::domain::policy::{
    Acknowledgement, DirectoryOperation, Evidence, FindingSubject, FixReport, ViolationState,
};

/// The columns of a violation.
pub(super) struct StateRow {
    pub(super) id: ViolationId,
    pub(super) subject_kind: String,
    pub(super) subject_id: String,
    pub(super) status: String,
    pub(super) evidence: Json<Evidence>,
    pub(super) fix: Json<Vec<DirectoryOperation>>,
    pub(super) fix_unavailable: Option<String>,
    pub(super) last_fix: Option<Json<FixReport>>,
    pub(super) occurrences: i32,
    pub(super) first_seen_at: OffsetDateTime,
    pub(super) last_seen_at: OffsetDateTime,
    pub(super) pending_since: Option<OffsetDateTime>,
    pub(super) grace_until: Option<OffsetDateTime>,
    pub(super) opened_at: Option<OffsetDateTime>,
    pub(super) resolved_at: Option<OffsetDateTime>,
    pub(super) acknowledgement: Option<Json<Acknowledgement>>,
    pub(super) fix_due_at: Option<OffsetDateTime>,
}

impl StateRow {
    pub(super) fn read(self) -> Result<ViolationState, StoreError> {
        Ok(ViolationState {
            id: self.id,
            subject: FindingSubject {
                kind: parse_name("violations", "subject_kind", &self.subject_kind)?,
                id: self.subject_id,
            },
            status: parse_name("violations", "status", &self.status)?,
            evidence: self.evidence.0,
            fix: self.fix.0,
            fix_unavailable: self.fix_unavailable,
            last_fix: self.last_fix.map(|report| report.0),
            occurrences: self.occurrences,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            pending_since: self.pending_since,
            grace_until: self.grace_until,
            opened_at: self.opened_at,
            resolved_at: self.resolved_at,
            acknowledgement: self.acknowledgement.map(|one| one.0),
            fix_due_at: self.fix_due_at,
        })
    }
}

/// Inserts or updates violations.
pub(super) async fn write(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    policy_id: PolicyId,
    states: &[ViolationState],
) -> Result<(), StoreError> {
    if states.is_empty() {
        return Ok(());
    }
    let texts =
        |of: &dyn Fn(&ViolationState) -> String| -> Vec<String> { states.iter().map(of).collect() };
    let optional = |of: &dyn Fn(&ViolationState) -> Option<String>| -> Vec<Option<String>> {
        states.iter().map(of).collect()
    };
    let times =
        |of: &dyn Fn(&ViolationState) -> Option<OffsetDateTime>| -> Vec<Option<OffsetDateTime>> {
            states.iter().map(of).collect()
        };
    let occurrences: Vec<i32> = states.iter().map(|state| state.occurrences).collect();
    sqlx::query!(
        "INSERT INTO violations AS v (environment_id, integrated_account_id, policy_id, violation_id, subject_kind,
             subject_id, status, evidence, fix, last_fix, occurrences, first_seen_at, last_seen_at, grace_until,
             opened_at, resolved_at, acknowledgement, acknowledged_until, fix_due_at, fix_unavailable, pending_since)
         SELECT $1, $2, $3, n.violation_id, n.subject_kind, n.subject_id, n.status, n.evidence::jsonb, n.fix::jsonb,
             n.last_fix::jsonb, n.occurrences, n.first_seen_at, n.last_seen_at, n.grace_until, n.opened_at,
             n.resolved_at, n.acknowledgement::jsonb, n.acknowledged_until, n.fix_due_at, n.fix_unavailable,
             n.pending_since
         FROM UNNEST($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int[],
             $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], $16::timestamptz[],
             $17::text[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::timestamptz[])
             AS n (violation_id, subject_kind, subject_id, status, evidence, fix, last_fix, occurrences,
                 first_seen_at, last_seen_at, grace_until, opened_at, resolved_at, acknowledgement,
                 acknowledged_until, fix_due_at, fix_unavailable, pending_since)
         ON CONFLICT ON CONSTRAINT violations_subject_key DO UPDATE SET
             status = EXCLUDED.status, evidence = EXCLUDED.evidence, fix = EXCLUDED.fix,
             last_fix = EXCLUDED.last_fix, occurrences = EXCLUDED.occurrences,
             last_seen_at = EXCLUDED.last_seen_at, grace_until = EXCLUDED.grace_until,
             opened_at = EXCLUDED.opened_at, resolved_at = EXCLUDED.resolved_at,
             acknowledgement = EXCLUDED.acknowledgement, acknowledged_until = EXCLUDED.acknowledged_until,
             fix_due_at = EXCLUDED.fix_due_at, fix_unavailable = EXCLUDED.fix_unavailable,
             pending_since = EXCLUDED.pending_since",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        policy_id as PolicyId,
        &texts(&|state| state.id.text()),
        &texts(&|state| state.subject.kind.name().to_owned()),
        &texts(&|state| state.subject.id.clone()),
        &texts(&|state| state.status.name().to_owned()),
        &texts(&|state| json(&state.evidence)),
        &texts(&|state| json(&state.fix)),
        &optional(&|state| state.last_fix.as_ref().map(json)) as &[Option<String>],
        &occurrences,
        &times(&|state| Some(state.first_seen_at)) as &[Option<OffsetDateTime>],
        &times(&|state| Some(state.last_seen_at)) as &[Option<OffsetDateTime>],
        &times(&|state| state.grace_until) as &[Option<OffsetDateTime>],
        &times(&|state| state.opened_at) as &[Option<OffsetDateTime>],
        &times(&|state| state.resolved_at) as &[Option<OffsetDateTime>],
        &optional(&|state| state.acknowledgement.as_ref().map(json)) as &[Option<String>],
        &times(&|state| Some(state.acknowledgement.as_ref()?.expires_at)) as &[Option<OffsetDateTime>],
        &times(&|state| state.fix_due_at) as &[Option<OffsetDateTime>],
        &optional(&|state| state.fix_unavailable.clone()) as &[Option<String>],
        &times(&|state| state.pending_since) as &[Option<OffsetDateTime>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a batch of violations that were resolved before a time.
pub(in crate::store) async fn purge(
    tx: &mut Transaction,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM violations WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM violations WHERE status = 'resolved' AND resolved_at < $1
                   ORDER BY resolved_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}
