//! Reads the people of an access review from a copy, page by page.

use sqlx::postgres::Postgres;
use sqlx::{QueryBuilder, Row as _};

use super::super::directory::push_validity;
use super::super::{StoreError, TenantDb};
use super::grants::LostRoles;
use super::people::PeoplePage;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::policy::{AccessFilter, AccessType, PersonProfile, ReviewedPerson};

impl TenantDb {
    /// Returns a page of the people that match a filter, in the order of their ids, each with the matching access. A
    /// page with fewer people than the limit is the last one.
    ///
    /// # Errors
    ///
    /// When the database fails, or a stored object has an unknown form.
    pub async fn reviewed_people(
        &self,
        account_id: IntegratedAccountId,
        filter: &AccessFilter,
        page: PeoplePage<'_>,
    ) -> Result<Vec<ReviewedPerson>, StoreError> {
        let mut sql = QueryBuilder::new(
            "SELECT v.object_id, v.body::text, v.last_activity_at
             FROM directory_users v WHERE v.environment_id = ",
        );
        sql.push_bind(self.environment_id).push(" AND v.integrated_account_id = ");
        sql.push_bind(account_id).push(" AND v.kind = 'user'");
        push_validity(&mut sql, "v", page.as_of);
        push_person_filter(&mut sql, filter);
        if filter.selects_access() {
            push_access_filter(&mut sql, filter, page);
        }
        if let Some(after) = page.after {
            sql.push(" AND v.object_id > ").push_bind(after);
        }
        sql.push(" ORDER BY v.object_id LIMIT ").push_bind(page.limit);
        let rows = sql.build().fetch_all(&self.pool).await?;
        let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        let access_types: Vec<AccessType> =
            AccessType::ALL.iter().copied().filter(|one| filter.allows(*one)).collect();
        let wanted = (&*access_types, LostRoles::LeftOut);
        let access = self.access_of_users(account_id, &ids, wanted, page.as_of).await?;
        let mut people = Vec::with_capacity(rows.len());
        for ((row, id), access) in rows.iter().zip(ids).zip(access) {
            // A review that leaves a person out would look complete.
            let unknown = |_| StoreError::Inconsistent { table: "directory_users", column: "body" };
            let body: &str = row.try_get(1)?;
            let profile: PersonProfile = serde_json::from_str(body).map_err(unknown)?;
            let mut grants = access.grants;
            grants.retain(|grant| filter.matches(grant));
            people.push(ReviewedPerson { id, profile, last_activity_at: row.try_get(2)?, grants });
        }
        Ok(people)
    }
}

/// Appends the conditions on people.
fn push_person_filter(sql: &mut QueryBuilder<Postgres>, filter: &AccessFilter) {
    if let Some(status) = filter.status {
        sql.push(" AND v.status = ").push_bind(status.name());
    }
    if let Some(types) = &filter.user_types {
        let names: Vec<&str> = types.iter().map(|one| one.name()).collect();
        sql.push(" AND v.user_type = ANY (").push_bind(names).push(")");
    }
    if let Some(department) = &filter.department {
        sql.push(" AND v.department = ").push_bind(department.clone());
    }
    if let Some(before) = filter.inactive_since {
        sql.push(" AND (v.last_activity_at IS NULL OR v.last_activity_at < ");
        sql.push_bind(before).push(")");
    }
}

/// Appends the condition that a person has matching access.
fn push_access_filter(
    sql: &mut QueryBuilder<Postgres>,
    filter: &AccessFilter,
    page: PeoplePage<'_>,
) {
    let mut types = AccessType::ALL.iter().filter(|one| filter.allows(**one)).peekable();
    // Without a type that can match there is no match.
    sql.push(if types.peek().is_some() { " AND (" } else { " AND (FALSE" });
    while let Some(access_type) = types.next() {
        let table = match access_type {
            AccessType::Role => "directory_role_assignments",
            AccessType::Workspace => "directory_workspace_members",
            AccessType::Group => "directory_group_members",
        };
        sql.push("EXISTS (SELECT FROM ").push(table);
        sql.push(
            " r WHERE r.environment_id = v.environment_id
             AND r.integrated_account_id = v.integrated_account_id AND r.user_id = v.object_id",
        );
        push_validity(sql, "r", page.as_of);
        if let Some(after) = page.after {
            // So that a scan of all access begins at the page, too.
            sql.push(" AND r.user_id > ").push_bind(after.to_owned());
        }
        if let Some(role_id) = &filter.role_id {
            sql.push(" AND r.role_id = ").push_bind(role_id.clone());
        }
        if let Some(workspace_id) = &filter.workspace_id {
            sql.push(" AND r.parent_id = ").push_bind(workspace_id.clone());
        }
        if let Some(is_privileged) = filter.is_privileged
            && *access_type == AccessType::Role
        {
            // The form of the index.
            sql.push(" AND r.body->>'is_privileged' ").push(if is_privileged { "=" } else { "<>" });
            sql.push(" 'true'");
        }
        sql.push(if types.peek().is_some() { ") OR " } else { ")" });
    }
    sql.push(")");
}
