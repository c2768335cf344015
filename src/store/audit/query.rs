//! Queries of the audit log: pages, newest rows first.

use sqlx::{Postgres, QueryBuilder, Row as _};
use time::{Duration, OffsetDateTime};

use crate::domain::audit::{AuditKind, AuditOutcome, AuditRow};
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::store::columns::parse_name;
use crate::store::{StoreError, TenantDb};

/// Maximum difference between the time in a row's id and the time of its event.
pub(super) const MAX_ID_SKEW: Duration = Duration::MINUTE;

/// Filter of audit log rows; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Changes, or uses of credentials.
    pub kind: Option<AuditKind>,
    /// Actor: id of an API key or name of a component.
    pub actor: Option<String>,
    /// Action.
    pub action: Option<String>,
    /// Account.
    pub account_id: Option<IntegratedAccountId>,
    /// Provider method.
    pub provider_method: Option<String>,
    /// Request id.
    pub request_id: Option<String>,
    /// Outcome.
    pub outcome: Option<AuditOutcome>,
    /// Start of the time range, inclusive.
    pub from: Option<OffsetDateTime>,
    /// End of the time range, exclusive.
    pub to: Option<OffsetDateTime>,
}

impl AuditFilter {
    /// Builds the SQL query. Filters that are not set are left out, so that indexes apply.
    fn query(&self, db: &TenantDb, before: Option<AuditId>, limit: i64) -> QueryBuilder<Postgres> {
        let mut query = QueryBuilder::new(
            "SELECT audit_id, at, is_use, actor, action, integrated_account_id, subject,
                 provider_method, status, duration_ms, calls, request_id, outcome, reason
             FROM audit_log WHERE environment_id = ",
        );
        query.push_bind(db.environment_id.to_string());
        let mut and = |column: &str, value: Option<String>| {
            if let Some(value) = value {
                query.push(" AND ").push(column).push_bind(value);
            }
        };
        and("actor = ", self.actor.clone());
        and("action = ", self.action.clone());
        and("integrated_account_id = ", self.account_id.map(|id| id.to_string()));
        and("provider_method = ", self.provider_method.clone());
        and("request_id = ", self.request_id.clone());
        and("outcome = ", self.outcome.map(|outcome| outcome.name().to_owned()));
        and("audit_id < ", before.map(|id| id.to_string()));
        // Ids sort by time, up to `MAX_ID_SKEW`.
        let first = self.from.and_then(|from| from.checked_sub(MAX_ID_SKEW)).map(AuditId::first_of);
        let end = self.to.and_then(|to| to.checked_add(MAX_ID_SKEW)).map(AuditId::first_of);
        and("audit_id >= ", first.map(|id| id.to_string()));
        and("audit_id < ", end.map(|id| id.to_string()));
        match self.kind {
            Some(AuditKind::Change) => query.push(" AND NOT is_use"),
            Some(AuditKind::Use) => query.push(" AND is_use"),
            None => &mut query,
        };
        if let Some(from) = self.from {
            query.push(" AND at >= ").push_bind(from);
        }
        if let Some(to) = self.to {
            query.push(" AND at < ").push_bind(to);
        }
        query.push(" ORDER BY audit_id DESC LIMIT ").push_bind(limit);
        query
    }
}

impl TenantDb {
    /// Returns up to `limit` rows older than the row `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn audit_log(
        &self,
        filter: &AuditFilter,
        before: Option<AuditId>,
        limit: i64,
    ) -> Result<Vec<AuditRow>, StoreError> {
        let mut query = filter.query(self, before, limit);
        let rows = query.build().fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &sqlx::postgres::PgRow) -> Result<AuditRow, StoreError> {
    let outcome: String = row.try_get("outcome")?;
    let status: Option<i16> = row.try_get("status")?;
    let duration_ms: Option<i32> = row.try_get("duration_ms")?;
    let calls: i32 = row.try_get("calls")?;
    Ok(AuditRow {
        id: row.try_get("audit_id")?,
        at: row.try_get("at")?,
        kind: if row.try_get("is_use")? { AuditKind::Use } else { AuditKind::Change },
        actor: row.try_get("actor")?,
        action: row.try_get("action")?,
        integrated_account_id: row.try_get("integrated_account_id")?,
        subject: row.try_get("subject")?,
        provider_method: row.try_get("provider_method")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        duration_ms: duration_ms.and_then(|ms| u32::try_from(ms).ok()),
        calls: u32::try_from(calls).unwrap_or(1),
        request_id: row.try_get("request_id")?,
        outcome: parse_name("audit_log", "outcome", &outcome)?,
        reason: row.try_get("reason")?,
    })
}
