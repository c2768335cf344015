//! `/drift`: violations of policies, acknowledged and fixed.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::integrated_accounts::visible_account;
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{IntegratedAccountId, PolicyId, ViolationId};
use crate::domain::page::Page;
use crate::domain::policy::{Acknowledgement, PolicySeverity, Violation, ViolationStatus};
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Account, JsonBody, NoQuery, PageQuery, Params, Read, Write, account_filter,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::policies::RequestedFix;
use crate::store::ViolationFilter;

type ViolationList = EnvelopeSchema<ListResponse<Violation>>;
type ViolationResponse = EnvelopeSchema<ItemResponse<Violation>>;

/// Maximum length of a reason, in characters.
const MAX_REASON_CHARS: usize = 1_000;
/// Maximum time that a violation is acknowledged for.
const MAX_ACKNOWLEDGED: time::Duration = time::Duration::days(400);
/// How long a fix may belong to a process that no longer responds.
const FIX_LEASE: Duration = Duration::from_secs(30);
/// Time after which clients retry while another fix is in progress.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Filter of violations.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Policy.
    #[param(value_type = Option<String>)]
    policy_id: Option<PolicyId>,
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Status.
    status: Option<ViolationStatus>,
    /// Severity of the policy.
    severity: Option<PolicySeverity>,
    /// User who is the subject or named by the evidence.
    user_id: Option<String>,
}

/// List violations
///
/// Returns violations of policies, newest first. An account token sees those of its own account.
#[utoipa::path(get, path = "/drift", tag = "Policies", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of violations", body = ViolationList), Problems))]
pub(in crate::http) async fn list_violations(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<Violation>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let FilterQuery { policy_id, integrated_account_id, status, severity, user_id } = FilterQuery {
        policy_id: params.parse("policy_id")?,
        integrated_account_id: account_filter(&mut params, &headers)?,
        status: params.parse("status")?,
        severity: params.parse("severity")?,
        user_id: params.take("user_id")?,
    };
    params.finish()?;
    let account_id = visible_account(&access, integrated_account_id, "violations")?;
    let filter = ViolationFilter { policy_id, account_id, status, severity, user_id };
    let list = (policy_id, account_id, status, severity, &filter.user_id);
    let cursors = Cursors::of(&state.cursors, &access.caller, "drift", &list);
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.violations(&filter, before, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a violation
#[utoipa::path(get, path = "/drift/{id}", tag = "Policies",
    params(("id" = ViolationId, Path, description = "The violation's id")),
    responses((status = 200, description = "The violation", body = ViolationResponse), Problems))]
pub(in crate::http) async fn get_violation(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<Violation>>, Problem> {
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Request body for acknowledging a violation.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"reason": "Holiday replacement of the owner", "expires_at": "2027-01-15T00:00:00Z"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AcknowledgeRequest {
    /// Why the violation is accepted.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// When it is open again, at most 400 days from now.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Acknowledge a violation
///
/// Accepts an open violation until a time: it is not fixed, and reported again only after that time.
#[utoipa::path(post, path = "/drift/{id}/acknowledge", tag = "Policies", request_body = AcknowledgeRequest,
    params(("id" = ViolationId, Path, description = "The violation's id")),
    responses((status = 200, description = "The violation", body = ViolationResponse), Problems))]
pub(in crate::http) async fn acknowledge_violation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<AcknowledgeRequest>,
) -> Result<Json<ItemResponse<Violation>>, Problem> {
    let violation = find(&access, &id).await?;
    let now = state.clock.now();
    let invalid = |pointer: &str, message: String| {
        Problem::new(ProblemKind::InvalidBody, "The acknowledgement is invalid.")
            .with_error(pointer, message)
    };
    if body.reason.trim().is_empty() || body.reason.chars().count() > MAX_REASON_CHARS {
        return Err(invalid("/reason", format!("must have 1 to {MAX_REASON_CHARS} characters")));
    }
    if body.expires_at <= now || body.expires_at > now + MAX_ACKNOWLEDGED {
        let message = "must be in the future, at most 400 days from now".to_owned();
        return Err(invalid("/expires_at", message));
    }
    let acknowledgement = Acknowledgement {
        reason: body.reason,
        acknowledged_by: access.caller.key_id.to_string(),
        acknowledged_at: now,
        expires_at: body.expires_at,
    };
    let subject = violation.id.text();
    let about = (Some(violation.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "drift.acknowledged", about);
    if !access.db.acknowledge_violation(&violation, &acknowledgement, &entry).await? {
        return Err(not_open());
    }
    Ok(Json(ItemResponse::of(find(&access, &subject).await?)))
}

/// Fix a violation
///
/// Runs the operations in `fix`, one after another, in the name of the caller, and returns the violation with the outcome
/// of each in `last_fix`, also if the caller disconnects. It waits for another fix or evaluation of the account, as long as
/// `Prefer: wait` says. An operation is refused that would change a primary owner or the person whose token the account
/// works with, leave a place without an owner, or violate a policy of the kind `min_holders`. After an operation that was
/// refused or failed the others are skipped. The violation is resolved when the policy is evaluated next.
#[utoipa::path(post, path = "/drift/{id}/fix", tag = "Policies",
    params(("id" = ViolationId, Path, description = "The violation's id")),
    responses((status = 200, description = "The violation with the report of the fix", body = ViolationResponse), Problems))]
pub(in crate::http) async fn fix_violation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Json<ItemResponse<Violation>>, Problem> {
    let violation = find(&access, &id).await?;
    if !violation.status.is_fixable() {
        return Err(not_open());
    }
    if violation.fix.is_empty() {
        return Err(nothing_to_fix(&violation));
    }
    let account =
        Account::<Write>::with_id(access, violation.integrated_account_id, &headers, &state)
            .await?;
    // A task of its own: a caller that disconnects does not stop a fix between two operations.
    let tasks = state.tasks.clone();
    let fix = tasks.spawn(run_fix(state, account, violation.id));
    match fix.await.map_err(|_| Problem::internal())?? {
        RequestedFix::Run(violation) => Ok(Json(ItemResponse::of(*violation))),
        RequestedFix::NotOpen => Err(not_open()),
        RequestedFix::NothingToFix => Err(nothing_to_fix(&violation)),
        RequestedFix::InProgress => {
            let detail =
                "The account is being evaluated or fixed. Retry after `Retry-After` seconds.";
            let problem = Problem::new(ProblemKind::FixInProgress, detail);
            Err(problem.with_retry_after(RETRY_AFTER))
        }
    }
}

/// Fixes a violation once no other fix or evaluation of the account is in progress.
async fn run_fix(
    state: AppState,
    account: Account<Write>,
    violation_id: ViolationId,
) -> Result<RequestedFix, Problem> {
    let key = (account.caller().environment_id, account.id());
    let claim = (account.request_id(), FIX_LEASE);
    let claimed = state.policies.claim_for_fix(key, claim, account.max_wait()).await?;
    let Some(claimed) = claimed else { return Ok(RequestedFix::InProgress) };
    let fixer = account.fixer(&state);
    Ok(state.policies.fix(&fixer, violation_id, (claimed, FIX_LEASE)).await?)
}

fn nothing_to_fix(violation: &Violation) -> Problem {
    let reason = violation.fix_unavailable.as_deref();
    let reason = reason.unwrap_or("Decide what is right, and change the directory.");
    let detail = format!("The violation has no operations that would end it. {reason}");
    Problem::new(ProblemKind::NothingToFix, detail)
}

/// Returns the violation; fails if it does not exist, or is of another account than that of an account token.
async fn find<P>(access: &Access<P>, id: &str) -> Result<Violation, Problem> {
    let not_found =
        || Problem::new(ProblemKind::NotFound, "No such violation exists in this environment.");
    let id = id.parse().map_err(|_| not_found())?;
    let violation = access.db.violation(id).await?.ok_or_else(not_found)?;
    let own = access.caller.account_id;
    let is_visible = own.is_none_or(|own| own == violation.integrated_account_id);
    is_visible.then_some(violation).ok_or_else(not_found)
}

fn not_open() -> Problem {
    let detail =
        "The violation is pending or resolved. GET /drift?status=open lists the open ones.";
    Problem::new(ProblemKind::ViolationNotOpen, detail)
}
