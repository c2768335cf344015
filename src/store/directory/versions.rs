//! The versions of objects.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::columns::parse_name;
use super::super::{StoreError, TenantDb};
use crate::domain::event::EventActor;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

/// Maximum number of versions of one subject that are read.
const MAX_VERSIONS: i64 = 10_000;

/// A version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// The kind.
    pub kind: CopyKind,
    /// The object's id.
    pub id: String,
    /// When it appeared, or changed to this.
    pub valid_from: OffsetDateTime,
    /// When it changed to something else, or was removed; `None` for the current version.
    pub valid_to: Option<OffsetDateTime>,
    /// The object as JSON.
    pub body: String,
    /// Who made the version, and when by the provider's time.
    pub made: MadeBy,
    /// Who ended it by a removal, and when by the provider's time.
    pub ended: MadeBy,
}

/// Who made a change, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MadeBy {
    /// Who made it.
    pub actor: Option<EventActor>,
    /// When, by the provider's time.
    pub at: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Returns the versions of an object and, for a user, of its memberships and roles: the newest ones, in any order.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn versions(
        &self,
        account_id: IntegratedAccountId,
        kind: CopyKind,
        id: &str,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT kind AS "kind!", object_id AS "id!", valid_from AS "valid_from!",
                      NULLIF(valid_to, 'infinity') AS valid_to, body::text AS "body!",
                      actor AS "actor: Json<EventActor>", occurred_at,
                      end_actor AS "end_actor: Json<EventActor>", ended_at
               FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4
               UNION ALL
               SELECT kind, object_id, valid_from, NULLIF(valid_to, 'infinity'), body::text, actor, occurred_at,
                   end_actor, ended_at
               FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND $3 = 'user' AND user_id = $4
                 AND kind IN ('workspace_member', 'group_member', 'role_assignment')
               UNION ALL
               SELECT kind, object_id, valid_from, NULLIF(valid_to, 'infinity'), body::text, actor, occurred_at,
                   end_actor, ended_at
               FROM directory_versions
               WHERE environment_id = $1 AND integrated_account_id = $2 AND $3 IN ('workspace', 'group')
                 AND parent_id = $4 AND kind = $3 || '_member'
               ORDER BY 3 DESC, 1, 2 LIMIT $5"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            kind.name(),
            id,
            MAX_VERSIONS,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let kind = parse_name("directory_versions", "kind", &row.kind)?;
                let (id, valid_from, valid_to) = (row.id, row.valid_from, row.valid_to);
                let by = |actor: Option<Json<EventActor>>, at| MadeBy {
                    actor: actor.map(|actor| actor.0),
                    at,
                };
                let made = by(row.actor, row.occurred_at);
                let ended = by(row.end_actor, row.ended_at);
                Ok(VersionRow { kind, id, valid_from, valid_to, body: row.body, made, ended })
            })
            .collect()
    }
}
