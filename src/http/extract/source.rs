//! Where a list or a resource is read: from the provider, or from the synced copy.

use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::filter::take_timestamp;
use super::params::{Params, contradicting_parameters, invalid_parameter};
use crate::http::problem::Problem;
use crate::sync::{CopyOptions, SortField, SortOrder};

/// The maximum of `max_age_s`: a year.
const MAX_AGE_S: u32 = 31_536_000;

/// Source of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ToSchema)]
#[schema(rename_all = "snake_case")]
pub(in crate::http) enum Source {
    /// The provider.
    #[default]
    Live,
    /// The synced copy.
    Synced,
    /// The synced copy if it is not older than so many seconds, otherwise the provider.
    #[schema(value_type = String)]
    MaxAge(u32),
}

/// Parameters that select the source of a list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct SourceQuery {
    /// `live` reads from the provider, `synced` from the account's synced copy.
    #[param(value_type = Option<String>, pattern = "^(live|synced)$", default = "live")]
    source: Option<String>,
    /// Reads from the synced copy if it is not older than this number of seconds, otherwise from the provider.
    #[param(minimum = 0, maximum = 31_536_000)]
    max_age_s: Option<u32>,
    /// The directory as it was at this time (RFC 3339). Requires `source=synced`.
    #[param(value_type = Option<String>, format = DateTime)]
    as_of: Option<String>,
}

/// Parameters of a list that only the synced copy supports.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct CopyListQuery {
    /// Order: a field such as `name`, reversed with a leading minus, such as `-name`. Requires `source=synced`.
    sort: Option<String>,
    /// Include the number of all matching rows as `total_count`. Requires `source=synced`.
    include_total: Option<bool>,
}

/// Filters of users that only the synced copy supports.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct UserCopyQuery {
    /// Department of the user, case-insensitive. Requires `source=synced`.
    department: Option<String>,
    /// Job title of the user, case-insensitive. Requires `source=synced`.
    title: Option<String>,
    /// Manager of the user. Requires `source=synced`.
    #[param(rename = "manager[id]")]
    manager_id: Option<String>,
    /// Last active before this time (RFC 3339), or never. Requires `source=synced`.
    #[param(rename = "last_activity_at[lt]", value_type = Option<String>, format = DateTime)]
    last_activity_before: Option<String>,
}

impl Source {
    /// Takes the source, and the time of an earlier state.
    pub(super) fn take(params: &mut Params) -> Result<(Self, Option<OffsetDateTime>), Problem> {
        let named = match params.take("source")?.as_deref() {
            None => None,
            Some("live") => Some(Self::Live),
            Some("synced") => Some(Self::Synced),
            Some(_) => return Err(invalid_parameter("source", "must be live or synced")),
        };
        let max_age = params.parse::<u32>("max_age_s")?;
        if max_age.is_some_and(|seconds| seconds > MAX_AGE_S) {
            return Err(invalid_parameter("max_age_s", format!("must be at most {MAX_AGE_S}")));
        }
        let source = match (named, max_age) {
            (Some(_), Some(_)) => {
                let message = "choose one of them";
                return Err(contradicting_parameters(["source", "max_age_s"], message));
            }
            (None, Some(seconds)) => Self::MaxAge(seconds),
            (named, None) => named.unwrap_or_default(),
        };
        let as_of = take_timestamp(params, "as_of")?;
        if as_of.is_some() && source != Self::Synced {
            return Err(needs_copy("as_of"));
        }
        Ok((source, as_of))
    }
}

/// Takes the options of a list of the copy.
pub(super) fn take_options(
    params: &mut Params,
    source: Source,
    as_of: Option<OffsetDateTime>,
    (sorts, has_user_filters): (&[(&'static str, SortField)], bool),
) -> Result<CopyOptions, Problem> {
    let mut options = CopyOptions {
        sort: take_sort(params, sorts)?,
        include_total: params.parse("include_total")?.unwrap_or(false),
        as_of,
        ..CopyOptions::default()
    };
    if has_user_filters {
        options.department = params.take("department")?;
        options.title = params.take("title")?;
        options.manager_id = params.take("manager[id]")?;
        options.inactive_since = take_timestamp(params, "last_activity_at[lt]")?;
    }
    let first = options.names().next().filter(|_| source != Source::Synced);
    first.map_or(Ok(options), |name| Err(needs_copy(name)))
}

fn take_sort(
    params: &mut Params,
    sorts: &[(&'static str, SortField)],
) -> Result<Option<SortOrder>, Problem> {
    let Some(text) = params.take("sort")? else { return Ok(None) };
    let (name, descending) = text.strip_prefix('-').map_or((&*text, false), |name| (name, true));
    let known = sorts.iter().find(|(known, _)| *known == name);
    let known = known.ok_or_else(|| {
        let names: Vec<&str> = sorts.iter().map(|(name, _)| *name).collect();
        let message = match names[..] {
            [] => "is not supported by this list".to_owned(),
            _ => format!("must be one of {}, or one of them behind a minus", names.join(", ")),
        };
        invalid_parameter("sort", message)
    })?;
    Ok(Some(SortOrder { by: known.1, descending }))
}

fn needs_copy(name: &str) -> Problem {
    invalid_parameter(name, "requires source=synced: the provider can't return it")
}
