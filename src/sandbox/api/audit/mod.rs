//! The audit logs API: `/audit/v1/logs`, `/actions` and `/schemas`.
//!
//! <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference>

mod shape;
mod trouble;
mod window;

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use self::shape::{actions, entry, schemas};
use self::trouble::{Trouble, VOICE};
use self::window::Question;
use super::exchange::{Outcome, exchange};
use super::web::{bearer, identify};
use crate::sandbox::grants::{Identity, Install, TokenError, TokenKind};
use crate::sandbox::limits::Budget;
use crate::sandbox::org::OrgLevel;
use crate::sandbox::{Sandbox, Tier};

const SCOPE: &str = "auditlogs:read";

/// Any endpoint.
pub(super) async fn call_path(
    State(sandbox): State<Sandbox>,
    Path(path): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    verb: Method,
    headers: HeaderMap,
) -> Response {
    let caller = identify(&sandbox, bearer(&headers));
    let account = caller.as_ref().ok().map(|caller| caller.user_id.clone());
    let name = match path.trim_matches('/') {
        "logs" => "audit.logs",
        "actions" => "audit.actions",
        "schemas" => "audit.schemas",
        _ => "audit.unknown",
    };
    exchange(&sandbox, name, account, VOICE, || {
        answer(&sandbox, name, &verb, &caller, &query).unwrap_or_else(Trouble::outcome)
    })
    .await
}

fn answer(
    sandbox: &Sandbox,
    name: &str,
    verb: &Method,
    caller: &Result<Identity, TokenError>,
    query: &BTreeMap<String, String>,
) -> Result<Outcome, Trouble> {
    // Unlike those of the Web API these limits are the organization's, whoever calls.
    let budget = Budget { key: name.to_owned(), pace: Tier::Three.pace() };
    if let Err(wait) = sandbox.take(&[budget]) {
        return Ok((VOICE.rate_limited)().retry_after(wait));
    }
    if verb != Method::GET {
        return Err(Trouble::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
    }
    let body = match name {
        "audit.actions" => actions(),
        "audit.schemas" => schemas(),
        "audit.logs" => {
            authorize(sandbox, caller)?;
            logs(sandbox, query)?
        }
        _ => return Err(Trouble::new(StatusCode::NOT_FOUND, "bad_endpoint")),
    };
    Ok(Outcome::new(StatusCode::OK, body.to_string().into_bytes(), None))
}

/// The log is for owners of the organization, through an app that they installed on it.
fn authorize(sandbox: &Sandbox, caller: &Result<Identity, TokenError>) -> Result<(), Trouble> {
    let unauthorized = |code| Trouble::new(StatusCode::UNAUTHORIZED, code);
    let caller = match caller {
        Ok(caller) => caller,
        Err(TokenError::Missing) => return Err(unauthorized("missing_authentication")),
        Err(
            TokenError::Unknown | TokenError::Expired | TokenError::Revoked | TokenError::Inactive,
        ) => return Err(unauthorized("invalid_authentication")),
    };
    let forbidden = |code| Trouble::new(StatusCode::FORBIDDEN, code);
    if caller.kind == TokenKind::Bot {
        return Err(forbidden("method_not_allowed"));
    }
    if !caller.scopes.iter().any(|scope| scope == SCOPE) {
        let provided = caller.scopes.join(",");
        return Err(unauthorized("invalid_authentication").scopes(SCOPE, provided));
    }
    if caller.install != Install::Org {
        return Err(forbidden("team_not_authorized"));
    }
    let level = sandbox.with_org(|org| org.find(&caller.user_id).map(|(_, one)| one.org_level));
    if level.is_none_or(|level| level < OrgLevel::Owner) {
        return Err(forbidden("user_not_authorized"));
    }
    Ok(())
}

fn logs(sandbox: &Sandbox, query: &BTreeMap<String, String>) -> Result<Value, Trouble> {
    let question = Question::read(sandbox, query)?;
    let (found, next) = sandbox
        .with_history(|history| history.audit(&question.wanted, question.start, question.limit));
    let entries: Vec<Value> = found.iter().map(|(number, one)| entry(*number, one)).collect();
    Ok(json!({
        "ok": true,
        "entries": entries,
        "response_metadata": {"next_cursor": question.next_cursor(sandbox, next)},
    }))
}
