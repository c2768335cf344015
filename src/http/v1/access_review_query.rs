//! The query of `/access-review`: filters, time and format.

use axum::http::{HeaderMap, header};
use serde::Deserialize;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use crate::domain::policy::{AccessFilter, AccessType};
use crate::domain::user::{UserStatus, UserType};
use crate::http::extract::{
    Params, contradicting_parameters, invalid_parameter, take_enum, take_timestamp,
};
use crate::http::problem::Problem;

/// The maximum of `inactive_days`.
const MAX_INACTIVE_DAYS: u16 = 3_650;

/// Format of an access review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReviewFormat {
    /// One JSON object with all rows.
    #[default]
    Json,
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values with a header row.
    Csv,
}

impl ReviewFormat {
    /// Returns the format that a header `Accept` prefers; `None` if it names none of them.
    fn accepted(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(','));
        let mut best: Option<(f32, Self)> = None;
        for (quality, format) in ranges.filter_map(Self::of_range) {
            // Of equal ones the first wins.
            if best.is_none_or(|(other, _)| quality > other) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format)
    }

    /// Returns the quality and the format of a media range; `None` for others, and those that are not acceptable.
    fn of_range(range: &str) -> Option<(f32, Self)> {
        let mut parts = range.split(';').map(str::trim);
        let format = match parts.next()?.to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/x-ndjson" => Self::Ndjson,
            "text/csv" => Self::Csv,
            _ => return None,
        };
        let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        let quality = quality.and_then(|text| text.trim().parse().ok()).unwrap_or(1.0_f32);
        (quality > 0.0).then_some((quality, format))
    }
}

/// Types of users of an access review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReviewedUserType {
    /// Full members.
    Member,
    /// Guests of both types.
    Guest,
    /// Guests with access to several channels.
    GuestMultiChannel,
    /// Guests with access to one channel.
    GuestSingleChannel,
    /// Apps and integrations.
    Bot,
}

impl ReviewedUserType {
    fn types(self) -> Vec<UserType> {
        match self {
            Self::Member => vec![UserType::Member],
            Self::Guest => vec![UserType::GuestMultiChannel, UserType::GuestSingleChannel],
            Self::GuestMultiChannel => vec![UserType::GuestMultiChannel],
            Self::GuestSingleChannel => vec![UserType::GuestSingleChannel],
            Self::Bot => vec![UserType::Bot],
        }
    }
}

/// Parameters of an access review.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ReviewQuery {
    /// Format; by default that of the header `Accept` (`text/csv`, `application/x-ndjson`), otherwise `json`.
    #[param(inline)]
    pub(super) format: Option<ReviewFormat>,
    /// The access as it was at this time (RFC 3339), within the history of the synced copy.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(super) as_of: Option<OffsetDateTime>,
    /// Only privileged access, or only other access.
    is_privileged: Option<bool>,
    /// Only this kind of access.
    access_type: Option<AccessType>,
    /// Only this role.
    role_id: Option<String>,
    /// Only access in this workspace: its members, and the roles in it.
    workspace_id: Option<String>,
    /// Department of the user, case-insensitive.
    department: Option<String>,
    /// User type; `guest` for both types of guests.
    #[param(inline)]
    user_type: Option<ReviewedUserType>,
    /// Status of the user.
    status: Option<UserStatus>,
    /// Only users whose last activity is at least this number of days ago, counted from `as_of`, or unknown.
    #[param(minimum = 1, maximum = 3650)]
    inactive_days: Option<u16>,
}

impl ReviewQuery {
    /// Takes the parameters.
    pub(super) fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, Problem> {
        let query = Self {
            format: take_enum(params, "format")?.or_else(|| ReviewFormat::accepted(headers)),
            as_of: take_timestamp(params, "as_of")?,
            is_privileged: params.parse("is_privileged")?,
            access_type: take_enum(params, "access_type")?,
            role_id: params.take("role_id")?,
            workspace_id: params.take("workspace_id")?,
            department: params.take("department")?,
            user_type: take_enum(params, "user_type")?,
            status: take_enum(params, "status")?,
            inactive_days: params.parse("inactive_days")?,
        };
        if query.inactive_days.is_some_and(|days| !(1..=MAX_INACTIVE_DAYS).contains(&days)) {
            let message = format!("must be between 1 and {MAX_INACTIVE_DAYS}");
            return Err(invalid_parameter("inactive_days", message));
        }
        query.check_access_type()?;
        Ok(query)
    }

    /// Fails if no access can match.
    fn check_access_type(&self) -> Result<(), Problem> {
        let Some(access_type) = self.access_type.filter(|one| *one != AccessType::Role) else {
            return Ok(());
        };
        let refused = |name, message| Err(contradicting_parameters(["access_type", name], message));
        if self.role_id.is_some() {
            return refused("role_id", "memberships are not those of a role");
        }
        if self.is_privileged == Some(true) {
            return refused("is_privileged", "memberships are not privileged");
        }
        if self.workspace_id.is_some() && access_type == AccessType::Group {
            return refused("workspace_id", "groups do not belong to a workspace");
        }
        Ok(())
    }

    /// Returns the filter, for the current time `now`.
    pub(super) fn filter(self, now: OffsetDateTime) -> AccessFilter {
        let until = self.as_of.unwrap_or(now);
        AccessFilter {
            status: self.status,
            user_types: self.user_type.map(ReviewedUserType::types),
            department: self.department.map(|text| text.trim().to_lowercase()),
            inactive_since: self.inactive_days.map(|days| until - Duration::days(days.into())),
            access_type: self.access_type,
            role_id: self.role_id,
            workspace_id: self.workspace_id,
            is_privileged: self.is_privileged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_format_is_that_of_accept() {
        for (accept, expected) in [
            (&["text/csv"][..], Some(ReviewFormat::Csv)),
            (&["Text/CSV; header=present"], Some(ReviewFormat::Csv)),
            (&["application/json;q=0.4, text/csv;q=0.5"], Some(ReviewFormat::Csv)),
            (&["application/x-ndjson", "text/csv"], Some(ReviewFormat::Ndjson)),
            (&["text/csv;q=0, application/json;q=0.1"], Some(ReviewFormat::Json)),
            (&["text/html, */*;q=0.8"], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(header::ACCEPT, value.parse().unwrap());
            }
            assert_eq!(ReviewFormat::accepted(&headers), expected, "{accept:?}");
        }
    }
}
