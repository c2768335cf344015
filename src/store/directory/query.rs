//! Queries of the copies of directories: filters, order, page.

use time::OffsetDateTime;

use super::versions::MadeBy;

use crate::domain::sync::CopyKind;

/// What objects are sorted by. Objects with equal values are sorted by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopySort {
    /// The id.
    Id,
    /// The name, case-insensitive.
    Name,
    /// The primary e-mail address of a user, case-insensitive.
    Email,
    /// When a user's profile last changed; when the gateway found the change, where the provider does not return it.
    UpdatedAt,
    /// When a user was last active.
    LastActivityAt,
}

impl CopySort {
    /// Returns the sorted expression, and the type that its text is converted to.
    pub(super) fn expression(self) -> (&'static str, &'static str) {
        match self {
            Self::Id => ("v.object_id", "text"),
            Self::Name => ("COALESCE(v.name_key, '')", "text"),
            Self::Email => ("COALESCE(v.email, '')", "text"),
            Self::UpdatedAt => (
                "(extract(epoch FROM COALESCE(v.updated_at, v.valid_from)) * 1000000)::bigint",
                "bigint",
            ),
            Self::LastActivityAt => (
                "COALESCE((extract(epoch FROM v.last_activity_at) * 1000000)::bigint, 0)",
                "bigint",
            ),
        }
    }
}

/// What users must have; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserCriteria {
    /// One of the e-mail addresses, in lower case.
    pub email: Option<String>,
    /// The username, in lower case.
    pub username: Option<String>,
    /// The name of the status.
    pub status: Option<String>,
    /// The name of the user type.
    pub user_type: Option<String>,
    /// The job title, in lower case.
    pub title: Option<String>,
    /// The department, in lower case.
    pub department: Option<String>,
    /// The manager's id.
    pub manager_id: Option<String>,
    /// A workspace of the user.
    pub workspace_id: Option<String>,
    /// A role of the user.
    pub role_id: Option<String>,
    /// Changed after this time.
    pub updated_after: Option<OffsetDateTime>,
    /// Last active before this time, or never.
    pub inactive_since: Option<OffsetDateTime>,
}

/// A page of objects of one kind.
#[derive(Debug, Clone)]
pub struct CopyQuery {
    /// The kind.
    pub kind: CopyKind,
    /// The objects as they were at this time; `None` for now.
    pub as_of: Option<OffsetDateTime>,
    /// For users.
    pub user: UserCriteria,
    /// The name, in lower case.
    pub name: Option<String>,
    /// The user that an object refers to, or a member of a group.
    pub user_id: Option<String>,
    /// The role of an assignment.
    pub role_id: Option<String>,
    /// The workspace of an assignment.
    pub parent_id: Option<String>,
    /// The discoverability of a workspace.
    pub discoverability: Option<String>,
    /// Only this object.
    pub id: Option<String>,
    /// What users are searched for, in lower case. The result is sorted by rank.
    pub search: Option<String>,
    /// What the searched text of users must contain, in lower case, whatever the order.
    pub contains: Option<String>,
    /// The order.
    pub sort: CopySort,
    /// Whether the order is reversed.
    pub descending: bool,
    /// The sorted value and the id of the last object before the page.
    pub after: Option<(String, String)>,
    /// The number of objects before the page, for a search.
    pub offset: i64,
    /// The maximum number of objects.
    pub limit: i64,
}

impl CopyQuery {
    /// Returns a query of all current objects of a kind, sorted by id.
    #[must_use]
    pub fn all(kind: CopyKind, limit: i64) -> Self {
        Self {
            kind,
            as_of: None,
            user: UserCriteria::default(),
            name: None,
            user_id: None,
            role_id: None,
            parent_id: None,
            discoverability: None,
            id: None,
            search: None,
            contains: None,
            sort: CopySort::Id,
            descending: false,
            after: None,
            offset: 0,
            limit,
        }
    }

    /// Whether all current objects of the kind match.
    pub(super) fn matches_all(&self) -> bool {
        // Each field is named, so that a new filter is not forgotten here.
        let Self {
            kind: _,
            as_of,
            user,
            name,
            user_id,
            role_id,
            parent_id,
            discoverability,
            id,
            search,
            contains,
            sort: _,
            descending: _,
            after: _,
            offset: _,
            limit: _,
        } = self;
        let texts = [name, user_id, role_id, parent_id, discoverability, id, search, contains];
        as_of.is_none() && *user == UserCriteria::default() && texts.iter().all(|one| one.is_none())
    }
}

/// An object of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    /// The id.
    pub id: String,
    /// The unified object as JSON.
    pub body: String,
    /// The workspace, group or channel that it refers to.
    pub parent_id: Option<String>,
    /// When a user was last active.
    pub last_activity_at: Option<OffsetDateTime>,
    /// The sorted value.
    pub key: String,
    /// Who made the version, and when.
    pub made: MadeBy,
}
