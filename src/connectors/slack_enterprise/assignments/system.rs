//! System roles: `admin.roles.listAssignments`.

use super::families::Narrow;
use super::{Assignments, At};
use crate::connectors::position::encode;
use crate::connectors::slack_enterprise::api::row;
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
        let limit = limit.min(LIMIT).to_string();
        let arguments = [
            ("role_ids", &*role_ids),
            ("entity_ids", &*entity_ids),
            ("limit", &*limit),
            ("cursor", cursor),
        ];
        let answer = self.web_list(cx, SYSTEM, &arguments, remote_query).await?;
        let list: wire::ListAssignments<'_> = answer.read(cx)?;
        let items = list
            .role_assignments
            .iter()
            .map(|raw| {
                let (held, remote) = row(cx, SYSTEM, raw)?;
                let unified = map::system_assignment(held, &cx.account.organization.id);
                Ok(Record::new(unified, remote))
            })
            .collect::<Result<_, ConnectorError>>()?;
        let cursor = list.response_metadata.next_cursor;
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
    ) -> Result<Vec<(wire::SystemAssignment, Option<serde_json::Value>)>, ConnectorError> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut arguments = filter.to_vec();
            arguments.extend([("limit", "200"), ("cursor", cursor.as_str())]);
            let answer = self.web_list(cx, SYSTEM, &arguments, remote_query).await?;
            let list: wire::ListAssignments<'_> = answer.read(cx)?;
            for raw in list.role_assignments {
                let (held, remote) = row(cx, SYSTEM, raw)?;
                if wanted(&held) {
                    rows.push((held, remote));
                }
            }
            cursor = list.response_metadata.next_cursor;
            if cursor.is_empty() {
                return Ok(rows);
            }
        }
    }
}
