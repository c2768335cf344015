//! Parses list filters, `expand[]` and `remote_query` from the query.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::params::{Params, invalid_parameter};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{
    AssignmentFilter, Expand, Expansion, GroupFilter, RoleFilter, UserFilter, WorkspaceFilter,
};
use crate::domain::group::Group;
use crate::domain::role::{Role, RoleScope};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{User, UserStatus, UserType};
use crate::domain::workspace::Workspace;
use crate::http::problem::Problem;
use crate::sync::{CopyFilter, SortField};
use crate::unified::Resource;

/// A resource whose filter is parsed from the query.
pub(in crate::http) trait TakeFilter: Resource<Filter: CopyFilter> {
    /// What lists of the synced copy can be sorted by.
    const SORTS: &'static [(&'static str, SortField)] = &[];

    /// Takes the filter parameters.
    fn take_filter(params: &mut Params) -> Result<Self::Filter, Problem>;
}

/// Filter parameters of `/users`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct UserFilterQuery {
    /// E-mail address of the user, case-insensitive.
    email: Option<String>,
    /// User name, case-insensitive.
    username: Option<String>,
    /// Status of the user.
    status: Option<UserStatus>,
    /// User type.
    user_type: Option<UserType>,
    /// Workspace that the user belongs to.
    #[param(rename = "workspace[id]")]
    workspace_id: Option<String>,
    /// Role that the user holds.
    #[param(rename = "role[id]")]
    role_id: Option<String>,
    /// Updated after this time (RFC 3339).
    #[param(rename = "updated_at[gt]", value_type = Option<String>, format = DateTime)]
    updated_after: Option<String>,
    /// Part of a name, an e-mail address or the title, case-insensitive.
    search: Option<String>,
    /// Fields that need additional provider calls: `profile`, `groups`, `roles`. Repeatable.
    #[param(rename = "expand[]")]
    expand: Option<Vec<Expansion>>,
}

impl TakeFilter for User {
    const SORTS: &'static [(&'static str, SortField)] = &SortField::USER;

    fn take_filter(params: &mut Params) -> Result<UserFilter, Problem> {
        Ok(UserFilter {
            email: params.take("email")?,
            username: params.take("username")?,
            status: take_enum(params, "status")?,
            workspace_id: params.take("workspace[id]")?,
            role_id: params.take("role[id]")?,
            user_type: take_enum(params, "user_type")?,
            updated_after: take_timestamp(params, "updated_at[gt]")?,
            search: params.take("search")?,
        })
    }
}

/// Filter parameters of `/roles`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct RoleFilterQuery {
    /// Scope in which the role can be assigned.
    scope: Option<RoleScope>,
    /// Workspace in which the role can be assigned.
    #[param(rename = "workspace[id]")]
    workspace_id: Option<String>,
}

impl TakeFilter for Role {
    fn take_filter(params: &mut Params) -> Result<RoleFilter, Problem> {
        let scope = take_enum(params, "scope")?;
        Ok(RoleFilter { scope, workspace_id: params.take("workspace[id]")? })
    }
}

/// Filter parameters of `/role-assignments`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(clippy::struct_field_names, reason = "the names of the parameters")]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct AssignmentFilterQuery {
    /// Role of the assignment.
    #[param(rename = "role[id]")]
    role_id: Option<String>,
    /// User that holds the role.
    #[param(rename = "user[id]")]
    user_id: Option<String>,
    /// Workspace of the assignment.
    #[param(rename = "workspace[id]")]
    workspace_id: Option<String>,
}

impl TakeFilter for RoleAssignment {
    fn take_filter(params: &mut Params) -> Result<AssignmentFilter, Problem> {
        Ok(AssignmentFilter {
            role_id: params.take("role[id]")?,
            user_id: params.take("user[id]")?,
            workspace_id: params.take("workspace[id]")?,
        })
    }
}

/// Filter parameters of `/groups`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct GroupFilterQuery {
    /// The name, in any case.
    name: Option<String>,
    /// User that is a member of the group.
    #[param(rename = "user[id]")]
    user_id: Option<String>,
}

impl TakeFilter for Group {
    const SORTS: &'static [(&'static str, SortField)] = &SortField::NAMED;

    fn take_filter(params: &mut Params) -> Result<GroupFilter, Problem> {
        Ok(GroupFilter { name: params.take("name")?, user_id: params.take("user[id]")? })
    }
}

/// Filter parameters of `/workspaces`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct WorkspaceFilterQuery {
    /// The name, in any case.
    name: Option<String>,
    /// Discoverability of the workspace, as the provider names it.
    discoverability: Option<String>,
    /// Fields that need additional provider calls: `owners`, `settings`. Repeatable.
    #[param(rename = "expand[]")]
    expand: Option<Vec<Expansion>>,
}

impl TakeFilter for Workspace {
    const SORTS: &'static [(&'static str, SortField)] = &SortField::NAMED;

    fn take_filter(params: &mut Params) -> Result<WorkspaceFilter, Problem> {
        let name = params.take("name")?;
        Ok(WorkspaceFilter { name, discoverability: params.take("discoverability")? })
    }
}

/// Parameters for the provider's own list call.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameter; it is parsed by its brackets")]
pub(in crate::http) struct RemoteQueryParameter {
    /// Parameters for the provider's own list call, such as `remote_query[include_deactivated_user_workspaces]=true`.
    /// Those that a parameter of this API sets are rejected.
    #[param(style = DeepObject, explode, value_type = Option<Object>)]
    remote_query: Option<HashMap<String, String>>,
}

/// Takes the values of `expand[]`.
pub(super) fn take_expand(params: &mut Params, known: &[Expansion]) -> Result<Expand, Problem> {
    let words = params.take_all("expand[]")?;
    let read = |text: String| {
        let expansion: Option<Expansion> = serde_json::from_value(text.into()).ok();
        let known_one = expansion.filter(|one| known.contains(one));
        known_one.ok_or_else(|| invalid_parameter("expand[]", expected_one_of(known)))
    };
    words.into_iter().map(read).collect::<Result<_, _>>().map(Expand)
}

/// Takes the value of an enumeration.
pub(in crate::http) fn take_enum<T: DeserializeOwned>(
    params: &mut Params,
    name: &str,
) -> Result<Option<T>, Problem> {
    let read = |text: String| {
        let word = serde_json::from_value(text.into());
        // The error of Serde lists the variants.
        word.map_err(|error: serde_json::Error| invalid_parameter(name, error))
    };
    params.take(name)?.map(read).transpose()
}

/// Takes a timestamp parameter.
pub(in crate::http) fn take_timestamp(
    params: &mut Params,
    name: &str,
) -> Result<Option<OffsetDateTime>, Problem> {
    Ok(params.parse::<Timestamp>(name)?.map(Timestamp::utc))
}

fn expected_one_of(known: &[impl Serialize]) -> String {
    if known.is_empty() {
        return "is not supported by this list".to_owned();
    }
    known.iter().enumerate().fold(String::from("must be one of"), |mut text, (number, one)| {
        let word = serde_json::to_string(one).unwrap_or_default();
        let comma = if number == 0 { " " } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{}", word.trim_matches('"'));
        text
    })
}
