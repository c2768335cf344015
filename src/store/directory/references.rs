//! What refers to objects of a copy: memberships and roles of users, members of groups and workspaces.

use time::OffsetDateTime;

use super::super::columns::parse_name;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

/// Something that refers to an object of a page: a membership or a role assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReferenceRow {
    /// The kind.
    pub kind: CopyKind,
    /// The object of the page.
    pub of: String,
    /// The other object: the workspace or group of a user, the user of a group.
    pub to: String,
    /// The other object's name.
    pub name: Option<String>,
    /// The assignment as JSON.
    pub body: Option<String>,
}

impl TenantDb {
    /// Returns what refers to users: workspaces, groups and role assignments.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn user_references(
        &self,
        account_id: IntegratedAccountId,
        user_ids: &[String],
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<ReferenceRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT r.kind AS "kind!", r.user_id AS "of!", r.parent_id AS "to!", p.name AS "name?",
                      NULL::text AS "body?"
               FROM directory_workspace_members r
               LEFT JOIN directory_workspaces p
                 ON p.environment_id = $1 AND p.integrated_account_id = $2 AND p.object_id = r.parent_id
                   AND ($4::timestamptz IS NULL AND p.valid_to = 'infinity'
                        OR p.valid_from <= $4 AND p.valid_to > $4)
               WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = ANY ($3)
                 AND ($4::timestamptz IS NULL AND r.valid_to = 'infinity'
                      OR r.valid_from <= $4 AND r.valid_to > $4)
               UNION ALL
               SELECT r.kind, r.user_id, r.parent_id, p.name, NULL
               FROM directory_group_members r
               LEFT JOIN directory_groups p
                 ON p.environment_id = $1 AND p.integrated_account_id = $2 AND p.object_id = r.parent_id
                   AND ($4::timestamptz IS NULL AND p.valid_to = 'infinity'
                        OR p.valid_from <= $4 AND p.valid_to > $4)
               WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = ANY ($3)
                 AND ($4::timestamptz IS NULL AND r.valid_to = 'infinity'
                      OR r.valid_from <= $4 AND r.valid_to > $4)
               UNION ALL
               SELECT r.kind, r.user_id, r.object_id, NULL, r.body::text
               FROM directory_role_assignments r
               WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = ANY ($3)
                 AND ($4::timestamptz IS NULL AND r.valid_to = 'infinity'
                      OR r.valid_from <= $4 AND r.valid_to > $4)
               ORDER BY 2, 1, 3"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            user_ids,
            as_of,
        )
        .fetch_all(&self.pool)
        .await?;
        let kind = |name: &str| parse_name("directory_versions", "kind", name);
        rows.into_iter()
            .map(|row| {
                let (of, to, name, body) = (row.of, row.to, row.name, row.body);
                Ok(ReferenceRow { kind: kind(&row.kind)?, of, to, name, body })
            })
            .collect()
    }

    /// Returns the members of groups, with their names.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn group_references(
        &self,
        account_id: IntegratedAccountId,
        group_ids: &[String],
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<ReferenceRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT r.parent_id AS "of!", r.user_id AS "to!", p.name AS "name?"
               FROM directory_group_members r
               LEFT JOIN directory_users p
                 ON p.environment_id = $1 AND p.integrated_account_id = $2 AND p.object_id = r.user_id
                   AND ($4::timestamptz IS NULL AND p.valid_to = 'infinity'
                        OR p.valid_from <= $4 AND p.valid_to > $4)
               WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.parent_id = ANY ($3)
                 AND ($4::timestamptz IS NULL AND r.valid_to = 'infinity'
                      OR r.valid_from <= $4 AND r.valid_to > $4)
               ORDER BY 1, 2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            group_ids,
            as_of,
        )
        .fetch_all(&self.pool)
        .await?;
        let row =
            |(of, to, name)| ReferenceRow { kind: CopyKind::GroupMember, of, to, name, body: None };
        Ok(rows.into_iter().map(|one| row((one.of, one.to, one.name))).collect())
    }

    /// Returns the names of workspaces and the number of their members.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn workspace_summaries(
        &self,
        account_id: IntegratedAccountId,
        workspace_ids: &[String],
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<(String, Option<String>, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT w.object_id AS "id!", w.name, (
                   SELECT count(*) FROM directory_workspace_members r
                   WHERE r.environment_id = $1 AND r.integrated_account_id = $2
                     AND r.parent_id = w.object_id
                     AND ($4::timestamptz IS NULL AND r.valid_to = 'infinity'
                          OR r.valid_from <= $4 AND r.valid_to > $4)) AS "members!"
               FROM directory_workspaces w
               WHERE w.environment_id = $1 AND w.integrated_account_id = $2 AND w.object_id = ANY ($3)
                 AND ($4::timestamptz IS NULL AND w.valid_to = 'infinity'
                      OR w.valid_from <= $4 AND w.valid_to > $4)"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            workspace_ids,
            as_of,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.name, row.members)).collect())
    }

    /// Returns the names of workspaces; of all with `None`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn copied_workspace_names(
        &self,
        account_id: IntegratedAccountId,
        workspace_ids: Option<&[String]>,
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT w.object_id AS "id!", w.name AS "name!" FROM directory_workspaces w
               WHERE w.environment_id = $1 AND w.integrated_account_id = $2
                 AND ($3::text[] IS NULL OR w.object_id = ANY ($3))
                 AND w.name IS NOT NULL
                 AND ($4::timestamptz IS NULL AND w.valid_to = 'infinity'
                      OR w.valid_from <= $4 AND w.valid_to > $4)"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            workspace_ids,
            as_of,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
    }
}
