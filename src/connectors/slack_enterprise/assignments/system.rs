//! Reads system role assignments: `admin.roles.listAssignments`.

use super::role_families::AssignmentQuery;
use super::{AssignmentPosition, Assignments};
use serde_json::value::RawValue;

use crate::connectors::page_token::encode;
use crate::connectors::paging::PageHistory;
use crate::connectors::rows::ResponseRows;
use crate::connectors::slack_enterprise::api::next_cursor;
use crate::connectors::slack_enterprise::{SlackConnector, map, wire};
use crate::connectors::{CallContext, ConnectorError, Unified};
use crate::domain::filter::RemoteQuery;
use crate::domain::page::Page;

const LIST: &str = "admin.roles.listAssignments";
/// Maximum number of rows of a page.
const MAX_PAGE_ROWS: u16 = 200;

impl SlackConnector {
    /// Returns a page of system role assignments: one call.
    pub(super) async fn system_roles(
        &self,
        cx: &CallContext<'_>,
        narrow: AssignmentQuery<'_>,
        cursor: &str,
        limit: u16,
        remote_query: &RemoteQuery,
    ) -> Result<Assignments, ConnectorError> {
        let (role_ids, entity_ids) = narrow.lists();
        let most = limit.min(MAX_PAGE_ROWS);
        let limit = most.to_string();
        let arguments = [
            ("role_ids", &*role_ids),
            ("entity_ids", &*entity_ids),
            ("limit", &*limit),
            ("cursor", cursor),
        ];
        let response = self.web_list(cx, LIST, &arguments, remote_query).await?;
        let list: wire::ListAssignments<'_> = response.read(cx)?;
        let items = response_rows(list.role_assignments.0, most).read(cx, |held, remote| {
            let unified = map::system_assignment(held, &cx.account.organization.id);
            Some(Unified::new(unified, remote))
        })?;
        let cursor = next_cursor(cx, LIST, cursor, list.response_metadata)?;
        let next = (!cursor.is_empty()).then(|| encode(&AssignmentPosition::System { cursor }));
        Ok(Page { items, next })
    }

    /// Reads the assignments that match `wanted` from all pages, each with its raw row when requested.
    pub(in crate::connectors::slack_enterprise) async fn all_system_assignments(
        &self,
        cx: &CallContext<'_>,
        filter: &[(&str, &str)],
        remote_query: &RemoteQuery,
        wanted: impl Fn(&wire::SystemAssignment) -> bool + Send,
    ) -> Result<Vec<(wire::SystemAssignment, Option<Box<RawValue>>)>, ConnectorError> {
        let (mut all, mut cursor, mut trail) = (Vec::new(), String::new(), PageHistory::default());
        let limit = MAX_PAGE_ROWS.to_string();
        loop {
            let mut arguments = filter.to_vec();
            arguments.extend([("limit", &*limit), ("cursor", cursor.as_str())]);
            let response = self.web_list(cx, LIST, &arguments, remote_query).await?;
            let list: wire::ListAssignments<'_> = response.read(cx)?;
            let rows = response_rows(list.role_assignments.0, MAX_PAGE_ROWS);
            all.extend(rows.read(cx, |held, remote| wanted(&held).then_some((held, remote)))?);
            cursor = next_cursor(cx, LIST, &cursor, list.response_metadata)?;
            if cursor.is_empty() {
                return Ok(all);
            }
            cx.advance(LIST, &mut trail, &cursor)?;
        }
    }
}

fn response_rows(rows: Vec<&RawValue>, most: u16) -> ResponseRows<'_> {
    ResponseRows { method: LIST, list: "role_assignments", max_rows: most.into(), rows }
}
