//! Reads the people of a copy with their roles, workspaces and groups, page by page.

use std::collections::HashMap;

use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;

use super::super::directory::push_validity;
use super::super::{StoreError, TenantDb};
use super::grants::LostRoles;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::policy::{
    AccessGrant, AccessType, HeldRole, LostRole, Membership, Person, UserAccess,
};

/// Maximum number of ids whose access is read beside the people, and not after them.
const MAX_IDS_AT_ONCE: usize = 1_000;

/// Which people are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeopleFilter {
    /// All of them.
    Everyone,
    /// Those with these ids.
    Ids(Vec<String>),
    /// Those who hold one of these roles.
    Holders(Vec<String>),
    /// Those with one of these primary e-mail addresses, in lower case.
    Emails(Vec<String>),
    /// Guests.
    Guests,
}

/// A page of people.
#[derive(Debug, Clone, Copy)]
pub struct PeoplePage<'a> {
    /// The directory as it was at this time; `None` for now.
    pub as_of: Option<OffsetDateTime>,
    /// The id of the last person of the page before.
    pub after: Option<&'a str>,
    /// The maximum number of people.
    pub limit: i64,
}

impl TenantDb {
    /// Returns a page of people, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn people(
        &self,
        account_id: IntegratedAccountId,
        filter: &PeopleFilter,
        page: PeoplePage<'_>,
    ) -> Result<Vec<Person>, StoreError> {
        let rows = self.people_rows(account_id, filter, page);
        if let PeopleFilter::Ids(ids) = filter
            && ids.len() <= MAX_IDS_AT_ONCE
        {
            let access = self.access_by_id(account_id, ids, page.as_of);
            let (rows, access) = tokio::try_join!(rows, access)?;
            return Ok(rows.with_access(access));
        }
        self.people_of_rows(account_id, rows.await?, page.as_of).await
    }

    /// Returns the people of rows.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn people_of_rows(
        &self,
        account_id: IntegratedAccountId,
        rows: PeopleRows,
        as_of: Option<OffsetDateTime>,
    ) -> Result<Vec<Person>, StoreError> {
        let access = self.access_by_id(account_id, &rows.ids(), as_of).await?;
        Ok(rows.with_access(access))
    }

    /// Returns a page of people without roles, workspaces and groups, in the order of their ids.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(super) async fn people_rows(
        &self,
        account_id: IntegratedAccountId,
        filter: &PeopleFilter,
        page: PeoplePage<'_>,
    ) -> Result<PeopleRows, StoreError> {
        let mut sql = QueryBuilder::new(
            "SELECT v.object_id, v.body::text, v.last_activity_at, v.valid_from
             FROM directory_users v WHERE v.environment_id = ",
        );
        sql.push_bind(self.environment_id).push(" AND v.integrated_account_id = ");
        sql.push_bind(account_id).push(" AND v.kind = 'user'");
        push_validity(&mut sql, "v", page.as_of);
        match filter {
            PeopleFilter::Everyone => {}
            PeopleFilter::Ids(ids) => {
                sql.push(" AND v.object_id = ANY (").push_bind(ids).push(")");
            }
            PeopleFilter::Emails(emails) => {
                sql.push(" AND v.email = ANY (").push_bind(emails).push(")");
            }
            PeopleFilter::Guests => {
                sql.push(" AND v.user_type IN ('guest_multi_channel', 'guest_single_channel')");
            }
            PeopleFilter::Holders(roles) => {
                // Not `IN`, which PostgreSQL would look up for each user.
                sql.push(
                    " AND v.object_id = ANY (ARRAY (SELECT r.user_id FROM directory_role_assignments r
                     WHERE r.environment_id = ",
                );
                sql.push_bind(self.environment_id).push(" AND r.integrated_account_id = ");
                sql.push_bind(account_id).push(" AND r.role_id = ANY (");
                sql.push_bind(roles).push(")");
                push_validity(&mut sql, "r", page.as_of);
                sql.push("))");
            }
        }
        if let Some(after) = page.after {
            sql.push(" AND v.object_id > ").push_bind(after);
        }
        sql.push(" ORDER BY v.object_id LIMIT ").push_bind(page.limit);
        let rows = sql.build().fetch_all(&self.pool).await?;
        let mut people = Vec::with_capacity(rows.len());
        let last = rows.last().map(|row| row.try_get(0)).transpose()?;
        for row in rows {
            let (id, body): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            // A body that a newer version of the gateway wrote in another form is left out, and reported.
            let Ok(profile) = serde_json::from_str(&body) else {
                tracing::warn!(%account_id, user = id, "a copied user has an unknown form");
                continue;
            };
            let (last_activity_at, found_at) = (row.try_get(2)?, row.try_get(3)?);
            let (roles, lost_roles, workspaces, groups, whole) = Default::default();
            people.push(Person {
                id,
                profile,
                last_activity_at,
                found_at,
                roles,
                lost_roles,
                workspaces,
                groups,
                body,
                whole,
            });
        }
        Ok(PeopleRows { people, last })
    }

    /// Returns the access of users by their ids, which may occur more than once.
    async fn access_by_id(
        &self,
        account_id: IntegratedAccountId,
        ids: &[String],
        as_of: Option<OffsetDateTime>,
    ) -> Result<HashMap<String, UserAccess>, StoreError> {
        let wanted = (AccessType::ALL, LostRoles::Read);
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        let access = self.access_of_users(account_id, &ids, wanted, as_of).await?;
        Ok(ids.into_iter().zip(access).collect())
    }
}

/// A page of people without their access.
#[derive(Debug)]
pub struct PeopleRows {
    people: Vec<Person>,
    /// The id of the last one.
    pub(super) last: Option<String>,
}

impl PeopleRows {
    fn ids(&self) -> Vec<String> {
        self.people.iter().map(|person| person.id.clone()).collect()
    }

    /// Adds roles, workspaces and groups.
    fn with_access(self, mut access: HashMap<String, UserAccess>) -> Vec<Person> {
        let mut people = self.people;
        for person in &mut people {
            let access = access.remove(&person.id).unwrap_or_default();
            for held in access.grants {
                match held.access_type {
                    AccessType::Role => person.roles.push(role(held)),
                    AccessType::Workspace => person.workspaces.push(membership(held)),
                    AccessType::Group => person.groups.push(membership(held)),
                }
            }
            let lost = access.lost_roles.into_iter();
            person.lost_roles =
                lost.map(|(held, removal)| LostRole { role: role(held), removal }).collect();
        }
        people
    }
}

fn role(held: AccessGrant) -> HeldRole {
    HeldRole {
        assignment_id: held.object_id,
        role_name: held.name.unwrap_or_else(|| held.id.clone()),
        role_id: held.id,
        scope: held.scope,
        workspace_id: held.workspace_id,
        is_privileged: held.is_privileged,
        grant: held.grant,
    }
}

fn membership(held: AccessGrant) -> Membership {
    Membership { id: held.id, name: held.name, grant: held.grant }
}
