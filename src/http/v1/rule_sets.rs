//! `/rule-sets`: rules that map attributes of people to workspaces, roles, groups and kinds of membership.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::integrated_accounts::{find as find_account, visible_account};
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use super::rule_set_input::check;
use super::syncs::requested_account;
use crate::domain::ids::{IntegratedAccountId, RuleSetId};
use crate::domain::page::Page;
use crate::domain::reconciliation::{OwnershipMode, ReconciliationGuards, Rule, RuleSet};
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Admin, JsonBody, NoQuery, PageQuery, Params, Read, account_filter,
};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;

type RuleSetList = EnvelopeSchema<ListResponse<RuleSetView>>;
type RuleSetResponse = EnvelopeSchema<ItemResponse<RuleSetView>>;

/// What is wrong with an id that is not of a rule set of the account.
pub(super) const UNKNOWN: &str = "is not a rule set of the account: GET /rule-sets lists them";

/// Rules that map attributes of people to access.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RuleSet)]
pub(in crate::http) struct RuleSetView {
    /// Id.
    id: RuleSetId,
    /// Account.
    integrated_account_id: IntegratedAccountId,
    /// Name.
    #[schema(example = "Departments")]
    name: String,
    /// The rules; a person gets what all rules together give.
    rules: Vec<Rule>,
    /// `authoritative`: people who no rule gives a workspace, role or group are removed from those that the rules name.
    /// `additive`: no one is removed.
    mode: OwnershipMode,
    /// What plans and automatic changes must not do.
    guards: ReconciliationGuards,
    /// Whether it is applied to a person when an event creates or changes that person.
    #[schema(example = false)]
    auto: bool,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Time of the last change.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<RuleSet> for RuleSetView {
    fn from(set: RuleSet) -> Self {
        let RuleSet { id, integrated_account_id, name, rules, mode, .. } = set;
        let RuleSet { guards, auto, created_at, updated_at, .. } = set;
        Self { id, integrated_account_id, name, rules, mode, guards, auto, created_at, updated_at }
    }
}

/// Filter of the rule sets.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RuleSetFilterQuery {
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
}

/// List rule sets
///
/// Returns the rule sets, oldest first. An account token sees those of its account.
#[utoipa::path(get, path = "/rule-sets", tag = "Rule sets", params(PageQuery, RuleSetFilterQuery),
    responses((status = 200, description = "A page of rule sets", body = RuleSetList), Problems))]
pub(in crate::http) async fn list_rule_sets(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<RuleSetView>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter =
        RuleSetFilterQuery { integrated_account_id: account_filter(&mut params, &headers)? };
    params.finish()?;
    let account_id = visible_account(&access, filter.integrated_account_id, "rule sets")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "rule-sets", &account_id);
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.rule_sets(after, account_id, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(RuleSetView::from).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a rule set
#[utoipa::path(get, path = "/rule-sets/{id}", tag = "Rule sets",
    params(("id" = RuleSetId, Path, description = "The rule set's id")),
    responses((status = 200, description = "The rule set", body = RuleSetResponse), Problems))]
pub(in crate::http) async fn get_rule_set(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<RuleSetView>>, Problem> {
    Ok(Json(ItemResponse::of(find(&access, &id).await?.into())))
}

/// Request body for creating a rule set.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "name": "Departments",
    "rules": [{"name": "Sales", "when": {"field": "department", "op": "eq", "value": "Sales"},
        "then": {"workspaces": [{"id": "T0EXAMPLE"}]}}]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateRuleSetRequest {
    /// Account id; required unless the header `X-Integrated-Account-Id` names the account.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Name.
    #[schema(max_length = 200)]
    name: String,
    /// The rules.
    #[schema(min_items = 1, max_items = 200)]
    rules: Vec<Rule>,
    /// `additive` (the default) or `authoritative`.
    mode: Option<OwnershipMode>,
    /// What plans and automatic changes must not do.
    guards: Option<ReconciliationGuards>,
    /// Whether it is applied to a person when an event creates or changes that person; by default `false`.
    auto: Option<bool>,
}

/// Create a rule set
///
/// `POST /rule-sets/{id}/preview` shows what it gives one person, `POST /reconciliations` makes a plan for everybody.
#[utoipa::path(post, path = "/rule-sets", tag = "Rule sets", request_body = CreateRuleSetRequest,
    responses((status = 201, description = "The rule set", body = RuleSetResponse), Problems))]
pub(in crate::http) async fn create_rule_set(
    State(state): State<AppState>,
    access: Access<Admin>,
    headers: HeaderMap,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateRuleSetRequest>,
) -> Result<(StatusCode, Json<ItemResponse<RuleSetView>>), Problem> {
    let account_id = requested_account(&access, &headers, body.integrated_account_id)?;
    let account = find_account(&access, &account_id.text()).await?;
    let now = state.clock.now();
    let set = RuleSet {
        id: RuleSetId::generate(&*state.clock, &*state.entropy),
        integrated_account_id: account_id,
        name: body.name,
        rules: body.rules,
        mode: body.mode.unwrap_or_default(),
        guards: body.guards.unwrap_or_default(),
        auto: body.auto.unwrap_or_default(),
        created_at: now,
        updated_at: now,
    };
    check(&state, &access, &account, &set).await?;
    let subject = set.id.text();
    let entry = access.audit_entry(&state, "rule_set.created", (Some(account_id), Some(&subject)));
    access.db.insert_rule_set(&set, &entry).await?;
    Ok((StatusCode::CREATED, Json(ItemResponse::of(set.into()))))
}

/// Request body for updating a rule set. Absent fields are unchanged; the account can't be changed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"mode": "authoritative"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateRuleSetRequest {
    /// Name.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The rules, all of them.
    #[schema(min_items = 1, max_items = 200)]
    rules: Option<Vec<Rule>>,
    /// `additive` or `authoritative`.
    mode: Option<OwnershipMode>,
    /// What plans and automatic changes must not do.
    guards: Option<ReconciliationGuards>,
    /// Whether it is applied to a person when an event creates or changes that person.
    auto: Option<bool>,
}

impl UpdateRuleSetRequest {
    /// Returns a rule set with these changes.
    fn applied_to(&self, rule_set: &RuleSet, now: OffsetDateTime) -> RuleSet {
        RuleSet {
            name: self.name.as_ref().unwrap_or(&rule_set.name).clone(),
            rules: self.rules.as_ref().unwrap_or(&rule_set.rules).clone(),
            mode: self.mode.unwrap_or(rule_set.mode),
            guards: self.guards.as_ref().unwrap_or(&rule_set.guards).clone(),
            auto: self.auto.unwrap_or(rule_set.auto),
            updated_at: now,
            ..rule_set.clone()
        }
    }
}

/// Update a rule set
///
/// Automatic rule sets are applied to people of later events, and never to people of earlier ones.
#[utoipa::path(patch, path = "/rule-sets/{id}", tag = "Rule sets", request_body = UpdateRuleSetRequest,
    params(("id" = RuleSetId, Path, description = "The rule set's id")),
    responses((status = 200, description = "The updated rule set", body = RuleSetResponse), Problems))]
pub(in crate::http) async fn update_rule_set(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(change): JsonBody<UpdateRuleSetRequest>,
) -> Result<Json<ItemResponse<RuleSetView>>, Problem> {
    let mut before = find(&access, &id).await?;
    let account_id = before.integrated_account_id;
    let account = find_account(&access, &account_id.text()).await?;
    // The check takes other connections, so it precedes the lock; what others changed meanwhile is checked again.
    let (lock, set) = loop {
        let set = change.applied_to(&before, state.clock.now());
        check(&state, &access, &account, &set).await?;
        let lock = access.db.lock_rule_set(set.id).await?.ok_or_else(not_found)?;
        if *lock.rule_set() == before {
            break (lock, set);
        }
        before = lock.rule_set().clone();
    };
    let subject = set.id.text();
    let entry = access.audit_entry(&state, "rule_set.changed", (Some(account_id), Some(&subject)));
    lock.update(&set, &entry).await?;
    Ok(Json(ItemResponse::of(set.into())))
}

/// Delete a rule set
///
/// What people have by it is not changed. Plans that were made of it can still be applied.
#[utoipa::path(delete, path = "/rule-sets/{id}", tag = "Rule sets",
    params(("id" = RuleSetId, Path, description = "The rule set's id")),
    responses((status = 200, description = "The deleted rule set", body = RuleSetResponse), Problems))]
pub(in crate::http) async fn delete_rule_set(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<RuleSetView>>, Problem> {
    let id: RuleSetId = id.parse().map_err(|_| not_found())?;
    let lock = access.db.lock_rule_set(id).await?.ok_or_else(not_found)?;
    let (account_id, subject) = (lock.rule_set().integrated_account_id, id.text());
    let entry = access.audit_entry(&state, "rule_set.deleted", (Some(account_id), Some(&subject)));
    Ok(Json(ItemResponse::of(lock.delete(&entry).await?.into())))
}

/// Returns the rule set; fails if it does not exist, or is not of the account of an account token.
pub(super) async fn find<P>(access: &Access<P>, id: &str) -> Result<RuleSet, Problem> {
    let id = id.parse().map_err(|_| not_found())?;
    let set = access.db.rule_set(id).await?.ok_or_else(not_found)?;
    let is_visible = access.caller.account_id.is_none_or(|own| set.integrated_account_id == own);
    is_visible.then_some(set).ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::NotFound, "No such rule set exists in this environment.")
}
