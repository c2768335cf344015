//! `/mappings`: custom unified fields, computed by JSONata expressions.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::integrated_accounts::visible_account;
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, MappingId};
use crate::domain::mapping::{MappedResource, Mapping};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::provider::Provider;
use crate::expressions::ExpressionError;
use crate::http::extract::{Access, Admin, JsonBody, NoQuery, Params, Read, account_filter};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{AuditEntry, MappingFilter, StoreError};
use crate::unified::mapping;

type MappingList = EnvelopeSchema<ListResponse<Mapping>>;
type MappingPreviewResponse = EnvelopeSchema<ItemResponse<MappingPreview>>;
type MappingResponse = EnvelopeSchema<ItemResponse<Mapping>>;

/// Time after which clients retry if no worker is free.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Maximum number of mappings of one resource, for the environment or for one account.
const MAX_MAPPINGS: usize = 50;

/// Filter of the mappings.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Integrated account; excludes mappings of the environment. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Provider.
    provider: Option<Provider>,
    /// Resource.
    resource: Option<MappedResource>,
}

impl FilterQuery {
    fn take(uri: &Uri, headers: &HeaderMap) -> Result<MappingFilter, Problem> {
        let mut params = Params::of(uri);
        let Self { integrated_account_id, provider, resource } = Self {
            integrated_account_id: account_filter(&mut params, headers)?,
            provider: params.parse("provider")?,
            resource: params.parse("resource")?,
        };
        params.finish()?;
        Ok(MappingFilter { account_id: integrated_account_id, provider, resource })
    }
}

/// List mappings
///
/// Returns the mappings of the environment and of its accounts, oldest first. An account token sees those of its own
/// account.
#[utoipa::path(get, path = "/mappings", tag = "Mappings", params(FilterQuery),
    responses((status = 200, description = "All mappings", body = MappingList), Problems))]
pub(in crate::http) async fn list_mappings(
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<Mapping>>, Problem> {
    let mut filter = FilterQuery::take(&uri, &headers)?;
    filter.account_id = visible_account(&access, filter.account_id, "mappings")?;
    let items = access.db.mappings(&filter).await?;
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Get a mapping
#[utoipa::path(get, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")),
    responses((status = 200, description = "The mapping", body = MappingResponse), Problems))]
pub(in crate::http) async fn get_mapping(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<Mapping>>, Problem> {
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Request body for creating a mapping.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"resource": "users", "field": "badge", "expression": "unified.employee_number & '-' & unified.department"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateMappingRequest {
    /// Integrated account; absent: all accounts of the environment.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Provider; by default that of the account, or `slack_enterprise`.
    provider: Option<Provider>,
    /// Resource.
    resource: MappedResource,
    /// Field: a new one, or a built-in one to override. Letters, digits and `_`.
    #[schema(example = "badge_number", pattern = "^[a-z][a-z0-9_]{0,63}$")]
    field: String,
    /// JSONata expression. Its input has the unified fields as `unified` and the provider's objects as `remote`.
    /// A path over a list evaluates to no value for no element, to a bare value for one, and to a list for more:
    /// write `[unified.emails.email]` to get a list in every case.
    #[schema(example = "unified.employee_number & '-' & unified.department", max_length = 4096)]
    expression: String,
}

/// Returns the provider of a new mapping.
async fn provider_of(
    access: &Access<Admin>,
    body: &CreateMappingRequest,
) -> Result<Provider, Problem> {
    let default = body.provider.unwrap_or(Provider::SlackEnterprise);
    let Some(id) = body.integrated_account_id else { return Ok(default) };
    // The insert detects an account that does not exist.
    let Some(account) = access.db.cached_account(id).await? else { return Ok(default) };
    if body.provider.is_some_and(|provider| provider != account.provider) {
        let detail = "The mapping and its account have different providers.";
        return Err(Problem::new(ProblemKind::InvalidBody, detail)
            .with_error("/provider", format!("must be {}, or absent", account.provider))
            .with_error("/integrated_account_id", "has another provider"));
    }
    Ok(account.provider)
}

/// Create a mapping
///
/// Adds a custom field or overrides a built-in one. Mappings of an account override those of the environment.
#[utoipa::path(post, path = "/mappings", tag = "Mappings", request_body = CreateMappingRequest,
    responses((status = 201, description = "The mapping", body = MappingResponse), Problems))]
pub(in crate::http) async fn create_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateMappingRequest>,
) -> Result<(StatusCode, Json<ItemResponse<Mapping>>), Problem> {
    check_field(&body.field)?;
    check_expression(&state, access.db.environment_id(), &body.expression).await?;
    let provider = provider_of(&access, &body).await?;
    let now = state.clock.now();
    let mapping = Mapping {
        id: MappingId::generate(&*state.clock, &*state.entropy),
        integrated_account_id: body.integrated_account_id,
        provider,
        resource: body.resource,
        field: body.field,
        expression: body.expression,
        created_at: now,
        updated_at: now,
    };
    let here = MappingFilter {
        account_id: mapping.integrated_account_id,
        provider: Some(mapping.provider),
        resource: Some(mapping.resource),
    };
    if access.db.mappings(&here).await?.len() >= MAX_MAPPINGS {
        let detail = format!("A resource can have at most {MAX_MAPPINGS} mappings.");
        return Err(Problem::new(ProblemKind::InvalidBody, detail)
            .with_error("/field", "exceeds the maximum number of mappings"));
    }
    let subject = mapping.id.to_string();
    let entry = entry(&state, &access, "mapping.created", &mapping, &subject);
    access.db.insert_mapping(&mapping, &entry).await.map_err(insert_problem)?;
    Ok((StatusCode::CREATED, Json(ItemResponse::of(mapping))))
}

/// Request body for updating a mapping.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expression": "$uppercase(unified.name)"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateMappingRequest {
    /// JSONata expression.
    #[schema(max_length = 4096)]
    expression: String,
}

/// Update a mapping
///
/// Replaces the expression.
#[utoipa::path(patch, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")), request_body = UpdateMappingRequest,
    responses((status = 200, description = "The updated mapping", body = MappingResponse), Problems))]
pub(in crate::http) async fn update_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(UpdateMappingRequest { expression }): JsonBody<UpdateMappingRequest>,
) -> Result<Json<ItemResponse<Mapping>>, Problem> {
    check_expression(&state, access.db.environment_id(), &expression).await?;
    let mapping = find(&access, &id).await?;
    let entry = entry(&state, &access, "mapping.changed", &mapping, &id);
    access.db.update_mapping(mapping.id, &expression, state.clock.now(), &entry).await?;
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Delete a mapping
///
/// A built-in field that it overrode is restored.
#[utoipa::path(delete, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")),
    responses((status = 200, description = "The deleted mapping", body = MappingResponse), Problems))]
pub(in crate::http) async fn delete_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<Mapping>>, Problem> {
    let mapping = find(&access, &id).await?;
    let entry = entry(&state, &access, "mapping.deleted", &mapping, &id);
    access.db.delete_mapping(mapping.id, &entry).await?;
    Ok(Json(ItemResponse::of(mapping)))
}

/// Request body for previewing an expression.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expression": "$uppercase(unified.name)", "unified": {"name": "Ada Lovelace"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct PreviewMappingRequest {
    /// JSONata expression.
    #[schema(example = "$uppercase(unified.name)", max_length = 4096)]
    expression: String,
    /// Unified fields, as returned by a get operation.
    #[serde(default = "null")]
    #[schema(value_type = serde_json::Value, example = json!({"name": "Ada Lovelace"}))]
    unified: Box<RawValue>,
    /// Provider's objects, as returned with `include_remote_data=true`.
    #[serde(default = "null")]
    #[schema(value_type = serde_json::Value)]
    remote: Box<RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// Value of an expression.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"value": "ADA LOVELACE", "warning": null}))]
pub(in crate::http) struct MappingPreview {
    /// Value of the field.
    #[schema(value_type = serde_json::Value)]
    value: Box<RawValue>,
    /// Error, if the expression failed and the value is null.
    warning: Option<String>,
}

/// Preview a mapping expression
///
/// Evaluates an expression on an object, such as one read with `include_remote_data=true`. Expressions that exceed
/// the limits for time, memory or size of the value are rejected.
#[utoipa::path(post, path = "/mappings/preview", tag = "Mappings", request_body = PreviewMappingRequest,
    responses((status = 200, description = "The value", body = MappingPreviewResponse), Problems))]
pub(in crate::http) async fn preview_mapping(
    State(state): State<AppState>,
    access: Access<Read>,
    _: NoQuery,
    JsonBody(PreviewMappingRequest { expression, unified, remote }): JsonBody<
        PreviewMappingRequest,
    >,
) -> Result<Json<ItemResponse<MappingPreview>>, Problem> {
    let environment_id = access.db.environment_id();
    let object = (&*unified, &*remote);
    let previewed = mapping::preview(&state.expressions, environment_id, &expression, object).await;
    let shown = match previewed {
        Ok(value) => MappingPreview { value, warning: None },
        Err(ExpressionError::Evaluation(message)) => {
            MappingPreview { value: null(), warning: Some(message.as_ref().to_owned()) }
        }
        Err(
            failure @ (ExpressionError::Syntax(_)
            | ExpressionError::Limit(_)
            | ExpressionError::Busy),
        ) => {
            return Err(expression_problem(&failure));
        }
    };
    Ok(Json(ItemResponse::of(shown)))
}

fn check_field(field: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=64).contains(&field.len())
        && field.starts_with(|first: char| first.is_ascii_lowercase())
        && field.bytes().all(allowed);
    if fits && !matches!(field, "id" | "remote_data") {
        return Ok(());
    }
    let detail = "The name of the field is invalid.";
    let message = "must have 1 to 64 lowercase letters, digits and `_`, begin with a letter, and not be `id` or `remote_data`";
    Err(Problem::new(ProblemKind::InvalidBody, detail).with_error("/field", message))
}

async fn check_expression(
    state: &AppState,
    environment_id: EnvironmentId,
    expression: &str,
) -> Result<(), Problem> {
    let checked = state.expressions.check(environment_id, expression).await;
    checked.map_err(|failure| expression_problem(&failure))
}

fn expression_problem(failure: &ExpressionError) -> Problem {
    let detail = match failure {
        ExpressionError::Busy => {
            let detail = "Too many expressions of this environment wait to be evaluated. \
                Retry after `Retry-After` seconds.";
            return Problem::new(ProblemKind::Overloaded, detail).with_retry_after(RETRY_AFTER);
        }
        ExpressionError::Limit(_) => {
            "The expression exceeds a limit. Simplify it or shorten its value."
        }
        ExpressionError::Syntax(_) | ExpressionError::Evaluation(_) => "The expression is invalid.",
    };
    Problem::new(ProblemKind::InvalidBody, detail).with_error("/expression", failure.to_string())
}

async fn find<P>(access: &Access<P>, id: &str) -> Result<Mapping, Problem> {
    let visible =
        MappingFilter { account_id: access.caller.account_id, ..MappingFilter::default() };
    let mappings = access.db.mappings(&visible).await?;
    let found = mappings.into_iter().find(|mapping| mapping.id.to_string() == id);
    found.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "No such mapping exists in this environment.")
    })
}

fn insert_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(constraint) if constraint == "mappings_place_key" => Problem::new(
            ProblemKind::AlreadyExists,
            "The field already has a mapping there; update it with PATCH.",
        ),
        StoreError::Conflict(_) => Problem::new(
            ProblemKind::AccountNotFound,
            "No such account exists in this environment.",
        ),
        other @ (StoreError::Inconsistent { .. }
        | StoreError::QuotaExceeded { .. }
        | StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::Rejected(_)) => other.into(),
    }
}

fn entry<'e>(
    state: &AppState,
    access: &'e Access<Admin>,
    action: &'e str,
    mapping: &Mapping,
    subject: &'e str,
) -> AuditEntry<'e> {
    access.audit_entry(state, action, (mapping.integrated_account_id, Some(subject)))
}
