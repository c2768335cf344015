//! System roles: `admin.roles.listAssignments`.

use super::families::Narrow;
use super::{Assignments, At};
use serde_json::value::RawValue;

use crate::connectors::paging::Trail;
use crate::connectors::position::encode;
use crate::connectors::rows::Listed;
use crate::connectors::slack_enterprise::api::next_cursor;
use crate::connectors::slack_enterprise::{SlackEnterprise, map, wire};
use crate::connectors::{CallContext, ConnectorError, Record};
use crate::domain::filter::RemoteQuery;
use crate::domain::page::Page;

const SYSTEM: &str = "admin.roles.listAssignments";
/// The most rows of a page.
const LIMIT: u16 = 200;

impl SlackEnterprise {
    /// A page of system roles: one call.
    pub(super) async fn system_roles(
        &self,
        cx: &CallContext<'_>,
        narrow: Narrow<'_>,
        cursor: &str,
        limit: u16,
        remote_query: &RemoteQuery,
    ) -> Result<Assignments, ConnectorError> {
        let (role_ids, entity_ids) = narrow.lists();
        let most = limit.min(LIMIT);
        let limit = most.to_string();
        let arguments = [
            ("role_ids", &*role_ids),
            ("entity_ids", &*entity_ids),
            ("limit", &*limit),
            ("cursor", cursor),
        ];
        let answer = self.web_list(cx, SYSTEM, &arguments, remote_query).await?;
        let list: wire::ListAssignments<'_> = answer.read(cx)?;
        let items = rows_of(list.role_assignments.0, most).read(cx, |held, remote| {
            let unified = map::system_assignment(held, &cx.account.organization.id);
            Some(Record::new(unified, remote))
        })?;
        let cursor = next_cursor(cx, SYSTEM, cursor, list.response_metadata)?;
        let next = (!cursor.is_empty()).then(|| encode(&At::System { cursor }));
        Ok(Page { items, next })
    }

    /// Every system assignment that `wanted` wants, of all pages, each with its row when that is wanted.
    pub(in crate::connectors::slack_enterprise) async fn all_system_assignments(
        &self,
        cx: &CallContext<'_>,
        filter: &[(&str, &str)],
        remote_query: &RemoteQuery,
        wanted: impl Fn(&wire::SystemAssignment) -> bool + Send,
    ) -> Result<Vec<(wire::SystemAssignment, Option<Box<RawValue>>)>, ConnectorError> {
        let (mut all, mut cursor, mut trail) = (Vec::new(), String::new(), Trail::default());
        let limit = LIMIT.to_string();
        loop {
            let mut arguments = filter.to_vec();
            arguments.extend([("limit", &*limit), ("cursor", cursor.as_str())]);
            let answer = self.web_list(cx, SYSTEM, &arguments, remote_query).await?;
            let list: wire::ListAssignments<'_> = answer.read(cx)?;
            let rows = rows_of(list.role_assignments.0, LIMIT);
            all.extend(rows.read(cx, |held, remote| wanted(&held).then_some((held, remote)))?);
            cursor = next_cursor(cx, SYSTEM, &cursor, list.response_metadata)?;
            if cursor.is_empty() {
                return Ok(all);
            }
            cx.go_on(SYSTEM, &mut trail, &cursor)?;
        }
    }
}

fn rows_of(rows: Vec<&RawValue>, most: u16) -> Listed<'_> {
    Listed { method: SYSTEM, list: "role_assignments", most: most.into(), rows }
}
