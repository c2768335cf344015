//! Evaluates a policy, stored or not, without storing what it finds.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::copied::check_copy;
use super::integrated_accounts::{find as find_account, visible_account};
use super::policies::{CreatePolicyRequest, find};
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use super::syncs::requested_account;
use crate::domain::ids::{IntegratedAccountId, PolicyId};
use crate::domain::page::Page;
use crate::domain::policy::{
    AccountEvaluation, DirectoryOperation, Evidence, Finding, FindingSubject, Policy,
};
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, JsonBody, NoQuery, OptionalJsonBody, PageQuery, Params, Read, account_filter,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::policies::EvaluationError;

type PolicyEvaluationResponse = EnvelopeSchema<ItemResponse<PolicyEvaluation>>;
type AccountEvaluationList = EnvelopeSchema<ListResponse<AccountEvaluation>>;

/// Maximum number of findings in a response.
const MAX_LISTED: usize = 100;

/// Request body for evaluating a policy.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EvaluatePolicyRequest {
    /// Account id; required unless the header `X-Integrated-Account-Id` or an account token names the account.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Evaluates the directory as it was at this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
}

/// Request body for evaluating a policy that is not stored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "policy": {"name": "Guests", "kind": "guests_must_expire", "parameters": {"within_days": 90}}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct EvaluateUnsavedPolicyRequest {
    /// Account id; required unless the header `X-Integrated-Account-Id` or an account token names the account.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Evaluates the directory as it was at this time.
    #[serde(default, with = "time::serde::rfc3339::option")]
    as_of: Option<OffsetDateTime>,
    /// The policy.
    policy: CreatePolicyRequest,
}

/// What violates a policy.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PolicyFinding {
    /// Subject.
    subject: FindingSubject,
    /// What was found.
    evidence: Evidence,
    /// The operations that would end it, as far as they are possible in the account; empty when there are none.
    fix: Vec<DirectoryOperation>,
    /// Why there are none, or why they do not end all of it; `null` otherwise.
    #[schema(required = true)]
    fix_unavailable: Option<String>,
}

impl From<Finding> for PolicyFinding {
    fn from(finding: Finding) -> Self {
        let Finding { subject, evidence, fix, fix_unavailable } = finding;
        Self { subject, evidence, fix, fix_unavailable }
    }
}

/// The result of an evaluation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PolicyEvaluation {
    /// Account.
    integrated_account_id: IntegratedAccountId,
    /// Number of findings.
    #[schema(example = 1)]
    count: usize,
    /// The findings, at most 100.
    findings: Vec<PolicyFinding>,
    /// Why the policy was not, or not completely, evaluated; `null` otherwise.
    #[schema(required = true)]
    problem: Option<String>,
}

/// Filter of evaluations.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct EvaluationFilterQuery {
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
}

/// List evaluations of accounts
///
/// Returns when the policies of each account were last evaluated, and which could not be: a resource is not copied, an
/// expression fails. Accounts without policies are not listed. An account token sees its own account.
#[utoipa::path(get, path = "/policies/evaluations", tag = "Policies", params(PageQuery, EvaluationFilterQuery),
    responses((status = 200, description = "A page of evaluations", body = AccountEvaluationList), Problems))]
pub(in crate::http) async fn list_policy_evaluations(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<AccountEvaluation>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let query =
        EvaluationFilterQuery { integrated_account_id: account_filter(&mut params, &headers)? };
    params.finish()?;
    let account_id = visible_account(&access, query.integrated_account_id, "evaluations")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "policy_evaluations", &account_id);
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let limit = usize::from(page.limit);
    let read = i64::from(page.limit) + 1;
    let mut items = access.db.account_evaluations(after, account_id, read).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next = last.map(|last| cursors.seal(&last.integrated_account_id));
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Evaluate a policy
///
/// Evaluates the policy over everybody in the synced copy of an account, now or as of a time in the past, and returns what
/// it finds. Nothing is stored or reported.
#[utoipa::path(post, path = "/policies/{id}/evaluate", tag = "Policies", request_body = Option<EvaluatePolicyRequest>,
    params(("id" = PolicyId, Path, description = "The policy's id")),
    responses((status = 200, description = "What it finds", body = PolicyEvaluationResponse), Problems))]
pub(in crate::http) async fn evaluate_policy(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: NoQuery,
    OptionalJsonBody(body): OptionalJsonBody<EvaluatePolicyRequest>,
) -> Result<Json<ItemResponse<PolicyEvaluation>>, Problem> {
    let policy = find(&access, &id).await?;
    let account_id = requested_account(&access, &headers, body.integrated_account_id)?;
    evaluate(&state, &access, account_id, policy, body.as_of).await
}

/// Evaluate a policy that is not stored
///
/// As `POST /policies/{id}/evaluate`, for a policy in the request body.
#[utoipa::path(post, path = "/policies/evaluate", tag = "Policies", request_body = EvaluateUnsavedPolicyRequest,
    responses((status = 200, description = "What it finds", body = PolicyEvaluationResponse), Problems))]
pub(in crate::http) async fn evaluate_unsaved_policy(
    State(state): State<AppState>,
    access: Access<Read>,
    headers: HeaderMap,
    _: NoQuery,
    JsonBody(body): JsonBody<EvaluateUnsavedPolicyRequest>,
) -> Result<Json<ItemResponse<PolicyEvaluation>>, Problem> {
    let account_id = requested_account(&access, &headers, body.integrated_account_id)?;
    let policy =
        body.policy.check(&state, &access).await.map_err(|problem| problem.within("/policy"))?;
    evaluate(&state, &access, account_id, policy, body.as_of).await
}

async fn evaluate(
    state: &AppState,
    access: &Access<Read>,
    account_id: IntegratedAccountId,
    policy: Policy,
    as_of: Option<OffsetDateTime>,
) -> Result<Json<ItemResponse<PolicyEvaluation>>, Problem> {
    let account = find_account(access, &account_id.text()).await?;
    check_copy(state, access, &account, as_of).await?;
    let policies = [policy];
    let evaluated =
        Box::pin(state.policies.evaluate(&access.db, account_id, &policies, as_of)).await;
    let evaluated = evaluated.map_err(|error| match error {
        EvaluationError::NotSynced => Problem::new(
            ProblemKind::NotSynced,
            "The account has no complete synced copy of users yet.",
        ),
        EvaluationError::Store(error) => error.into(),
    })?;
    let (mut findings, mut problem) = (Vec::new(), None);
    let mut count = 0;
    for one in evaluated {
        problem = one.problem.map(|problem| problem.to_string());
        let Some(found) = one.findings else { continue };
        count += found.findings.len() + found.omitted.len();
        findings.extend(found.findings.into_iter().take(MAX_LISTED).map(PolicyFinding::from));
    }
    let result = PolicyEvaluation { integrated_account_id: account_id, count, findings, problem };
    Ok(Json(ItemResponse::of(result)))
}
