//! The filters of lists, and what a list brings beyond the fields that come for nothing.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Serialize;
use serde::de::DeserializeOwned;
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::params::{Params, invalid};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{
    AssignmentFilter, Expand, Expansion, GroupFilter, RoleFilter, UserFilter, WorkspaceFilter,
};
use crate::domain::group::Group;
use crate::domain::moment::Moment;
use crate::domain::role::{Role, RoleScope};
use crate::domain::user::{User, UserStatus, UserType};
use crate::domain::workspace::Workspace;
use crate::http::problem::Problem;
use crate::unified::Resource;

/// A resource whose filter is read from the query.
pub(in crate::http) trait TakeFilter: Resource {
    /// Takes the parameters of the filter.
    fn take_filter(params: &mut Params) -> Result<Self::Filter, Problem>;
}

/// Filters of `/users`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are taken one by one")]
pub(in crate::http) struct UserFilterQuery {
    /// One of the user's addresses, in any case.
    email: Option<String>,
    /// The short name, in any case.
    username: Option<String>,
    /// Whether the user can sign in.
    status: Option<UserStatus>,
    /// The kind of member.
    user_type: Option<UserType>,
    /// A workspace that the user is in.
    #[param(rename = "workspace[id]")]
    workspace_id: Option<String>,
    /// A role that the user holds.
    #[param(rename = "role[id]")]
    role_id: Option<String>,
    /// Changed after this moment (RFC 3339).
    #[param(rename = "updated_at[gt]", value_type = Option<String>, format = DateTime)]
    updated_after: Option<String>,
    /// A part of a name, an address or the title, in any case.
    search: Option<String>,
    /// Fields that cost further provider calls: `profile`, `groups`, `roles`; may stand several times.
    #[param(rename = "expand[]")]
    expand: Option<Vec<Expansion>>,
}

impl TakeFilter for User {
    fn take_filter(params: &mut Params) -> Result<UserFilter, Problem> {
        Ok(UserFilter {
            email: params.take("email")?,
            username: params.take("username")?,
            status: word(params, "status")?,
            workspace_id: params.take("workspace[id]")?,
            role_id: params.take("role[id]")?,
            user_type: word(params, "user_type")?,
            updated_after: moment(params, "updated_at[gt]")?,
            search: params.take("search")?,
        })
    }
}

/// Filters of `/roles`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are taken one by one")]
pub(in crate::http) struct RoleFilterQuery {
    /// The place that the role can be given in.
    scope: Option<RoleScope>,
    /// A workspace that the role can be given in.
    #[param(rename = "workspace[id]")]
    workspace_id: Option<String>,
}

impl TakeFilter for Role {
    fn take_filter(params: &mut Params) -> Result<RoleFilter, Problem> {
        let scope = word(params, "scope")?;
        Ok(RoleFilter { scope, workspace_id: params.take("workspace[id]")? })
    }
}

/// Filters of `/role-assignments`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(clippy::struct_field_names, reason = "that is how the parameters are called")]
#[expect(dead_code, reason = "describes the parameters; they are taken one by one")]
pub(in crate::http) struct AssignmentFilterQuery {
    /// The role.
    #[param(rename = "role[id]")]
    role_id: Option<String>,
    /// Who holds it.
    #[param(rename = "user[id]")]
    user_id: Option<String>,
    /// The workspace it is held in.
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

/// Filters of `/groups`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are taken one by one")]
pub(in crate::http) struct GroupFilterQuery {
    /// The name, in any case.
    name: Option<String>,
    /// Who is in it.
    #[param(rename = "user[id]")]
    user_id: Option<String>,
}

impl TakeFilter for Group {
    fn take_filter(params: &mut Params) -> Result<GroupFilter, Problem> {
        Ok(GroupFilter { name: params.take("name")?, user_id: params.take("user[id]")? })
    }
}

/// Filters of `/workspaces`.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameters; they are taken one by one")]
pub(in crate::http) struct WorkspaceFilterQuery {
    /// The name, in any case.
    name: Option<String>,
    /// Who can find and join it, in the provider's word.
    discoverability: Option<String>,
    /// Fields that cost further provider calls: `owners`, `settings`; may stand several times.
    #[param(rename = "expand[]")]
    expand: Option<Vec<Expansion>>,
}

impl TakeFilter for Workspace {
    fn take_filter(params: &mut Params) -> Result<WorkspaceFilter, Problem> {
        let name = params.take("name")?;
        Ok(WorkspaceFilter { name, discoverability: params.take("discoverability")? })
    }
}

/// What goes to the provider's own list call.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter; it is taken by its brackets")]
pub(in crate::http) struct RemoteQueryParameter {
    /// Arguments for the provider's own list call, such as `remote_query[include_deactivated_user_workspaces]=true`. One that a parameter of this API sets is refused.
    #[param(style = DeepObject, explode, value_type = Option<Object>)]
    remote_query: Option<HashMap<String, String>>,
}

/// Takes what is to be brought beyond the fields that come for nothing.
pub(super) fn take_expand(params: &mut Params, known: &[Expansion]) -> Result<Expand, Problem> {
    let words = params.take_all("expand[]")?;
    let read = |text: String| {
        let expansion: Option<Expansion> = serde_json::from_value(text.into()).ok();
        let known_one = expansion.filter(|one| known.contains(one));
        known_one.ok_or_else(|| invalid("expand[]", one_of(known)))
    };
    words.into_iter().map(read).collect::<Result<_, _>>().map(Expand)
}

/// Takes one word of a closed list.
fn word<T: DeserializeOwned>(params: &mut Params, name: &str) -> Result<Option<T>, Problem> {
    let read = |text: String| {
        let word = serde_json::from_value(text.into());
        // Serde names the words that there are.
        word.map_err(|error: serde_json::Error| invalid(name, error))
    };
    params.take(name)?.map(read).transpose()
}

/// Takes a parameter that names a moment.
pub(in crate::http) fn moment(
    params: &mut Params,
    name: &str,
) -> Result<Option<OffsetDateTime>, Problem> {
    Ok(params.parse::<Moment>(name)?.map(Moment::utc))
}

fn one_of(known: &[impl Serialize]) -> String {
    if known.is_empty() {
        return "nothing can be added to this list".to_owned();
    }
    known.iter().enumerate().fold(String::from("must be one of"), |mut text, (number, one)| {
        let word = serde_json::to_string(one).unwrap_or_default();
        let comma = if number == 0 { " " } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{}", word.trim_matches('"'));
        text
    })
}
