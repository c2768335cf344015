//! Reads what people may do where in a copy, and who granted it: roles, memberships of workspaces and of groups.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::{StoreError, TenantDb};
use crate::domain::event::EventActor;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::policy::{AccessGrant, AccessType, Grant, Removal, UserAccess};
use crate::domain::role::RoleScope;

/// The fields of a stored role assignment that are read.
#[derive(Deserialize)]
struct AssignmentFields {
    role_name: String,
    scope: RoleScope,
    workspace_id: Option<String>,
    channel_id: Option<String>,
    is_privileged: bool,
    granted_by: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    created_at: Option<OffsetDateTime>,
}

/// The names of workspaces and groups, by their ids.
#[derive(Default)]
struct Names {
    workspaces: HashMap<String, String>,
    groups: HashMap<String, String>,
}

/// The ranks of the versions, which determine their order.
const ROLE: i32 = 1;
const WORKSPACE: i32 = 2;
const GROUP: i32 = 3;

/// A version of a role assignment or membership.
struct VersionRow {
    rank: i32,
    user_id: String,
    object_id: String,
    target_id: Option<String>,
    /// The workspace, or the channel of a role.
    workspace_id: Option<String>,
    body: Option<String>,
    is_valid: bool,
    valid_from: OffsetDateTime,
    valid_to: Option<OffsetDateTime>,
    occurred_at: Option<OffsetDateTime>,
    actor: Option<Json<EventActor>>,
    ended_at: Option<OffsetDateTime>,
    end_actor: Option<Json<EventActor>>,
    is_initial: bool,
}

/// Whether roles that were removed are read, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostRoles {
    /// They are read.
    Read,
    /// They are left out.
    LeftOut,
}

impl TenantDb {
    /// Returns the access of each of these users, in their order.
    ///
    /// # Errors
    ///
    /// When the database fails, or a stored role assignment has an unknown form.
    pub(super) async fn access_of_users(
        &self,
        account_id: IntegratedAccountId,
        user_ids: &[String],
        (access_types, lost_roles): (&[AccessType], LostRoles),
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<UserAccess>, StoreError> {
        if user_ids.is_empty() {
            return Ok(Vec::new());
        }
        let access_types: Vec<String> = access_types.iter().map(ToString::to_string).collect();
        let rows = sqlx::query_as!(
            VersionRow,
            // One lookup in an index for each user and kind, also without statistics of the copy.
            r#"SELECT r.rank AS "rank!", u.id AS "user_id!", r.object_id AS "object_id!", r.target_id, r.workspace_id,
                      CASE WHEN r.is_valid OR $6 THEN r.body::text END AS body, r.is_valid IS TRUE AS "is_valid!",
                      r.valid_from AS "valid_from!", NULLIF(r.valid_to, 'infinity') AS valid_to,
                      r.occurred_at, r.actor AS "actor: Json<EventActor>",
                      r.ended_at, r.end_actor AS "end_actor: Json<EventActor>",
                      (c.first_synced_at IS NULL OR r.valid_from <= c.first_synced_at) AS "is_initial!"
               FROM UNNEST($3::text[]) AS u (id)
               CROSS JOIN LATERAL (
                   SELECT 1 AS rank, r.kind, r.object_id, r.role_id AS target_id, r.parent_id AS workspace_id, r.body,
                          r.valid_from, r.valid_to, r.occurred_at, r.actor, r.ended_at, r.end_actor,
                          ($4::timestamptz IS NULL AND r.valid_to = 'infinity' OR r.valid_to > $4) AS is_valid
                   FROM directory_role_assignments r
                   WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = u.id
                     AND ($4::timestamptz IS NULL OR r.valid_from <= $4) AND 'role' = ANY ($5::text[])
                   UNION ALL
                   SELECT 2, r.kind, r.object_id, r.parent_id, r.parent_id, NULL,
                          r.valid_from, r.valid_to, r.occurred_at, r.actor, r.ended_at, r.end_actor,
                          ($4::timestamptz IS NULL AND r.valid_to = 'infinity' OR r.valid_to > $4)
                   FROM directory_workspace_members r
                   WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = u.id
                     AND ($4::timestamptz IS NULL OR r.valid_from <= $4) AND 'workspace' = ANY ($5::text[])
                   UNION ALL
                   SELECT 3, r.kind, r.object_id, r.parent_id, NULL, NULL,
                          r.valid_from, r.valid_to, r.occurred_at, r.actor, r.ended_at, r.end_actor,
                          ($4::timestamptz IS NULL AND r.valid_to = 'infinity' OR r.valid_to > $4)
                   FROM directory_group_members r
                   WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.user_id = u.id
                     AND ($4::timestamptz IS NULL OR r.valid_from <= $4) AND 'group' = ANY ($5::text[])
                   OFFSET 0) r
               LEFT JOIN directory_copies c
                 ON c.environment_id = $1 AND c.integrated_account_id = $2 AND c.kind = r.kind
               ORDER BY u.id COLLATE "C", r.rank, r.object_id COLLATE "C", r.valid_from"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            user_ids,
            as_of,
            &access_types,
            lost_roles == LostRoles::Read,
        )
        .fetch_all(&self.pool)
        .await?;
        let names = self.access_names(account_id, &rows, as_of).await?;
        grants(rows, user_ids, &names)
    }

    /// Returns the names of the workspaces and groups of versions. They are read apart, because a plan for all cases
    /// would compare each version with each name.
    async fn access_names(
        &self,
        account_id: IntegratedAccountId,
        rows: &[VersionRow],
        as_of: Option<OffsetDateTime>,
    ) -> Result<Names, StoreError> {
        let valid = || rows.iter().filter(|row| row.is_valid);
        let workspaces: HashSet<&String> =
            valid().filter_map(|row| row.workspace_id.as_ref()).collect();
        let groups =
            valid().filter(|row| row.rank == GROUP).filter_map(|row| row.target_id.as_ref());
        let groups: HashSet<&String> = groups.collect();
        let [workspaces, groups] =
            [workspaces, groups].map(|ids| ids.into_iter().cloned().collect::<Vec<String>>());
        let mut names = Names::default();
        if workspaces.is_empty() && groups.is_empty() {
            return Ok(names);
        }
        let rows = sqlx::query!(
            r#"SELECT p.kind AS "kind!", p.object_id AS "id!", p.name AS "name!"
               FROM directory_workspaces p
               WHERE p.environment_id = $1 AND p.integrated_account_id = $2 AND p.kind = 'workspace'
                 AND p.object_id = ANY ($3) AND p.name IS NOT NULL
                 AND ($5::timestamptz IS NULL AND p.valid_to = 'infinity'
                      OR p.valid_from <= $5 AND p.valid_to > $5)
               UNION ALL
               SELECT p.kind, p.object_id, p.name
               FROM directory_groups p
               WHERE p.environment_id = $1 AND p.integrated_account_id = $2 AND p.kind = 'group'
                 AND p.object_id = ANY ($4) AND p.name IS NOT NULL
                 AND ($5::timestamptz IS NULL AND p.valid_to = 'infinity'
                      OR p.valid_from <= $5 AND p.valid_to > $5)"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            &workspaces,
            &groups,
            as_of,
        )
        .fetch_all(&self.pool)
        .await?;
        for row in rows {
            let of_kind = match row.kind.as_str() {
                "workspace" => &mut names.workspaces,
                _ => &mut names.groups,
            };
            of_kind.insert(row.id, row.name);
        }
        Ok(names)
    }
}

/// Returns the grants of the valid versions, and the roles of which no version is valid, by user. The versions of an object
/// follow each other.
fn grants(
    rows: Vec<VersionRow>,
    user_ids: &[String],
    names: &Names,
) -> Result<Vec<UserAccess>, StoreError> {
    let places: HashMap<&str, usize> =
        user_ids.iter().enumerate().map(|(place, id)| (id.as_str(), place)).collect();
    let mut of_users: Vec<UserAccess> = user_ids.iter().map(|_| UserAccess::default()).collect();
    let mut rows = rows.into_iter().peekable();
    // The object of the version before, and the end of that version.
    let mut before: Option<(i32, String, Option<OffsetDateTime>)> = None;
    let mut grant: Option<Grant> = None;
    while let Some(mut row) = rows.next() {
        let is_continued = before.is_some_and(|(rank, object_id, valid_to)| {
            rank == row.rank && object_id == row.object_id && valid_to == Some(row.valid_from)
        });
        // A version that continues another one is no new grant, unless its actor is known.
        let granted = match grant.take() {
            Some(grant) if is_continued && row.actor.is_none() => grant,
            Some(_) | None => Grant {
                found_at: row.valid_from,
                occurred_at: row.occurred_at,
                actor: row.actor.take().map(|actor| actor.0),
                is_older_than_sync: row.is_initial,
            },
        };
        let is_last =
            rows.peek().is_none_or(|next| next.rank != row.rank || next.object_id != row.object_id);
        let place = places.get(row.user_id.as_str());
        if let Some(of_user) = place.and_then(|place| of_users.get_mut(*place)) {
            if row.is_valid {
                of_user.grants.extend(access(&mut row, names, granted.clone())?);
            } else if let Some(removal) = removal(&mut row).filter(|_| is_last) {
                let lost = access(&mut row, names, granted.clone())?;
                of_user.lost_roles.extend(lost.map(|lost| (lost, removal)));
            }
        }
        before = Some((row.rank, row.object_id, row.valid_to));
        grant = Some(granted);
    }
    Ok(of_users)
}

/// Returns the removal of a role whose last version this is; `None` where roles that were removed are left out.
fn removal(row: &mut VersionRow) -> Option<Removal> {
    let found_at = row.valid_to.filter(|_| row.rank == ROLE && row.body.is_some())?;
    let actor = row.end_actor.take().map(|actor| actor.0);
    Some(Removal { found_at, occurred_at: row.ended_at, actor })
}

/// Returns what a version grants; `None` for one that names no role, workspace or group.
fn access(
    row: &mut VersionRow,
    names: &Names,
    grant: Grant,
) -> Result<Option<AccessGrant>, StoreError> {
    let Some(id) = row.target_id.take() else { return Ok(None) };
    let object_id = row.object_id.clone();
    let workspace_name = row.workspace_id.as_ref().and_then(|id| names.workspaces.get(id)).cloned();
    let (channel_id, is_privileged) = (None, false);
    Ok(Some(match row.rank {
        ROLE => {
            role(object_id, id, workspace_name, row.body.as_deref().unwrap_or_default(), grant)?
        }
        WORKSPACE => AccessGrant {
            access_type: AccessType::Workspace,
            object_id,
            workspace_id: Some(id.clone()),
            id,
            name: workspace_name.clone(),
            workspace_name,
            scope: RoleScope::Workspace,
            channel_id,
            is_privileged,
            grant,
        },
        _ => AccessGrant {
            access_type: AccessType::Group,
            object_id,
            name: names.groups.get(&id).cloned(),
            id,
            scope: RoleScope::Organization,
            workspace_id: None,
            workspace_name: None,
            channel_id,
            is_privileged,
            grant,
        },
    }))
}

/// Returns the role of an assignment. What the provider knows of the grant completes what the gateway has found.
fn role(
    object_id: String,
    id: String,
    workspace_name: Option<String>,
    body: &str,
    grant: Grant,
) -> Result<AccessGrant, StoreError> {
    let fields: AssignmentFields = serde_json::from_str(body).map_err(|_| {
        StoreError::Inconsistent { table: "directory_role_assignments", column: "body" }
    })?;
    let granted_by = fields.granted_by.map(|id| EventActor {
        kind: "user".to_owned(),
        id: Some(id),
        name: None,
        app: None,
        request_id: None,
    });
    let (occurred_at, actor) =
        (fields.created_at.or(grant.occurred_at), grant.actor.or(granted_by));
    Ok(AccessGrant {
        access_type: AccessType::Role,
        object_id,
        id,
        name: Some(fields.role_name),
        scope: fields.scope,
        workspace_name: workspace_name.filter(|_| fields.workspace_id.is_some()),
        workspace_id: fields.workspace_id,
        channel_id: fields.channel_id,
        is_privileged: fields.is_privileged,
        grant: Grant { occurred_at, actor, ..grant },
    })
}
