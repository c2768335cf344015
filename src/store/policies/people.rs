//! Reads the people of a copy with their roles, workspaces and groups, page by page.

use sqlx::{QueryBuilder, Row as _};
use time::OffsetDateTime;

use super::super::directory::push_validity;
use super::super::{StoreError, TenantDb};
use super::grants::LostRoles;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::policy::{AccessGrant, AccessType, HeldRole, LostRole, Membership, Person};

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
        self.add_access(account_id, &mut people, page.as_of).await?;
        Ok(people)
    }

    /// Adds roles, workspaces and groups to people.
    async fn add_access(
        &self,
        account_id: IntegratedAccountId,
        people: &mut [Person],
        as_of: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        let ids: Vec<String> = people.iter().map(|person| person.id.clone()).collect();
        let wanted = (AccessType::ALL, LostRoles::Read);
        let access = self.access_of_users(account_id, &ids, wanted, as_of).await?;
        for (person, access) in people.iter_mut().zip(access) {
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
        Ok(())
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
