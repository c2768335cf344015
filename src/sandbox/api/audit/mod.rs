//! The audit logs API: `/audit/v1/logs`, `/actions` and `/schemas`.
//!
//! <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference>

mod error;
mod objects;
mod query;

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use self::error::{AuditApiError, ERROR_FORMAT};
use self::objects::{actions, entry, schemas};
use self::query::AuditLogRequest;
use super::fault_injection::{PendingResponse, handle_request};
use super::web::{authenticate, bearer};
use crate::sandbox::grants::{InstallTarget, SlackTokenType, TokenIdentity, TokenRejection};
use crate::sandbox::limits::RateBucket;
use crate::sandbox::org::OrgLevel;
use crate::sandbox::{Sandbox, Tier};

const SCOPE: &str = "auditlogs:read";

/// Handles any endpoint.
pub(super) async fn call_path(
    State(sandbox): State<Sandbox>,
    Path(path): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    let caller = authenticate(&sandbox, bearer(&headers));
    let account = caller.as_ref().ok().map(|caller| caller.user_id.clone());
    let name = match path.trim_matches('/') {
        "logs" => "audit.logs",
        "actions" => "audit.actions",
        "schemas" => "audit.schemas",
        _ => "audit.unknown",
    };
    handle_request(&sandbox, name, account, ERROR_FORMAT, || {
        handle(&sandbox, name, &method, &caller, &query)
            .unwrap_or_else(AuditApiError::into_pending_response)
    })
    .await
}

fn handle(
    sandbox: &Sandbox,
    name: &str,
    method: &Method,
    caller: &Result<TokenIdentity, TokenRejection>,
    query: &BTreeMap<String, String>,
) -> Result<PendingResponse, AuditApiError> {
    // Unlike those of the Web API, these limits apply to the organization.
    let bucket = RateBucket { key: name.to_owned(), rate_limit: Tier::Three.rate_limit() };
    if let Err(wait) = sandbox.take_rate_limit(&[bucket]) {
        return Ok((ERROR_FORMAT.rate_limited)().retry_after(wait));
    }
    if method != Method::GET {
        return Err(AuditApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
    }
    let body = match name {
        "audit.actions" => actions(),
        "audit.schemas" => schemas(),
        "audit.logs" => {
            authorize(sandbox, caller)?;
            logs(sandbox, query)?
        }
        _ => return Err(AuditApiError::new(StatusCode::NOT_FOUND, "bad_endpoint")),
    };
    Ok(PendingResponse::new(StatusCode::OK, body.to_string().into_bytes(), None))
}

/// Requires an owner of the organization and an app installed on it.
fn authorize(
    sandbox: &Sandbox,
    caller: &Result<TokenIdentity, TokenRejection>,
) -> Result<(), AuditApiError> {
    let unauthorized = |code| AuditApiError::new(StatusCode::UNAUTHORIZED, code);
    let caller = match caller {
        Ok(caller) => caller,
        Err(TokenRejection::Missing) => return Err(unauthorized("missing_authentication")),
        Err(
            TokenRejection::Unknown
            | TokenRejection::Expired
            | TokenRejection::Revoked
            | TokenRejection::Inactive,
        ) => return Err(unauthorized("invalid_authentication")),
    };
    let forbidden = |code| AuditApiError::new(StatusCode::FORBIDDEN, code);
    if caller.kind == SlackTokenType::Bot {
        return Err(forbidden("method_not_allowed"));
    }
    if !caller.scopes.iter().any(|scope| scope == SCOPE) {
        let provided = caller.scopes.join(",");
        return Err(unauthorized("invalid_authentication").with_scopes(SCOPE, provided));
    }
    if caller.install != InstallTarget::Org {
        return Err(forbidden("team_not_authorized"));
    }
    let level = sandbox.with_org(|org| org.find(&caller.user_id).map(|(_, one)| one.org_level));
    if level.is_none_or(|level| level < OrgLevel::Owner) {
        return Err(forbidden("user_not_authorized"));
    }
    Ok(())
}

fn logs(sandbox: &Sandbox, query: &BTreeMap<String, String>) -> Result<Value, AuditApiError> {
    let question = AuditLogRequest::parse(sandbox, query)?;
    let now = sandbox.now().unix_timestamp();
    let (found, next) = sandbox.with_change_log(|history| {
        history.visible_audit_page(&question.query, question.start, question.limit, now)
    });
    let entries: Vec<Value> = found.iter().map(|(number, one)| entry(*number, one)).collect();
    Ok(json!({
        "ok": true,
        "entries": entries,
        "response_metadata": {"next_cursor": question.next_cursor(sandbox, next)},
    }))
}
