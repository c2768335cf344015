//! Reads Slack's audit log: who changed which user, role, group or workspace. Needs the token of an owner of the
//! organization with `auditlogs:read`.
//!
//! <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference>

mod effects;
mod entries;
mod wire;

use std::collections::HashSet;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};
use url::form_urlencoded;

use self::wire::{ActionsPage, AuditPage};
use super::api::{SuccessBody, next_cursor};
use super::wire::ResponseEnvelope;
use super::{SlackConnector, error};
use crate::connectors::parse::{parse, parse_text};
use crate::connectors::{CallContext, ChangeLog, ConnectorError, ErrorKind, ReadChangeLog};
use crate::domain::event::EventOrigin;
use crate::domain::reported_change::ChangeSourceKind;
use crate::upstream::{ProviderRequest, RequestBody, RequestToken};

const LOGS: &str = "audit.logs";
const ACTIONS: &str = "audit.actions";
/// Maximum number of actions in one filter.
const MAX_FILTERED_ACTIONS: usize = 30;
/// Entries per page. Slack may return more, when several have the same time.
const PAGE_SIZE: usize = 500;
/// Maximum number of pages of one read: with more changes than that, a full run is cheaper.
const MAX_PAGES: usize = 40;
/// How late entries may appear: Slack names no limit.
const MAX_DELAY: Duration = Duration::hours(2);
/// How long the list of known actions is used.
const ACTIONS_VALID_FOR: Duration = Duration::days(1);

/// What is stored between two reads.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// The actions that the organization's audit log knows, of those that matter here.
    actions: Vec<String>,
    /// When the list was read, in Unix seconds.
    actions_read_at: i64,
}

#[async_trait]
impl ReadChangeLog for SlackConnector {
    fn source(&self) -> ChangeSourceKind {
        ChangeSourceKind::AuditLog
    }

    fn origin(&self) -> EventOrigin {
        EventOrigin::AuditLog
    }

    fn max_delay(&self) -> Duration {
        MAX_DELAY
    }

    async fn read(
        &self,
        cx: &CallContext<'_>,
        position: Option<&Value>,
        since: OffsetDateTime,
    ) -> Result<ChangeLog, ConnectorError> {
        let position = self.position(cx, position, since).await?;
        let mut log = ChangeLog::default();
        let mut pages = 0;
        for actions in position.actions.chunks(MAX_FILTERED_ACTIONS) {
            let actions = actions.join(",");
            let mut cursor = String::new();
            loop {
                pages += 1;
                if pages > MAX_PAGES {
                    log.is_cut = true;
                    break;
                }
                cursor = self.read_page(cx, &actions, since, &cursor, &mut log).await?;
                if cursor.is_empty() {
                    break;
                }
            }
        }
        log.position = serde_json::to_value(position).ok();
        Ok(log)
    }
}

/// Returns the query of a page.
fn page_query(actions: &str, since: OffsetDateTime, cursor: &str) -> String {
    let (oldest, limit) = (since.unix_timestamp().to_string(), PAGE_SIZE.to_string());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("action", actions).append_pair("oldest", &oldest);
    query.append_pair("limit", &limit);
    if !cursor.is_empty() {
        query.append_pair("cursor", cursor);
    }
    query.finish()
}

impl SlackConnector {
    /// Returns the stored position, or a new one when the list of actions is old.
    async fn position(
        &self,
        cx: &CallContext<'_>,
        stored: Option<&Value>,
        since: OffsetDateTime,
    ) -> Result<Position, ConnectorError> {
        let stored: Option<Position> = stored.and_then(|stored| Position::deserialize(stored).ok());
        let oldest_valid = (since - ACTIONS_VALID_FOR).unix_timestamp();
        if let Some(stored) = stored.filter(|stored| stored.actions_read_at > oldest_valid) {
            return Ok(stored);
        }
        let response = self.audit(cx, ACTIONS, "audit/v1/actions", None).await?;
        let known: ActionsPage = response.read(cx)?;
        let known: HashSet<String> = known.actions.into_values().flatten().collect();
        let wanted = entries::ACTIONS.iter().filter(|action| known.contains(**action));
        let actions = wanted.map(|action| (*action).to_owned()).collect();
        Ok(Position { actions, actions_read_at: since.unix_timestamp() })
    }

    /// Reads a page and returns the cursor of the next one; empty at the end.
    async fn read_page(
        &self,
        cx: &CallContext<'_>,
        actions: &str,
        since: OffsetDateTime,
        cursor: &str,
        log: &mut ChangeLog,
    ) -> Result<String, ConnectorError> {
        let query = page_query(actions, since, cursor);
        let response = self.audit(cx, LOGS, "audit/v1/logs", Some(&query)).await?;
        let page: AuditPage<&RawValue> = response.read(cx)?;
        for raw in page.entries.0 {
            match parse_text(raw.get()).ok().as_ref().and_then(entries::read) {
                Some(entry) => log.entries.push(entry),
                None => log.ignored += 1,
            }
        }
        next_cursor(cx, LOGS, cursor, page.response_metadata)
    }

    /// Calls the audit log.
    async fn audit(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        path: &str,
        query: Option<&str>,
    ) -> Result<SuccessBody, ConnectorError> {
        let (_, name) = method.split_once('.').unwrap_or_default();
        let (buckets, idempotency) = self.methods.audit(&Method::GET, name);
        let uri = self.api.join(path, query);
        let uri = uri.ok_or_else(|| cx.error(method, ErrorKind::Internal))?;
        let json = HeaderValue::from_static("application/json");
        let request = Box::new(ProviderRequest {
            name: method.into(),
            method: Method::GET,
            uri,
            headers: HeaderMap::from_iter([(header::ACCEPT, json)]),
            body: RequestBody::Empty,
            buckets,
            idempotency,
            token: RequestToken::AccessToken,
        });
        let response = cx.fetch(request, &self.classifier).await?;
        let (status, retry_after) = (response.status, response.retry_after);
        let body = response.into_body();
        let failure = parse::<ResponseEnvelope>(&body).ok().filter(|body| body.ok == Some(false));
        if status.is_success() && failure.is_none() {
            return Ok(SuccessBody { method, body });
        }
        let code = failure.as_ref().and_then(|failure| failure.error.clone());
        let code = code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
        let (needed_scope, provided_scope) =
            failure.map(|failure| (failure.needed, failure.provided)).unwrap_or_default();
        let is_refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let kind = error::kind(&code);
        let kind = if is_refused && kind != ErrorKind::MissingScope {
            ErrorKind::Forbidden
        } else if status.is_server_error() {
            ErrorKind::ProviderError
        } else {
            kind
        };
        let fix = error::fix(&code);
        let error = cx.error(method, kind).with_code(code);
        Err(ConnectorError { fix, needed_scope, provided_scope, retry_after, ..error })
    }
}
