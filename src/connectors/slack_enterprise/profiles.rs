//! Reads the profiles of all users by SCIM: `admin.users.list` has neither department nor manager. One call per page of
//! a thousand.

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::api::{is_id, unavailable_as_none};
use super::{SlackConnector, map, wire};
use crate::connectors::page_token::{decode, encode};
use crate::connectors::paging::ScimPage;
use crate::connectors::parse::{ParseError, parse_text};
use crate::connectors::rows::ResponseRows;
use crate::connectors::{CallContext, ConnectorError, PageToken, Profile, ReadProfiles};
use crate::domain::page::{Page, PageRequest};
use crate::domain::user::User;

const LIST: &str = "scim.users.list";
const GET: &str = "scim.users.get";
/// The fields that only `users.info`, or only `admin.users.list`, returns.
const FIELDS_OF_ONE_READ: [&str; 6] = [
    "deactivated_at",
    "identifiers",
    "is_2fa_enabled",
    "is_email_verified",
    "is_sso_enabled",
    "updated_at",
];
/// The start index of the first row: SCIM counts from one.
const FIRST: u64 = 1;

#[async_trait]
impl ReadProfiles for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<PageToken>,
    ) -> Result<Page<Profile, PageToken>, ConnectorError> {
        let at: Option<u64> = decode(cx, LIST, page.token.as_ref())?;
        let start = at.unwrap_or(FIRST);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let query = [("startIndex", &*from), ("count", &*count)];
        let response = self.scim_list(cx, LIST, "v2", "Users", &query).await?;
        let list: wire::SlackScimList<'_> = response.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows =
            ResponseRows { method: LIST, list: "Resources", max_rows: page.limit.into(), rows };
        let with_rows = CallContext { include_remote: true, ..*cx };
        let items = rows.read(&with_rows, |row: wire::ScimId, profile| Some((row.id, profile?)))?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.invalid_response(LIST, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
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

    fn fields_of_one_read(&self) -> &'static [&'static str] {
        &FIELDS_OF_ONE_READ
    }

    fn merge(
        &self,
        cx: &CallContext<'_>,
        user: &mut User,
        profile: &RawValue,
    ) -> Result<(), ConnectorError> {
        let profile = parse_text(profile.get()).map_err(|error| {
            let ParseError { field, reason } = error;
            cx.invalid_response(LIST, format!("`Resources.{field}` {reason}"))
        })?;
        map::add_scim(user, profile);
        // The groups are read from their own list.
        user.groups = None;
        Ok(())
    }
}
