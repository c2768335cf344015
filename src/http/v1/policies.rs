//! `/policies`: rules that directories must comply with.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::policy_input::PolicyInput;
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{IntegratedAccountId, PolicyId};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::patch::PatchField;
use crate::domain::policy::{Policy, PolicyMode, PolicySeverity};
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, Admin, JsonBody, NoQuery, PageQuery, Params, Read};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::policies::KINDS;

type PolicyKindList = EnvelopeSchema<ListResponse<PolicyKindView>>;
type PolicyList = EnvelopeSchema<ListResponse<PolicyView>>;
type PolicyResponse = EnvelopeSchema<ItemResponse<PolicyView>>;

/// A kind of policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyKind)]
pub(in crate::http) struct PolicyKindView {
    /// Name, as in a policy's `kind`.
    #[schema(example = "max_holders")]
    name: &'static str,
    /// What a policy of this kind requires.
    #[schema(example = "At most `count` people who can sign in hold the roles.")]
    description: &'static str,
    /// JSON Schema (draft 2020-12) of the parameters.
    #[schema(value_type = Object)]
    parameters: Value,
    /// Example parameters.
    #[schema(value_type = Object)]
    example: Value,
}

/// List kinds of policies
///
/// Returns each kind with the JSON Schema of its parameters.
#[utoipa::path(get, path = "/policies/kinds", tag = "Policies",
    responses((status = 200, description = "All kinds", body = PolicyKindList), Problems))]
pub(in crate::http) async fn list_policy_kinds(
    _: Access<Read>,
    _: NoQuery,
) -> Json<ListResponse<PolicyKindView>> {
    let items = KINDS.iter().map(|kind| PolicyKindView {
        name: kind.name,
        description: kind.description,
        parameters: kind.schema(),
        example: serde_json::from_str(kind.example).unwrap_or_default(),
    });
    Json(ListResponse::of(Page { items: items.collect(), next: None }, MAX_LIMIT))
}

/// A rule that directories must comply with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Policy)]
pub(in crate::http) struct PolicyView {
    /// Id.
    id: PolicyId,
    /// Name.
    #[schema(example = "At most five org owners")]
    name: String,
    /// Kind.
    #[schema(example = "max_holders")]
    kind: String,
    /// Parameters, as `GET /policies/kinds` describes them.
    #[schema(value_type = Object, example = json!({"role_ids": ["org:owner"], "count": 5}))]
    parameters: Value,
    /// Accounts that it applies to; `null` for all of the environment.
    #[schema(required = true)]
    integrated_account_ids: Option<Vec<IntegratedAccountId>>,
    /// How severe a violation is.
    severity: PolicySeverity,
    /// Seconds that a condition must last before it is a violation.
    #[schema(example = 0)]
    grace_s: u32,
    /// `alert`: violations are reported. `fix`: they are reported and fixed.
    mode: PolicyMode,
    /// Whether it is evaluated.
    #[schema(example = true)]
    is_active: bool,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Time of the last change.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        let Policy { id, name, kind, parameters, integrated_account_ids, .. } = policy;
        let Policy { severity, grace_s, mode, is_active, created_at, updated_at, .. } = policy;
        Self {
            id,
            name,
            kind,
            parameters,
            integrated_account_ids,
            severity,
            grace_s,
            mode,
            is_active,
            created_at,
            updated_at,
        }
    }
}

impl PolicyView {
    /// Returns a policy without the ids of other accounts, for the account token of an account.
    fn for_caller(policy: Policy, own: Option<IntegratedAccountId>) -> Self {
        let view = Self::from(policy);
        let ids = own.map(|own| vec![own]);
        Self {
            integrated_account_ids: view.integrated_account_ids.map(|all| ids.unwrap_or(all)),
            ..view
        }
    }
}

/// List policies
///
/// Returns the policies of the environment, oldest first. An account token sees those that apply to its account.
#[utoipa::path(get, path = "/policies", tag = "Policies", params(PageQuery),
    responses((status = 200, description = "A page of policies", body = PolicyList), Problems))]
pub(in crate::http) async fn list_policies(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
) -> Result<Json<ListResponse<PolicyView>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    params.finish()?;
    let own = access.caller.account_id;
    let cursors = Cursors::of(&state.cursors, &access.caller, "policies", &());
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.policies(after, own, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(|policy| PolicyView::for_caller(policy, own)).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a policy
#[utoipa::path(get, path = "/policies/{id}", tag = "Policies",
    params(("id" = PolicyId, Path, description = "The policy's id")),
    responses((status = 200, description = "The policy", body = PolicyResponse), Problems))]
pub(in crate::http) async fn get_policy(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<PolicyView>>, Problem> {
    let own = access.caller.account_id;
    Ok(Json(ItemResponse::of(PolicyView::for_caller(find(&access, &id).await?, own))))
}

/// Request body for creating a policy.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreatePolicyRequest, example = json!({"name": "At most five org owners", "kind": "max_holders", "parameters": {"role_ids": ["org:owner", "org:primary_owner"], "count": 5}, "severity": "critical"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreatePolicyRequest {
    /// Name.
    #[schema(max_length = 200)]
    pub(super) name: String,
    /// Kind, one of `GET /policies/kinds`.
    #[schema(example = "max_holders")]
    pub(super) kind: String,
    /// Parameters, as `GET /policies/kinds` describes them; by default none.
    #[schema(value_type = Option<Object>)]
    pub(super) parameters: Option<Value>,
    /// Accounts that it applies to; by default all of the environment.
    #[schema(min_items = 1, max_items = 1000)]
    pub(super) integrated_account_ids: Option<Vec<IntegratedAccountId>>,
    /// How severe a violation is; by default `warning`.
    pub(super) severity: Option<PolicySeverity>,
    /// Seconds that a condition must last before it is a violation; by default 0.
    #[schema(maximum = 7_776_000)]
    pub(super) grace_s: Option<u32>,
    /// `alert` (the default): violations are reported. `fix`: they are reported and fixed.
    pub(super) mode: Option<PolicyMode>,
    /// Whether it is evaluated; by default `true`.
    pub(super) is_active: Option<bool>,
}

impl CreatePolicyRequest {
    /// Returns the policy, after a check.
    pub(super) async fn check<P>(
        self,
        state: &AppState,
        access: &Access<P>,
    ) -> Result<Policy, Problem> {
        let now = state.clock.now();
        let policy = Policy {
            id: PolicyId::generate(&*state.clock, &*state.entropy),
            name: self.name,
            kind: self.kind,
            parameters: self.parameters.unwrap_or_else(|| serde_json::json!({})),
            integrated_account_ids: self.integrated_account_ids,
            severity: self.severity.unwrap_or(PolicySeverity::Warning),
            grace_s: self.grace_s.unwrap_or_default(),
            mode: self.mode.unwrap_or(PolicyMode::Alert),
            is_active: self.is_active.unwrap_or(true),
            created_at: now,
            updated_at: now,
        };
        input(&policy).check(state, access).await?;
        Ok(policy)
    }
}

fn input(policy: &Policy) -> PolicyInput<'_> {
    PolicyInput {
        name: &policy.name,
        kind: &policy.kind,
        parameters: &policy.parameters,
        integrated_account_ids: policy.integrated_account_ids.as_deref(),
        grace_s: policy.grace_s,
    }
}

/// Create a policy
///
/// The accounts that it applies to are evaluated as soon as possible, then after each run of the sync and each event
/// about the people concerned. `POST /policies/evaluate` shows what it would find.
#[utoipa::path(post, path = "/policies", tag = "Policies", request_body = CreatePolicyRequest,
    responses((status = 201, description = "The policy", body = PolicyResponse), Problems))]
pub(in crate::http) async fn create_policy(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreatePolicyRequest>,
) -> Result<(StatusCode, Json<ItemResponse<PolicyView>>), Problem> {
    let policy = body.check(&state, &access).await?;
    let subject = policy.id.text();
    let entry = access.audit_entry(&state, "policy.created", (None, Some(&subject)));
    access.db.insert_policies(std::slice::from_ref(&policy), &[entry]).await?;
    state.policies.due.notify_one();
    Ok((StatusCode::CREATED, Json(ItemResponse::of(policy.into()))))
}

/// Create the starter policies
///
/// Creates a set of policies that make sense for most organizations: limits of org owners, privileged roles granted
/// through the gateway, no access after deactivation, two-factor authentication of owners and admins, guests whose access
/// ends, unique e-mail addresses. They report violations and change nothing. Policies that exist by name are not created
/// again.
#[utoipa::path(post, path = "/policies/starter", tag = "Policies",
    responses((status = 201, description = "The policies that were created", body = PolicyList), Problems))]
pub(in crate::http) async fn create_starter_policies(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
) -> Result<(StatusCode, Json<ListResponse<PolicyView>>), Problem> {
    let policies = access.administrator(&state).create_starter_policies().await?;
    state.policies.due.notify_one();
    let items = policies.into_iter().map(PolicyView::from).collect();
    let page = ListResponse::of(Page { items, next: None }, MAX_LIMIT);
    Ok((StatusCode::CREATED, Json(page)))
}

/// Request body for updating a policy. Absent fields are unchanged; the kind can't be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"parameters": {"role_ids": ["org:owner"], "count": 3}, "mode": "alert"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdatePolicyRequest {
    /// Name.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// Parameters.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// Accounts that it applies to; `null` for all of the environment.
    #[serde(default)]
    #[schema(value_type = Option<Vec<IntegratedAccountId>>)]
    integrated_account_ids: PatchField<Vec<IntegratedAccountId>>,
    /// How severe a violation is.
    severity: Option<PolicySeverity>,
    /// Seconds that a condition must last before it is a violation.
    #[schema(maximum = 7_776_000)]
    grace_s: Option<u32>,
    /// `alert`: violations are reported. `fix`: they are reported and fixed.
    mode: Option<PolicyMode>,
    /// Whether it is evaluated. The open violations of an inactive policy are resolved.
    is_active: Option<bool>,
}

impl UpdatePolicyRequest {
    /// Returns a policy with these changes.
    fn applied_to(&self, policy: &Policy, now: OffsetDateTime) -> Policy {
        Policy {
            name: self.name.as_ref().unwrap_or(&policy.name).clone(),
            parameters: self.parameters.as_ref().unwrap_or(&policy.parameters).clone(),
            integrated_account_ids: match &self.integrated_account_ids {
                PatchField::Absent => policy.integrated_account_ids.clone(),
                PatchField::Clear => None,
                PatchField::Set(ids) => Some(ids.clone()),
            },
            severity: self.severity.unwrap_or(policy.severity),
            grace_s: self.grace_s.unwrap_or(policy.grace_s),
            mode: self.mode.unwrap_or(policy.mode),
            is_active: self.is_active.unwrap_or(policy.is_active),
            updated_at: now,
            ..policy.clone()
        }
    }
}

/// Update a policy
///
/// The accounts that it applies to are evaluated again as soon as possible.
#[utoipa::path(patch, path = "/policies/{id}", tag = "Policies", request_body = UpdatePolicyRequest,
    params(("id" = PolicyId, Path, description = "The policy's id")),
    responses((status = 200, description = "The updated policy", body = PolicyResponse), Problems))]
pub(in crate::http) async fn update_policy(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(change): JsonBody<UpdatePolicyRequest>,
) -> Result<Json<ItemResponse<PolicyView>>, Problem> {
    let mut before = find(&access, &id).await?;
    // The check takes other connections, so it precedes the lock; what others changed meanwhile is checked again.
    let (lock, policy) = loop {
        let policy = change.applied_to(&before, state.clock.now());
        input(&policy).check(&state, &access).await?;
        let lock = access.db.lock_policy(policy.id).await?.ok_or_else(not_found)?;
        if *lock.policy() == before {
            break (lock, policy);
        }
        before = lock.policy().clone();
    };
    let subject = policy.id.text();
    let entry = access.audit_entry(&state, "policy.changed", (None, Some(&subject)));
    lock.update(&policy, &entry).await?;
    state.policies.due.notify_one();
    Ok(Json(ItemResponse::of(policy.into())))
}

/// Delete a policy
///
/// Deletes the policy with its violations, without events.
#[utoipa::path(delete, path = "/policies/{id}", tag = "Policies",
    params(("id" = PolicyId, Path, description = "The policy's id")),
    responses((status = 200, description = "The deleted policy", body = PolicyResponse), Problems))]
pub(in crate::http) async fn delete_policy(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<PolicyView>>, Problem> {
    let id: PolicyId = id.parse().map_err(|_| not_found())?;
    let lock = access.db.lock_policy(id).await?.ok_or_else(not_found)?;
    let subject = id.text();
    let entry = access.audit_entry(&state, "policy.deleted", (None, Some(&subject)));
    Ok(Json(ItemResponse::of(lock.delete(&entry).await?.into())))
}

/// Returns the policy; fails if it does not exist, or does not apply to the account of an account token.
pub(super) async fn find<P>(access: &Access<P>, id: &str) -> Result<Policy, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let policy = access.db.policy(id).await?.ok_or_else(not_found)?;
    let is_visible = access.caller.account_id.is_none_or(|own| policy.applies_to(own));
    is_visible.then_some(policy).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "No such policy exists in this environment.")
}
