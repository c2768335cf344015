//! Converts the filters of lists to queries of the copy.

use serde::Serialize;
use time::OffsetDateTime;

use crate::domain::filter::{
    AssignmentFilter, GroupFilter, RoleFilter, UserFilter, WorkspaceFilter,
};
use crate::domain::sync::CopyKind;
use crate::store::{CopyQuery, CopySort};

/// Filters, order and time that only the copy has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct CopyOptions {
    /// The department, case-insensitive.
    pub department: Option<String>,
    /// The job title, case-insensitive.
    pub title: Option<String>,
    /// The manager's id.
    pub manager_id: Option<String>,
    /// Last active before this time, or never.
    #[serde(with = "time::serde::rfc3339::option")]
    pub inactive_since: Option<OffsetDateTime>,
    /// The order.
    pub sort: Option<SortOrder>,
    /// Whether the number of all objects is included.
    pub include_total: bool,
    /// The directory as it was at this time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub as_of: Option<OffsetDateTime>,
}

impl CopyOptions {
    /// Returns the names of the parameters that are set.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        [
            self.department.is_some().then_some("department"),
            self.title.is_some().then_some("title"),
            self.manager_id.is_some().then_some("manager[id]"),
            self.inactive_since.is_some().then_some("last_activity_at[lt]"),
            self.sort.is_some().then_some("sort"),
            self.include_total.then_some("include_total"),
            self.as_of.is_some().then_some("as_of"),
        ]
        .into_iter()
        .flatten()
    }
}

/// An order of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SortOrder {
    /// What they are sorted by.
    pub by: SortField,
    /// Whether the order is reversed.
    pub descending: bool,
}

/// What objects can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SortField {
    /// The name, case-insensitive.
    Name,
    /// The primary e-mail address, case-insensitive.
    Email,
    /// When the profile last changed.
    UpdatedAt,
    /// When the user was last active.
    LastActivityAt,
}

impl SortField {
    /// The fields that users are sorted by, by their names.
    pub const USER: [(&'static str, Self); 4] = [
        ("name", Self::Name),
        ("email", Self::Email),
        ("updated_at", Self::UpdatedAt),
        ("last_activity_at", Self::LastActivityAt),
    ];
    /// The fields that workspaces and groups are sorted by, by their names.
    pub const NAMED: [(&'static str, Self); 1] = [("name", Self::Name)];

    pub(super) fn column(self) -> CopySort {
        match self {
            Self::Name => CopySort::Name,
            Self::Email => CopySort::Email,
            Self::UpdatedAt => CopySort::UpdatedAt,
            Self::LastActivityAt => CopySort::LastActivityAt,
        }
    }
}

/// A filter of the copy.
pub trait CopyFilter {
    /// The kind of objects; `None` where the copy has none.
    const KIND: Option<CopyKind>;

    /// Adds the filter to a query.
    fn restrict(&self, query: &mut CopyQuery);
}

fn lower(text: Option<&String>) -> Option<String> {
    text.map(|text| text.trim().to_lowercase())
}

/// Returns the name of an enum's value in the API.
fn name_of(value: Option<&impl Serialize>) -> Option<String> {
    let name = serde_json::to_value(value?).ok()?;
    name.as_str().map(str::to_owned)
}

impl CopyFilter for UserFilter {
    const KIND: Option<CopyKind> = Some(CopyKind::User);

    fn restrict(&self, query: &mut CopyQuery) {
        let user = &mut query.user;
        user.email = lower(self.email.as_ref());
        user.username = lower(self.username.as_ref());
        user.status = name_of(self.status.as_ref());
        user.user_type = name_of(self.user_type.as_ref());
        user.workspace_id.clone_from(&self.workspace_id);
        user.role_id.clone_from(&self.role_id);
        user.updated_after = self.updated_after;
        query.search = lower(self.search.as_ref()).filter(|search| !search.is_empty());
    }
}

impl CopyFilter for WorkspaceFilter {
    const KIND: Option<CopyKind> = Some(CopyKind::Workspace);

    fn restrict(&self, query: &mut CopyQuery) {
        query.name = lower(self.name.as_ref());
        query.discoverability.clone_from(&self.discoverability);
    }
}

impl CopyFilter for GroupFilter {
    const KIND: Option<CopyKind> = Some(CopyKind::Group);

    fn restrict(&self, query: &mut CopyQuery) {
        query.name = lower(self.name.as_ref());
        query.user_id.clone_from(&self.user_id);
    }
}

impl CopyFilter for AssignmentFilter {
    const KIND: Option<CopyKind> = Some(CopyKind::RoleAssignment);

    fn restrict(&self, query: &mut CopyQuery) {
        query.role_id.clone_from(&self.role_id);
        query.user_id.clone_from(&self.user_id);
        query.parent_id.clone_from(&self.workspace_id);
    }
}

impl CopyFilter for RoleFilter {
    const KIND: Option<CopyKind> = None;

    fn restrict(&self, _: &mut CopyQuery) {}
}
