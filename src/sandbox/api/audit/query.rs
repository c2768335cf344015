//! Parameters of a log query: filters and page.

use std::collections::BTreeMap;

use time::Duration;

use super::error::AuditApiError;
use crate::sandbox::Sandbox;
use crate::sandbox::audit::{AuditLogQuery, is_action};
use crate::sandbox::cursor::{self, CursorScope};

/// Maximum and default page size.
const MAX_LIMIT: usize = 9_999;
/// Maximum number of actions in a query.
const MAX_ACTIONS: usize = 30;
/// Earliest time of a query: March 2018.
const EARLIEST_TIME: i64 = 1_519_862_400;

/// A parsed query.
#[derive(Debug)]
pub(super) struct AuditLogRequest {
    pub(super) query: AuditLogQuery,
    /// Number of the first entry of the page.
    pub(super) start: Option<u64>,
    pub(super) limit: usize,
    cursor_scope: CursorScope,
}

impl AuditLogRequest {
    /// Parses the parameters.
    pub(super) fn parse(
        sandbox: &Sandbox,
        query: &BTreeMap<String, String>,
    ) -> Result<Self, AuditApiError> {
        let text =
            |name: &str| query.get(name).map(|text| text.trim()).filter(|one| !one.is_empty());
        let (oldest, latest) = parse_time_range(sandbox, text("oldest"), text("latest"))?;
        let wanted = AuditLogQuery {
            oldest,
            latest,
            actions: parse_actions(text("action"))?,
            actor: text("actor").map(str::to_owned),
            entity: text("entity").map(str::to_owned),
        };
        let limit = match text("limit") {
            None => MAX_LIMIT,
            Some(text) => text.parse().map_err(|_| AuditApiError::bad_request("invalid_range"))?,
        };
        let filters: Vec<(String, String)> = query
            .iter()
            .filter(|(name, _)| name.as_str() != "cursor" && name.as_str() != "limit")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let binding = CursorScope::new(sandbox.generation(), "audit.logs", &filters);
        let start = match text("cursor") {
            None => None,
            Some(text) => Some(
                cursor::decode(text, &binding, sandbox.now())
                    .ok_or_else(|| AuditApiError::bad_request("invalid_cursor"))?,
            ),
        };
        Ok(Self { query: wanted, start, limit: limit.clamp(1, MAX_LIMIT), cursor_scope: binding })
    }

    /// Returns the cursor of the next page; empty for `None`.
    pub(super) fn next_cursor(&self, sandbox: &Sandbox, next: Option<u64>) -> String {
        let life = Duration::seconds(sandbox.options().cursor_lifetime_s);
        let encode = |next| cursor::encode(&self.cursor_scope, next, sandbox.now(), life);
        next.map(encode).unwrap_or_default()
    }
}

/// Parses an inclusive time range, which must lie between the earliest time and now.
fn parse_time_range(
    sandbox: &Sandbox,
    oldest: Option<&str>,
    latest: Option<&str>,
) -> Result<(Option<i64>, Option<i64>), AuditApiError> {
    let refused = || AuditApiError::bad_request("invalid_range");
    let read = |text: Option<&str>| text.map(str::parse::<i64>).transpose().map_err(|_| refused());
    let (oldest, latest) = (read(oldest)?, read(latest)?);
    let now = sandbox.now().unix_timestamp();
    let early = [oldest, latest].into_iter().flatten().any(|at| at < EARLIEST_TIME);
    let reversed = oldest.zip(latest).is_some_and(|(oldest, latest)| oldest > latest);
    if early || reversed || oldest.is_some_and(|oldest| oldest > now) {
        return Err(refused());
    }
    Ok((oldest, latest))
}

fn parse_actions(text: Option<&str>) -> Result<Vec<String>, AuditApiError> {
    let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() > MAX_ACTIONS || !names.iter().all(|name| is_action(name)) {
        return Err(AuditApiError::bad_request("invalid_action"));
    }
    Ok(names)
}
