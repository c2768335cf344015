//! Reads the copies of directories: pages of objects as they are or were, search, totals.

use std::collections::HashSet;

use sqlx::postgres::Postgres;
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;

use super::super::{StoreError, TenantDb};
use super::query::{CopyQuery, CopyRow};
use super::versions::MadeBy;
use crate::domain::event::EventActor;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

/// Maximum number of objects that a search ranks.
const MAX_CANDIDATES: i64 = 1_000;

/// How recent the copy of an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyFreshness {
    /// The copy is at least as recent as this.
    pub synced_at: OffsetDateTime,
    /// When the history begins.
    pub first_synced_at: OffsetDateTime,
}

impl TenantDb {
    /// Returns how recent the copy of these kinds is; `None` when there is no complete copy, or the account is
    /// disconnected and its copy is erased.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn copy_freshness(
        &self,
        account_id: IntegratedAccountId,
        kinds: &[CopyKind],
    ) -> Result<Option<CopyFreshness>, StoreError> {
        let names: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let row = sqlx::query!(
            r#"SELECT count(*) AS "count!", min(synced_at) AS synced_at, max(first_synced_at) AS first_synced_at
               FROM directory_copies
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = ANY ($3)
                 AND EXISTS (SELECT FROM integrated_accounts
                             WHERE environment_id = $1 AND integrated_account_id = $2
                               AND status <> 'disconnected')"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            &names,
        )
        .fetch_one(&self.pool)
        .await?;
        let is_complete = usize::try_from(row.count).is_ok_and(|count| count == kinds.len());
        Ok(row
            .synced_at
            .zip(row.first_synced_at)
            .filter(|_| is_complete)
            .map(|(synced_at, first_synced_at)| CopyFreshness { synced_at, first_synced_at }))
    }

    /// Returns the time of the account's last change in the copy; `None` if there was none. All changes up to that time
    /// are committed, and later ones have later times.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_copy_change(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT last_change_at FROM account_feeds
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// Returns a page of objects.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn copied_objects(
        &self,
        account_id: IntegratedAccountId,
        query: &CopyQuery,
    ) -> Result<Vec<CopyRow>, StoreError> {
        let Some(search) = query.search.as_deref() else {
            return self.select_page(account_id, query).await;
        };
        let wanted = query.offset.saturating_add(query.limit);
        let mut found: Vec<CopyRow> = Vec::new();
        for tier in SearchTier::ALL {
            let is_short = i64::try_from(found.len()).unwrap_or(i64::MAX) < wanted;
            if !is_short || tier.min_letters() > search.chars().count() {
                break;
            }
            let known: HashSet<String> = found.iter().map(|row| row.id.clone()).collect();
            let more = self.search(account_id, query, search, tier).await?;
            found.extend(more.into_iter().filter(|row| !known.contains(&row.id)));
        }
        let skip = usize::try_from(query.offset).unwrap_or_default();
        let take = usize::try_from(query.limit).unwrap_or_default();
        Ok(found.into_iter().skip(skip).take(take).collect())
    }

    async fn select_page(
        &self,
        account_id: IntegratedAccountId,
        query: &CopyQuery,
    ) -> Result<Vec<CopyRow>, StoreError> {
        let (key, key_type) = query.sort.expression();
        let mut sql = QueryBuilder::new(
            "SELECT v.object_id, v.body::text AS body, v.parent_id, v.last_activity_at, ",
        );
        sql.push(key)
            .push("::text AS key, v.actor, COALESCE(v.occurred_at, v.valid_from) AS made_at");
        self.push_source(&mut sql, account_id, query);
        if let Some((value, id)) = &query.after {
            let comparison = if query.descending { " < (" } else { " > (" };
            sql.push(" AND (").push(key).push(", v.object_id)").push(comparison);
            sql.push_bind(value).push("::").push(key_type).push(", ").push_bind(id).push(")");
        }
        let direction = if query.descending { " DESC" } else { "" };
        sql.push(" ORDER BY ").push(key).push(direction);
        sql.push(", v.object_id").push(direction).push(" LIMIT ").push_bind(query.limit);
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(read_row).collect()
    }

    /// Finds users and ranks them: those whose name begins with the text first, then by similarity of the name.
    async fn search(
        &self,
        account_id: IntegratedAccountId,
        query: &CopyQuery,
        search: &str,
        tier: SearchTier,
    ) -> Result<Vec<CopyRow>, StoreError> {
        let words = prefix_query(search);
        let mut sql = QueryBuilder::new(
            "SELECT object_id, body::text AS body, parent_id, last_activity_at, '' AS key, actor, made_at
             FROM (SELECT v.object_id, v.body, v.parent_id, v.last_activity_at, v.name_key, v.actor,
                 COALESCE(v.occurred_at, v.valid_from) AS made_at",
        );
        self.push_source(&mut sql, account_id, query);
        match tier {
            SearchTier::Name => {
                // These operators use the index whatever the locale of the database.
                sql.push(" AND v.name_key ~>=~ ").push_bind(search);
                sql.push(" AND v.name_key ~<~ ").push_bind(format!("{search}{}", char::MAX));
            }
            SearchTier::Words if words.is_empty() => return Ok(Vec::new()),
            SearchTier::Words => {
                sql.push(" AND to_tsvector('simple', v.search_text) @@ to_tsquery('simple', ");
                sql.push_bind(words).push(")");
            }
            SearchTier::Substring => {
                sql.push(" AND v.search_text LIKE ");
                sql.push_bind(format!("%{}%", escape_like(search)));
            }
        }
        sql.push(" LIMIT ").push_bind(MAX_CANDIDATES).push(") candidate ORDER BY name_key LIKE ");
        sql.push_bind(format!("{}%", escape_like(search)));
        sql.push(" DESC NULLS LAST, similarity(name_key, ").push_bind(search);
        sql.push(") DESC NULLS LAST, name_key, object_id LIMIT ");
        sql.push_bind(query.offset.saturating_add(query.limit));
        let rows = sql.build().fetch_all(&self.pool).await?;
        rows.iter().map(read_row).collect()
    }

    /// Returns the number of objects that match, at most `MAX_CANDIDATES` for a search.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_copied_objects(
        &self,
        account_id: IntegratedAccountId,
        query: &CopyQuery,
    ) -> Result<i64, StoreError> {
        if query.search.is_some() {
            let all = CopyQuery { offset: 0, limit: MAX_CANDIDATES, ..query.clone() };
            let found = self.copied_objects(account_id, &all).await?;
            return Ok(i64::try_from(found.len()).unwrap_or(i64::MAX));
        }
        if query.matches_all() {
            let sizes = self.copy_sizes(account_id).await?;
            let size = sizes.into_iter().find(|(kind, _)| *kind == query.kind);
            return Ok(size.map_or(0, |(_, size)| i64::try_from(size).unwrap_or(i64::MAX)));
        }
        let mut sql = QueryBuilder::new("SELECT count(*)");
        self.push_source(&mut sql, account_id, query);
        Ok(sql.build_query_scalar().fetch_one(&self.pool).await?)
    }

    /// Appends the source of a query's rows, and its conditions.
    fn push_source(
        &self,
        sql: &mut QueryBuilder<Postgres>,
        account_id: IntegratedAccountId,
        query: &CopyQuery,
    ) {
        sql.push(" FROM directory_versions v WHERE v.environment_id = ");
        sql.push_bind(self.environment_id).push(" AND v.integrated_account_id = ");
        sql.push_bind(account_id);
        // Written out, so that the planner sees the partition.
        sql.push(" AND v.kind = '").push(query.kind.name()).push("'");
        push_validity(sql, "v", query.as_of);
        let user = &query.user;
        for (condition, value) in [
            (" AND v.object_id = ", &query.id),
            (" AND v.name_key = ", &query.name),
            (" AND v.role_id = ", &query.role_id),
            (" AND v.parent_id = ", &query.parent_id),
            (" AND v.body->>'discoverability' = ", &query.discoverability),
            (" AND v.username = ", &user.username),
            (" AND v.status = ", &user.status),
            (" AND v.user_type = ", &user.user_type),
            (" AND v.title = ", &user.title),
            (" AND v.department = ", &user.department),
            (" AND v.manager_id = ", &user.manager_id),
        ] {
            if let Some(value) = value {
                sql.push(condition).push_bind(value);
            }
        }
        if let Some(email) = &user.email {
            // The body has the other addresses; all of them are in the searched text.
            sql.push(" AND v.search_text LIKE ").push_bind(format!("%{}%", escape_like(email)));
            sql.push(
                " AND EXISTS (SELECT FROM json_array_elements(v.body->'emails') one
                WHERE lower(one->>'email') = ",
            )
            .push_bind(email)
            .push(")");
        }
        if let Some(part) = &query.contains {
            sql.push(" AND v.search_text LIKE ").push_bind(format!("%{}%", escape_like(part)));
        }
        if let Some(after) = user.updated_after {
            sql.push(" AND COALESCE(v.updated_at, v.valid_from) > ").push_bind(after);
        }
        if let Some(before) = user.inactive_since {
            sql.push(" AND (v.last_activity_at IS NULL OR v.last_activity_at < ");
            sql.push_bind(before).push(")");
        }
        if let Some(user_id) = &query.user_id {
            match query.kind {
                CopyKind::Group => push_exists(
                    sql,
                    "group_member",
                    query.as_of,
                    &[("r.parent_id = v.object_id AND r.user_id = ", user_id)],
                ),
                CopyKind::Workspace
                | CopyKind::User
                | CopyKind::WorkspaceMember
                | CopyKind::GroupMember
                | CopyKind::RoleAssignment => {
                    sql.push(" AND v.user_id = ").push_bind(user_id);
                }
            }
        }
        if let Some(workspace_id) = &user.workspace_id {
            push_exists(
                sql,
                "workspace_member",
                query.as_of,
                &[("r.user_id = v.object_id AND r.parent_id = ", workspace_id)],
            );
        }
        if let Some(role_id) = &user.role_id {
            push_exists(
                sql,
                "role_assignment",
                query.as_of,
                &[("r.user_id = v.object_id AND r.role_id = ", role_id)],
            );
        }
    }
}

/// How a search finds users: each way is tried if those before it find too few.
#[derive(Debug, Clone, Copy)]
enum SearchTier {
    /// By the beginning of the name.
    Name,
    /// By the beginnings of words.
    Words,
    /// By a part of any text.
    Substring,
}

impl SearchTier {
    const ALL: [Self; 3] = [Self::Name, Self::Words, Self::Substring];

    /// Returns the length of a search that this way has an index for.
    fn min_letters(self) -> usize {
        match self {
            Self::Name | Self::Words => 1,
            Self::Substring => 3,
        }
    }
}

fn read_row(row: &sqlx::postgres::PgRow) -> Result<CopyRow, StoreError> {
    let actor: Option<Json<EventActor>> = row.try_get(5)?;
    let at: OffsetDateTime = row.try_get(6)?;
    Ok(CopyRow {
        id: row.try_get(0)?,
        body: row.try_get(1)?,
        parent_id: row.try_get(2)?,
        last_activity_at: row.try_get(3)?,
        key: row.try_get(4)?,
        made: MadeBy { at: actor.is_some().then_some(at), actor: actor.map(|actor| actor.0) },
    })
}

/// Appends the condition that a version is valid at a time.
pub(in crate::store) fn push_validity(
    sql: &mut QueryBuilder<Postgres>,
    of: &str,
    as_of: Option<OffsetDateTime>,
) {
    match as_of {
        None => {
            sql.push(" AND ").push(of).push(".valid_to = 'infinity'");
        }
        Some(at) => {
            sql.push(" AND ").push(of).push(".valid_from <= ").push_bind(at);
            sql.push(" AND ").push(of).push(".valid_to > ").push_bind(at);
        }
    }
}

/// Appends the condition that an object of a kind refers to the row.
fn push_exists(
    sql: &mut QueryBuilder<Postgres>,
    kind: &str,
    as_of: Option<OffsetDateTime>,
    conditions: &[(&str, &str)],
) {
    sql.push(
        " AND EXISTS (SELECT FROM directory_versions r WHERE r.environment_id = v.environment_id
        AND r.integrated_account_id = v.integrated_account_id AND r.kind = '",
    );
    sql.push(kind).push("'");
    push_validity(sql, "r", as_of);
    for (condition, value) in conditions {
        sql.push(" AND ").push(*condition).push_bind((*value).to_owned());
    }
    sql.push(")");
}

/// Returns a text search query for the beginnings of all words of a text.
fn prefix_query(search: &str) -> String {
    let words = search.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).map(|word| format!("'{word}':*"));
    words.collect::<Vec<_>>().join(" & ")
}

fn escape_like(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}
