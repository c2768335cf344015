//! Lists the resources of a SCIM server that were modified since a time, where the server supports filters (RFC 7644
//! §3.4.2.2). Deletions are not listed: the next full run finds them.

use async_trait::async_trait;
use serde_json::Value;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::ScimConnector;
use super::features::ScimFeatures;
use super::list::read_list;
use super::map::timestamp;
use super::memberships::{LIST_GROUPS, is_missing};
use super::users::LIST_USERS;
use super::wire::ModifiedResource;
use crate::connectors::paging::ScimPage;
use crate::connectors::parse::parse_text;
use crate::connectors::{
    CallContext, ChangeLog, ChangeLogEntry, ConnectorError, ErrorKind, ReadChangeLog,
};
use crate::domain::event::EventOrigin;
use crate::domain::reported_change::{ChangeSourceKind, ReportedChange, Subject};

/// Rows per page.
const PAGE_SIZE: u64 = 200;
/// Maximum number of pages of one read: with more changes than that, a full run is cheaper.
const MAX_PAGES: u32 = 20;
/// How much the server's clock may differ.
const MAX_DELAY: Duration = Duration::minutes(10);

/// A type of resources whose changes are listed.
#[derive(Clone, Copy)]
struct Listed<'a> {
    /// The name of the call.
    method: &'static str,
    /// The path below the base URL.
    endpoint: &'a str,
    /// The name of the type in the ids of entries.
    kind: &'static str,
    subject: fn(String) -> Subject,
}

#[async_trait]
impl ReadChangeLog for ScimConnector {
    fn source(&self) -> ChangeSourceKind {
        ChangeSourceKind::LastModified
    }

    fn origin(&self) -> EventOrigin {
        EventOrigin::Sync
    }

    fn max_delay(&self) -> Duration {
        MAX_DELAY
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        _: Option<&Value>,
        since: OffsetDateTime,
    ) -> Result<ChangeLog, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        if !features.filter {
            let error = cx.error(LIST_USERS, ErrorKind::Forbidden);
            return Err(error.with_code("the server does not announce filters"));
        }
        let mut log = ChangeLog::default();
        let (method, endpoint) = (LIST_USERS, &*features.user.endpoint);
        let users = Listed { method, endpoint, kind: "Users", subject: Subject::User };
        self.modified(cx, users, since, &mut log).await?;
        if let Some(group) = &features.group {
            let (method, endpoint) = (LIST_GROUPS, &*group.endpoint);
            let groups = Listed { method, endpoint, kind: "Groups", subject: Subject::Group };
            match self.modified(cx, groups, since, &mut log).await {
                // The server has no groups.
                Err(error) if !features.has_announced_groups && is_missing(&error) => {}
                listed => listed?,
            }
        }
        Ok(log)
    }
}

impl ScimConnector {
    /// Adds the modified resources of a type.
    async fn modified(
        &self,
        cx: &CallContext<'_>,
        listed: Listed<'_>,
        since: OffsetDateTime,
        log: &mut ChangeLog,
    ) -> Result<(), ConnectorError> {
        let Listed { method, endpoint, .. } = listed;
        let text = since.format(&Rfc3339).unwrap_or_default();
        let filter = format!("meta.lastModified gt \"{text}\"");
        let (mut start, count) = (1, PAGE_SIZE.to_string());
        for _ in 0..MAX_PAGES {
            let from = start.to_string();
            let query = [("filter", &*filter), ("startIndex", &*from), ("count", &*count)];
            let response = self.get(cx, method, &[endpoint], &query).await?;
            let list = read_list(&response.body)
                .map_err(|odd| cx.invalid_response(method, odd.to_string()))?;
            let sent = list.resources.as_ref().map(|rows| rows.0.len());
            let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
            let entries = rows.iter().filter_map(|raw| entry(listed, raw, since));
            let before = log.entries.len();
            log.entries.extend(entries);
            if !rows.is_empty() && log.entries.len() == before {
                // The server returns everything whatever the filter, or resources without times.
                let error = cx.error(method, ErrorKind::Forbidden);
                return Err(error.with_code("the server does not apply the filter"));
            }
            let next = ScimPage { start, rows: sent, total: list.total_results }.next();
            match next.map_err(|odd| cx.invalid_response(method, odd))? {
                Some(next) => start = next,
                None => return Ok(()),
            }
        }
        log.is_cut = true;
        Ok(())
    }
}

/// Returns the entry of a modified resource. A server without times lists everything: nothing of that is an entry.
fn entry(listed: Listed<'_>, raw: &RawValue, since: OffsetDateTime) -> Option<ChangeLogEntry> {
    let ModifiedResource { id, meta } = parse_text(raw.get()).ok()?;
    let modified = meta.last_modified?;
    let at = timestamp(Some(&modified)).filter(|at| *at > since)?;
    let subject = (listed.subject)(id.clone());
    let change = ReportedChange { subject, with_roles: true, cause: None };
    Some(ChangeLogEntry {
        id: format!("{}/{id}/{modified}", listed.kind),
        at,
        changes: vec![change],
        needs_run: false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn times_and_names_of_any_form_are_read() {
        let users = Listed {
            method: LIST_USERS,
            endpoint: "People",
            kind: "Users",
            subject: Subject::User,
        };
        let since = datetime!(2026-01-31 10:00 UTC);
        for (row, expected) in [
            (json!({"id": "1", "meta": {"lastModified": "2026-01-31T10:00:01Z"}}), true),
            (json!({"ID": 1, "Meta": {"LastModified": "2026-01-31T12:00:01+0200"}}), true),
            (json!({"id": "1", "meta": {"lastModified": "2026-01-31T10:00:01"}}), true),
            (json!({"id": "1", "meta": {"lastModified": "2026-01-31T09:00:00Z"}}), false),
            (json!({"id": "1", "meta": {"lastModified": "soon"}}), false),
            (json!({"id": "1"}), false),
        ] {
            let raw = to_raw_value(&row).unwrap();
            let found = entry(users, &raw, since);
            assert_eq!(found.is_some(), expected, "{row}");
            assert!(found.is_none_or(|entry| entry.id.starts_with("Users/1/")));
        }
    }
}
