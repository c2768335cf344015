//! The audit log, read: a page at a time, the newest rows first.

use sqlx::{Postgres, QueryBuilder, Row as _};
use time::{Duration, OffsetDateTime};

use crate::domain::audit::{AuditKind, AuditRow, Outcome};
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::store::columns::named;
use crate::store::{StoreError, TenantDb};

/// The id of a row is made of a moment near the one that it tells: no farther away than this.
pub(super) const SLACK: Duration = Duration::MINUTE;

/// Which rows a reader wants. `None` wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Changes, or uses of credentials.
    pub kind: Option<AuditKind>,
    /// Those of this key, or of this part of the program.
    pub actor: Option<String>,
    /// Those of this action.
    pub action: Option<String>,
    /// Those about this account.
    pub account_id: Option<IntegratedAccountId>,
    /// Calls of this method of the provider.
    pub provider_method: Option<String>,
    /// Those of this request.
    pub request_id: Option<String>,
    /// Those that ended so.
    pub outcome: Option<Outcome>,
    /// Not before this moment.
    pub from: Option<OffsetDateTime>,
    /// Before this moment.
    pub to: Option<OffsetDateTime>,
}

impl AuditFilter {
    /// The filter as SQL: what isn't asked for isn't in it, so that the indices serve.
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
        // The order of ids is that of time, as far as an index needs it.
        let first = self.from.and_then(|from| from.checked_sub(SLACK)).map(AuditId::first_of);
        let end = self.to.and_then(|to| to.checked_add(SLACK)).map(AuditId::first_of);
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
    /// Up to `limit` rows that came before the row `before`, the newest first.
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
        outcome: named("audit_log", "outcome", &outcome)?,
        reason: row.try_get("reason")?,
    })
}
