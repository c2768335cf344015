//! The access review: who may do what where, since when, granted by whom, and who was last active when. It is read from
//! the synced copy page by page, all pages from the same state.

use std::borrow::Cow;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::ToSchema;

use crate::connectors::Connector;
use crate::domain::policy::{AccessFilter, AccessGrant, AccessType, Grant, ReviewedPerson};
use crate::domain::role::RoleScope;
use crate::domain::sync::SyncResource;
use crate::domain::user::{UserStatus, UserType};
use crate::store::PeoplePage;
use crate::sync::{CopyError, CopySnapshot, SyncedCopy, has_resource};

/// Number of people in the first page, which a reader may wait for, and in the others.
const FIRST_PAGE: i64 = 200;
const PAGE: i64 = 1_000;

/// An access review while it is read.
#[derive(Debug)]
pub struct AccessReview {
    filter: AccessFilter,
    requested_as_of: Option<OffsetDateTime>,
    resources: Vec<SyncResource>,
    snapshot: CopySnapshot,
    /// The id of the last person that was read.
    after: Option<String>,
    is_at_end: bool,
}

impl AccessReview {
    /// Begins a review of the state at `as_of`, or of the latest one with `None`.
    ///
    /// # Errors
    ///
    /// `NotSynced` for a resource that the review includes and the copy does not have, `OutOfRange`, or `Store`.
    pub async fn begin(
        copy: &SyncedCopy<'_>,
        connector: &dyn Connector,
        filter: AccessFilter,
        as_of: Option<OffsetDateTime>,
    ) -> Result<Self, CopyError> {
        let resources = resources(connector, &filter);
        let snapshot = copy.snapshot(&resources, as_of).await?;
        Ok(Self {
            filter,
            requested_as_of: as_of,
            resources,
            snapshot,
            after: None,
            is_at_end: false,
        })
    }

    /// The copy is at least as recent as this; the requested time for a state of the past.
    #[must_use]
    pub fn synced_at(&self) -> OffsetDateTime {
        self.snapshot.synced_at
    }

    /// Whether all pages were read.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Reads the next page; it may be empty.
    ///
    /// # Errors
    ///
    /// `NotSynced` when the copy was erased in the meantime, `OutOfRange` when the history that is read was, or `Store`.
    pub async fn next_page(
        &mut self,
        copy: &SyncedCopy<'_>,
    ) -> Result<Vec<ReviewedPerson>, CopyError> {
        let (as_of, after) = (Some(self.snapshot.as_of), self.after.as_deref());
        let limit = if after.is_some() { PAGE } else { FIRST_PAGE };
        let page = PeoplePage { as_of, after, limit };
        let people = copy.db.reviewed_people(copy.account.id, &self.filter, page).await?;
        self.is_at_end = usize::try_from(limit).is_ok_and(|page| people.len() < page);
        self.after = people.last().map(|person| person.id.clone());
        if self.is_at_end {
            // What was erased while it was read is missing from the pages.
            copy.check_snapshot(&self.snapshot, &self.resources, self.requested_as_of).await?;
        }
        Ok(people)
    }

    /// Returns the rows of a person: one for each access. A person without any has one row without access, unless the
    /// filter selects access.
    pub fn rows<'p>(
        &self,
        person: &'p ReviewedPerson,
    ) -> impl Iterator<Item = AccessReviewRow<'p>> + use<'p> {
        let is_bare = person.grants.is_empty() && !self.filter.selects_access();
        let bare = is_bare.then(|| AccessReviewRow::of(person, None));
        bare.into_iter()
            .chain(person.grants.iter().map(|grant| AccessReviewRow::of(person, Some(grant))))
    }
}

/// Returns the resources that a review reads. Without a complete copy of one of them it would miss access.
fn resources(connector: &dyn Connector, filter: &AccessFilter) -> Vec<SyncResource> {
    let of_access = [
        (AccessType::Role, SyncResource::RoleAssignments),
        (AccessType::Group, SyncResource::Groups),
    ];
    let of_access = of_access
        .into_iter()
        .filter(|(access_type, resource)| {
            filter.allows(*access_type) && has_resource(connector, *resource)
        })
        .map(|(_, resource)| resource);
    [SyncResource::Users].into_iter().chain(of_access).collect()
}

/// A row of an access review: a person, and one access. The order of the fields is that of the columns.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AccessReviewRow<'a> {
    /// The provider's id of the user.
    #[schema(example = "U0EXAMPLE")]
    pub user_id: &'a str,
    /// The primary e-mail address.
    #[schema(required = true, example = "ada@example.com")]
    pub email: Option<&'a str>,
    /// The full name.
    #[schema(required = true, example = "Ada Lovelace")]
    pub name: Option<&'a str>,
    /// The username.
    #[schema(required = true, example = "ada")]
    pub username: Option<&'a str>,
    /// Job title.
    #[schema(required = true, example = "Engineer")]
    pub title: Option<&'a str>,
    /// Department.
    #[schema(required = true, example = "Engineering")]
    pub department: Option<&'a str>,
    /// Whether the user can sign in.
    pub status: UserStatus,
    /// The kind of member.
    pub user_type: UserType,
    /// When the user was last active, as far as known today; `null` when unknown.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true, example = "2026-01-15T09:30:00Z")]
    pub last_activity_at: Option<OffsetDateTime>,
    /// What the access consists of; `null`, like all fields below, for a user without any access.
    #[schema(required = true)]
    pub access_type: Option<AccessType>,
    /// The id of the role, workspace or group.
    #[schema(required = true, example = "ws:admin")]
    pub access_id: Option<&'a str>,
    /// Its name.
    #[schema(required = true, example = "Workspace Admin")]
    pub access_name: Option<&'a str>,
    /// Where it applies. Groups are those of the organization.
    #[schema(required = true, example = "workspace")]
    pub access_scope: Option<RoleScope>,
    /// The workspace that it applies to; `null` for the whole organization and for a channel.
    #[schema(required = true, example = "T0EXAMPLE")]
    pub workspace_id: Option<&'a str>,
    /// The workspace's name.
    #[schema(required = true, example = "Sales")]
    pub workspace_name: Option<&'a str>,
    /// The channel that it applies to.
    #[schema(required = true)]
    pub channel_id: Option<&'a str>,
    /// Whether it permits changes to other users' accounts or data. Memberships do not.
    #[schema(required = true, example = true)]
    pub is_privileged: Option<bool>,
    /// When it was granted: by the provider's time if known, otherwise when the gateway found it; `null` when it is
    /// older than the sync.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true, example = "2026-01-15T09:30:00Z")]
    pub granted_at: Option<OffsetDateTime>,
    /// The kind of actor that granted it: `user`, `app`, `scim`, `gateway` or `unknown`; `null` when nothing is known.
    #[schema(required = true, example = "user")]
    pub granted_by_type: Option<&'a str>,
    /// The actor's id: of the provider, or of the API key for `gateway`.
    #[schema(required = true, example = "U0EXAMPLE")]
    pub granted_by_id: Option<&'a str>,
    /// The actor's name.
    #[schema(required = true, example = "Grace Hopper")]
    pub granted_by_name: Option<&'a str>,
    /// Whether it was granted before the sync of the account began, so that the gateway has not seen the grant.
    #[schema(required = true, example = false)]
    pub is_older_than_sync: Option<bool>,
}

/// The number of columns.
const COLUMNS: usize = 22;

impl<'a> AccessReviewRow<'a> {
    /// The names of the columns, in their order.
    pub const COLUMNS: [&'static str; COLUMNS] = [
        "user_id",
        "email",
        "name",
        "username",
        "title",
        "department",
        "status",
        "user_type",
        "last_activity_at",
        "access_type",
        "access_id",
        "access_name",
        "access_scope",
        "workspace_id",
        "workspace_name",
        "channel_id",
        "is_privileged",
        "granted_at",
        "granted_by_type",
        "granted_by_id",
        "granted_by_name",
        "is_older_than_sync",
    ];

    fn of(person: &'a ReviewedPerson, held: Option<&'a AccessGrant>) -> Self {
        let profile = &person.profile;
        let grant = held.map(|held| &held.grant);
        let actor = grant.and_then(|grant| grant.actor.as_ref());
        Self {
            user_id: &person.id,
            email: profile.email(),
            name: profile.name.as_deref(),
            username: profile.username.as_deref(),
            title: profile.title.as_deref(),
            department: profile.department.as_deref(),
            status: profile.status,
            user_type: profile.user_type,
            last_activity_at: person.last_activity_at,
            access_type: held.map(|held| held.access_type),
            access_id: held.map(|held| held.id.as_str()),
            access_name: held.and_then(|held| held.name.as_deref()),
            access_scope: held.map(|held| held.scope),
            workspace_id: held.and_then(|held| held.workspace_id.as_deref()),
            workspace_name: held.and_then(|held| held.workspace_name.as_deref()),
            channel_id: held.and_then(|held| held.channel_id.as_deref()),
            is_privileged: held.map(|held| held.is_privileged),
            granted_at: grant.and_then(Grant::at),
            granted_by_type: actor.map(|actor| actor.kind.as_str()),
            granted_by_id: actor.and_then(|actor| actor.id.as_deref()),
            granted_by_name: actor.and_then(|actor| actor.name.as_deref()),
            is_older_than_sync: grant.map(|grant| grant.is_older_than_sync),
        }
    }

    /// Returns the values as texts, in the order of the columns; an unknown one is empty.
    #[must_use]
    pub fn texts(&self) -> [Cow<'a, str>; COLUMNS] {
        let text = |value: Option<&'a str>| Cow::Borrowed(value.unwrap_or_default());
        let flag = |value: Option<bool>| {
            Cow::Borrowed(value.map_or("", |value| if value { "true" } else { "false" }))
        };
        let time = |value: Option<OffsetDateTime>| {
            Cow::Owned(value.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default())
        };
        [
            self.user_id.into(),
            text(self.email),
            text(self.name),
            text(self.username),
            text(self.title),
            text(self.department),
            self.status.name().into(),
            self.user_type.name().into(),
            time(self.last_activity_at),
            text(self.access_type.map(AccessType::name)),
            text(self.access_id),
            text(self.access_name),
            text(self.access_scope.map(RoleScope::name)),
            text(self.workspace_id),
            text(self.workspace_name),
            text(self.channel_id),
            flag(self.is_privileged),
            time(self.granted_at),
            text(self.granted_by_type),
            text(self.granted_by_id),
            text(self.granted_by_name),
            flag(self.is_older_than_sync),
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;
    use crate::domain::event::EventActor;

    #[test]
    fn texts_are_the_values_of_the_columns() {
        let person = ReviewedPerson {
            id: "U1".to_owned(),
            profile: serde_json::from_value(json!({
                "name": "Ada", "username": "ada", "title": null, "department": "Sales",
                "emails": [{"email": "second@x.test"}, {"email": "first@x.test", "is_primary": true}],
                "status": "active", "user_type": "guest_multi_channel",
                "is_2fa_enabled": null, "is_sso_enabled": null,
            }))
            .unwrap(),
            last_activity_at: Some(datetime!(2026-01-02 03:04:05 UTC)),
            grants: Vec::new(),
        };
        let actor = EventActor {
            kind: "user".to_owned(),
            id: Some("U2".to_owned()),
            name: Some("Grace".to_owned()),
            app: None,
            request_id: None,
        };
        let grant = AccessGrant {
            access_type: AccessType::Role,
            object_id: "Rl1.U1.T1".to_owned(),
            id: "Rl1".to_owned(),
            name: Some("Role".to_owned()),
            scope: RoleScope::Workspace,
            workspace_id: Some("T1".to_owned()),
            workspace_name: Some("Sales EU".to_owned()),
            channel_id: Some("C1".to_owned()),
            is_privileged: true,
            grant: Grant {
                found_at: datetime!(2026-02-02 00:00:00 UTC),
                occurred_at: None,
                actor: Some(actor),
                is_older_than_sync: false,
            },
        };
        for row in [AccessReviewRow::of(&person, None), AccessReviewRow::of(&person, Some(&grant))]
        {
            let fields = serde_json::to_string(&row).unwrap();
            let mut place = 0;
            let values: Value = serde_json::from_str(&fields).unwrap();
            for (column, text) in AccessReviewRow::COLUMNS.into_iter().zip(row.texts()) {
                let name = format!("\"{column}\":");
                let found = fields.find(&name).unwrap();
                assert!(found >= place, "{column} is not in its place: {fields}");
                place = found;
                let value = values.get(column).unwrap();
                let value = match value {
                    Value::String(text) => text.clone(),
                    Value::Null => String::new(),
                    Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                        value.to_string()
                    }
                };
                assert_eq!(value, text, "{column}");
            }
            assert_eq!(values.as_object().unwrap().len(), AccessReviewRow::COLUMNS.len());
        }
    }
}
