//! What the console counts: what needs attention, changes a day, holders of roles, and the newest events.

use time::{Date, Duration, OffsetDateTime};

use super::columns::parse_name;
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::role::RoleScope;
use crate::domain::sync::CopyKind;

/// How long a failed plan needs attention.
const FAILED_PLANS: Duration = Duration::days(7);

/// What needs attention in an environment, or in one of its accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AttentionCounts {
    /// Open violations of the severity `critical`.
    pub critical: i64,
    /// Open violations.
    pub open: i64,
    /// Runs of the sync that wait for a decision.
    pub held: i64,
    /// Plans that wait to be approved.
    pub plans: i64,
    /// Plans that failed, at least in part, within a week, and were not followed by one that was applied.
    pub failed_plans: i64,
    /// Accounts that must be linked again; of the whole environment.
    pub needs_reauth: i64,
    /// Webhooks that fail or are disabled because they failed; of the whole environment.
    pub failing_webhooks: i64,
}

/// The number of changes of a day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DailyChanges {
    /// The day.
    pub day: Date,
    /// The number of events.
    pub count: i64,
}

/// A role that people of the synced copy hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRole {
    /// The role's id.
    pub role_id: String,
    /// The role's name.
    pub role_name: String,
    /// Whether the role is privileged.
    pub is_privileged: bool,
}

/// The holders of a role in the organization, in one workspace or in channels, in the synced copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePlace {
    /// The role's id.
    pub role_id: String,
    /// Where it is held.
    pub scope: RoleScope,
    /// The workspace; `None` for the whole organization and for channels.
    pub workspace_id: Option<String>,
    /// The number of channels; 1 for the organization or a workspace.
    pub places: i64,
    /// The number of assignments.
    pub assignments: i64,
    /// The number of people.
    pub people: i64,
}

/// A page of events, newest first.
#[derive(Debug, Clone, Copy)]
pub struct EventPage<'a> {
    /// The account; `None` for all.
    pub account_id: Option<IntegratedAccountId>,
    /// The beginning of the type, such as `user.`; empty for all.
    pub prefix: &'a str,
    /// Only events before this position; `None` for the newest.
    pub before: Option<i64>,
    /// The maximum number of events.
    pub limit: i64,
}

/// A page of changes of privileged roles, newest first.
#[derive(Debug, Clone, Copy)]
pub struct RoleEventPage {
    /// The account.
    pub account_id: IntegratedAccountId,
    /// Only events since this time.
    pub since: OffsetDateTime,
    /// Only events before this position; `None` for the newest.
    pub before: Option<i64>,
    /// The maximum number of events.
    pub limit: i64,
}

impl TenantDb {
    /// Returns what needs attention at `now`; with an account, its violations, runs and plans only.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn attention(
        &self,
        account_id: Option<IntegratedAccountId>,
        now: OffsetDateTime,
    ) -> Result<AttentionCounts, StoreError> {
        Ok(sqlx::query_as!(
            AttentionCounts,
            r#"SELECT v.critical AS "critical!", v.open AS "open!",
                      (SELECT count(*) FROM sync_runs r WHERE r.environment_id = $1 AND r.status = 'held'
                           AND ($2::text IS NULL OR r.integrated_account_id = $2)) AS "held!",
                      (SELECT count(*) FROM reconciliations p WHERE p.environment_id = $1 AND p.status = 'planned'
                           AND p.expires_at > $3 AND p.pending > 0
                           AND ($2::text IS NULL OR p.integrated_account_id = $2)) AS "plans!",
                      (SELECT count(*) FROM reconciliations p WHERE p.environment_id = $1
                           AND p.status IN ('failed', 'partially_applied') AND p.ended_at > $4
                           AND ($2::text IS NULL OR p.integrated_account_id = $2)
                           AND NOT EXISTS (SELECT 1 FROM reconciliations n
                               WHERE n.environment_id = $1 AND n.integrated_account_id = p.integrated_account_id
                                 AND n.reconciliation_id > p.reconciliation_id AND n.status = 'applied'))
                          AS "failed_plans!",
                      (SELECT count(*) FROM integrated_accounts a
                       WHERE a.environment_id = $1 AND a.status = 'needs_reauth') AS "needs_reauth!",
                      (SELECT count(*) FROM webhooks w WHERE w.environment_id = $1
                           AND (w.failing_since IS NOT NULL OR w.disabled_at IS NOT NULL)) AS "failing_webhooks!"
               FROM (SELECT count(*) AS open, count(*) FILTER (WHERE p.severity = 'critical') AS critical
                     FROM violations o JOIN policies p USING (environment_id, policy_id)
                     WHERE o.environment_id = $1 AND o.status = 'open'
                       AND ($2::text IS NULL OR o.integrated_account_id = $2)) v"#,
            self.environment_id as EnvironmentId,
            account_id as Option<IntegratedAccountId>,
            now,
            now - FAILED_PLANS,
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// Returns the number of events of an account on each of `days` days up to now, oldest first. The events of an account
    /// are numbered without gaps in the order of their times, so each day begins where a binary search finds it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn daily_changes(
        &self,
        account_id: IntegratedAccountId,
        first: OffsetDateTime,
        days: u16,
    ) -> Result<Vec<DailyChanges>, StoreError> {
        let starts: Vec<OffsetDateTime> =
            (0..=days).map(|day| first + Duration::days(day.into())).collect();
        let found = sqlx::query!(
            r#"WITH RECURSIVE span AS (
                   SELECT min(sequence) AS first, max(sequence) + 1 AS behind FROM events
                   WHERE environment_id = $1 AND integrated_account_id = $2),
               search AS (
                   SELECT b.day, b.start, span.first AS low, span.behind AS high
                   FROM UNNEST($3::timestamptz[]) WITH ORDINALITY AS b (start, day), span
                   UNION ALL
                   SELECT s.day, s.start, CASE WHEN e.at < s.start THEN e.sequence + 1 ELSE s.low END,
                          CASE WHEN e.at < s.start THEN s.high ELSE e.sequence END
                   FROM search s JOIN events e ON e.environment_id = $1 AND e.integrated_account_id = $2
                       AND e.sequence = (s.low + s.high) / 2
                   WHERE s.low < s.high)
               SELECT day AS "day!", low AS "low!" FROM search WHERE low >= high ORDER BY day"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            &starts,
        )
        .fetch_all(&self.pool)
        .await?;
        let at =
            |day: u16| found.iter().find(|row| row.day == i64::from(day) + 1).map(|row| row.low);
        let changes = (0..days).zip(&starts).map(|(day, start)| {
            let count = at(day + 1).zip(at(day)).map_or(0, |(end, begin)| end - begin);
            DailyChanges { day: start.date(), count }
        });
        Ok(changes.collect())
    }

    /// Returns the positions of a page of events, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn newest_events(&self, page: EventPage<'_>) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT position FROM events
             WHERE environment_id = $1 AND position < $2 AND starts_with(type, $3)
               AND ($4::text IS NULL OR integrated_account_id = $4)
             ORDER BY position DESC LIMIT $5",
            self.environment_id as EnvironmentId,
            page.before.unwrap_or(i64::MAX),
            page.prefix,
            page.account_id as Option<IntegratedAccountId>,
            page.limit,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the positions of a page of changes of privileged roles, newest first, without what the first run found.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn privileged_role_events(
        &self,
        page: RoleEventPage,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT position FROM events
             WHERE environment_id = $1 AND integrated_account_id = $2 AND position < $3 AND at >= $4
               AND type IN ('role_assignment.granted', 'role_assignment.revoked') AND NOT initial
               AND COALESCE(object, previous)->>'is_privileged' = 'true'
             ORDER BY position DESC LIMIT $5",
            self.environment_id as EnvironmentId,
            page.account_id as IntegratedAccountId,
            page.before.unwrap_or(i64::MAX),
            page.since,
            page.limit,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns the roles that people of the current copy hold. Each costs one step in an index, however many hold it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn held_roles(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<HeldRole>, StoreError> {
        Ok(sqlx::query_as!(
            HeldRole,
            r#"WITH RECURSIVE roles AS (
                   (SELECT role_id FROM directory_role_assignments
                    WHERE integrated_account_id = $2 AND role_id IS NOT NULL ORDER BY role_id LIMIT 1)
                   UNION ALL
                   SELECT (SELECT r.role_id FROM directory_role_assignments r
                           WHERE r.integrated_account_id = $2 AND r.role_id > roles.role_id
                           ORDER BY r.role_id LIMIT 1)
                   FROM roles WHERE roles.role_id IS NOT NULL)
               SELECT roles.role_id AS "role_id!", COALESCE(a.body->>'role_name', roles.role_id) AS "role_name!",
                      COALESCE((a.body->>'is_privileged')::boolean, false) AS "is_privileged!"
               FROM roles CROSS JOIN LATERAL (
                   SELECT body FROM directory_role_assignments a
                   WHERE a.environment_id = $1 AND a.integrated_account_id = $2 AND a.role_id = roles.role_id
                     AND a.valid_to = 'infinity'
                   ORDER BY a.user_id LIMIT 1) a
               WHERE roles.role_id IS NOT NULL"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_all(&self.pool)
        .await?)
    }

    /// Returns how many people of the current copy hold each of these roles in the organization, in each workspace, and
    /// in channels.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn role_places(
        &self,
        account_id: IntegratedAccountId,
        role_ids: &[&str],
    ) -> Result<Vec<RolePlace>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT role_id AS "role_id!", body->>'scope' AS "scope!",
                      CASE body->>'scope' WHEN 'workspace' THEN body->>'workspace_id' END AS "workspace_id?",
                      GREATEST(count(DISTINCT parent_id), 1) AS "places!", count(*) AS "assignments!",
                      count(DISTINCT user_id) AS "people!"
               FROM directory_role_assignments
               WHERE environment_id = $1 AND integrated_account_id = $2 AND role_id = ANY ($3)
                 AND valid_to = 'infinity'
               GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            role_ids as &[&str],
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(RolePlace {
                    role_id: row.role_id,
                    scope: parse_name("directory_role_assignments", "scope", &row.scope)?,
                    workspace_id: row.workspace_id,
                    places: row.places,
                    assignments: row.assignments,
                    people: row.people,
                })
            })
            .collect()
    }

    /// Returns when the copy of the users of each of these accounts was last read completely.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn copies_synced_at(
        &self,
        account_ids: &[IntegratedAccountId],
    ) -> Result<Vec<(IntegratedAccountId, OffsetDateTime)>, StoreError> {
        let ids: Vec<String> = account_ids.iter().map(|id| id.text()).collect();
        let rows = sqlx::query!(
            r#"SELECT integrated_account_id AS "id: IntegratedAccountId", synced_at FROM directory_copies
               WHERE environment_id = $1 AND integrated_account_id = ANY ($2) AND kind = 'user'"#,
            self.environment_id as EnvironmentId,
            &ids,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.synced_at)).collect())
    }

    /// Returns when the policies of an account were last evaluated.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn policies_evaluated_at(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let found = sqlx::query_scalar!(
            "SELECT evaluated_at FROM policy_evaluations
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(found.flatten())
    }

    /// Returns the names of current objects of a copy, by id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn names_of_objects(
        &self,
        account_id: IntegratedAccountId,
        kind: CopyKind,
        ids: &[&str],
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT object_id, name AS "name!" FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = ANY ($4)
                 AND valid_to = 'infinity' AND name IS NOT NULL"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            kind.name(),
            ids as &[&str],
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.object_id, row.name)).collect())
    }

    /// Returns ids and names of the current workspaces of a copy, up to a thousand.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn workspace_names(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT object_id, COALESCE(name, object_id) AS "name!" FROM directory_workspaces
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = 'workspace'
                 AND valid_to = 'infinity'
               ORDER BY object_id LIMIT 1000"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.object_id, row.name)).collect())
    }
}
