//! Reads the profiles of all users by SCIM: `admin.users.list` has neither department nor manager. One call per page of
//! a thousand.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::{is_id, unavailable_as_none};
use super::{SlackConnector, map, wire};
use crate::connectors::parse::{ParseError, parse_text};
use crate::connectors::{CallContext, ConnectorError, PageToken, Profile, ReadProfiles};
use crate::domain::page::{Page, PageRequest};
use crate::domain::user::{User, UserStatus, UserType};

const LIST: &str = "scim.users.list";
const GET: &str = "scim.users.get";
/// The fields that only SCIM has.
const FIELDS_OF_SCIM: [&str; 7] = [
    "cost_center",
    "department",
    "division",
    "employee_number",
    "external_id",
    "manager",
    "organization",
];
/// The fields that only `users.info`, or only `admin.users.list`, returns.
const FIELDS_OF_ONE_READ: [&str; 5] =
    ["identifiers", "is_2fa_enabled", "is_email_verified", "is_sso_enabled", "updated_at"];
/// The same for a deactivated user: only `admin.users.list` has the time of the deactivation.
const FIELDS_OF_ONE_READ_OF_INACTIVE: [&str; 6] = [
    "deactivated_at",
    "identifiers",
    "is_2fa_enabled",
    "is_email_verified",
    "is_sso_enabled",
    "updated_at",
];

#[async_trait]
impl ReadProfiles for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<PageToken>,
    ) -> Result<Page<Profile, PageToken>, ConnectorError> {
        let with_rows = CallContext { include_remote: true, ..*cx };
        let map = |row: wire::ScimId, profile: Option<Box<RawValue>>| Some((row.id, profile?));
        self.scim_page(&with_rows, (LIST, "Users"), page, map).await
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
    ) -> Result<Option<Box<RawValue>>, ConnectorError> {
        if !is_id(user_id) {
            return Ok(None);
        }
        let response = self.scim_get(cx, GET, &format!("Users/{user_id}")).await;
        Ok(unavailable_as_none(response)?.map(|response| response.remote()))
    }

    fn fields_of_one_read(&self, user: &User) -> &'static [&'static str] {
        match user.status {
            UserStatus::Active | UserStatus::Invited => &FIELDS_OF_ONE_READ,
            UserStatus::Inactive | UserStatus::Deleted => &FIELDS_OF_ONE_READ_OF_INACTIVE,
        }
    }

    fn has_field(&self, name: &str, is_blank: bool) -> bool {
        FIELDS_OF_SCIM.contains(&name) || name == "title" && !is_blank
    }

    fn as_listed(&self, user: &mut User) {
        match user.status {
            // Only `users.info` says that an invitation is pending.
            UserStatus::Invited => user.status = UserStatus::Active,
            // Lists have deactivated users without their former workspaces.
            UserStatus::Inactive | UserStatus::Deleted => user.workspaces.clear(),
            UserStatus::Active => {}
        }
    }

    fn replace(
        &self,
        cx: &CallContext<'_>,
        user: &mut User,
        profile: &RawValue,
    ) -> Result<bool, ConnectorError> {
        let wire::ScimActive { active } = parse(cx, GET, profile)?;
        let scim: wire::ScimUser = parse(cx, GET, profile)?;
        let can_sign_in = matches!(user.status, UserStatus::Active | UserStatus::Invited);
        let (kind, is_guest) = (user.user_type, scim.guest.is_some());
        clear(user);
        map::add_scim(user, scim);
        // The groups are read from their own list.
        user.groups = None;
        let was_guest = matches!(kind, UserType::GuestMultiChannel | UserType::GuestSingleChannel);
        Ok(active == Some(can_sign_in) && user.user_type == kind && (is_guest || !was_guest))
    }

    fn merge(
        &self,
        cx: &CallContext<'_>,
        user: &mut User,
        profile: &RawValue,
    ) -> Result<(), ConnectorError> {
        map::add_scim(user, parse(cx, LIST, profile)?);
        // The groups are read from their own list.
        user.groups = None;
        Ok(())
    }
}

/// Removes what only SCIM has.
fn clear(user: &mut User) {
    for field in [
        &mut user.external_id,
        &mut user.employee_number,
        &mut user.cost_center,
        &mut user.organization,
        &mut user.division,
        &mut user.department,
    ] {
        *field = None;
    }
    user.manager = None;
    user.addresses.clear();
    user.custom_fields.clear();
}

fn parse<'p, T: Deserialize<'p> + Send>(
    cx: &CallContext<'_>,
    method: &'static str,
    profile: &'p RawValue,
) -> Result<T, ConnectorError> {
    parse_text(profile.get()).map_err(|ParseError { field, reason }| {
        let place = if method == LIST { "Resources." } else { "" };
        cx.invalid_response(method, format!("`{place}{field}` {reason}"))
    })
}
