//! Lookup of objects of a copy by what callers call them: names of workspaces and groups, and the values by which
//! people are matched.

use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::reconciliation::MatchBy;
use crate::domain::sync::CopyKind;

/// The id and the name of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObject {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Option<String>,
}

impl TenantDb {
    /// Returns the names of all workspaces, or of all groups, of a copy.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn object_names(
        &self,
        account_id: IntegratedAccountId,
        kind: CopyKind,
    ) -> Result<Vec<NamedObject>, StoreError> {
        let found = sqlx::query_as!(
            NamedObject,
            r#"SELECT object_id AS "id!", name FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND valid_to = 'infinity'
               ORDER BY object_id"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            kind.name(),
        );
        Ok(found.fetch_all(&self.pool).await?)
    }

    /// Returns the people of a copy with the value by which they are matched: id and value.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn match_values(
        &self,
        account_id: IntegratedAccountId,
        match_by: MatchBy,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT object_id AS "id!", value AS "value!" FROM (
                   SELECT object_id, CASE $3
                       WHEN 'email' THEN email
                       WHEN 'external_id' THEN body->>'external_id'
                       WHEN 'employee_number' THEN body->>'employee_number'
                       WHEN 'username' THEN body->>'username' END AS value
                   FROM directory_users
                   WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = 'user'
                     AND valid_to = 'infinity' AND user_type <> 'bot') keys
               WHERE value IS NOT NULL"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            match_by.name(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.value)).collect())
    }
}
