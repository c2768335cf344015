//! Lists the resources of a SCIM server that were modified since a time, where the server supports filters (RFC 7644
//! §3.4.2.2). Deletions are not listed: the next full run finds them.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::ScimConnector;
use super::features::ScimFeatures;
use super::list::read_list;
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

/// A modified resource.
#[derive(Debug, Deserialize)]
struct Modified {
    id: String,
    meta: Option<Meta>,
}

#[derive(Debug, Deserialize)]
struct Meta {
    #[serde(rename = "lastModified")]
    last_modified: Option<String>,
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
        if !ScimFeatures::of(cx.account).filter {
            let error = cx.error("scim.users.list", ErrorKind::Forbidden);
            return Err(error.with_code("the server does not announce filters"));
        }
        let mut log = ChangeLog::default();
        self.modified(cx, ("scim.users.list", "Users", Subject::User), since, &mut log).await?;
        self.modified(cx, ("scim.groups.list", "Groups", Subject::Group), since, &mut log).await?;
        Ok(log)
    }
}

impl ScimConnector {
    /// Adds the modified resources of a kind.
    async fn modified(
        &self,
        cx: &CallContext<'_>,
        (method, kind, subject): (&'static str, &str, fn(String) -> Subject),
        since: OffsetDateTime,
        log: &mut ChangeLog,
    ) -> Result<(), ConnectorError> {
        let text = since.format(&Rfc3339).unwrap_or_default();
        let filter = format!("meta.lastModified gt \"{text}\"");
        let (mut start, count) = (1, PAGE_SIZE.to_string());
        for _ in 0..MAX_PAGES {
            let from = start.to_string();
            let query = [("filter", &*filter), ("startIndex", &*from), ("count", &*count)];
            let response = self.get(cx, method, &[kind], &query).await?;
            let list = read_list(&response.body)
                .map_err(|odd| cx.invalid_response(method, odd.to_string()))?;
            let sent = list.resources.as_ref().map(|rows| rows.0.len());
            let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
            let entries = rows.iter().filter_map(|raw| entry(kind, raw, since, subject));
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
fn entry(
    kind: &str,
    raw: &RawValue,
    since: OffsetDateTime,
    subject: fn(String) -> Subject,
) -> Option<ChangeLogEntry> {
    let Modified { id, meta } = parse_text(raw.get()).ok()?;
    let modified = meta?.last_modified?;
    let at = OffsetDateTime::parse(&modified, &Rfc3339).ok().filter(|at| *at > since)?;
    let change = ReportedChange { subject: subject(id.clone()), with_roles: true, cause: None };
    Some(ChangeLogEntry {
        id: format!("{kind}/{id}/{modified}"),
        at,
        changes: vec![change],
        needs_run: false,
    })
}
