//! `/mappings`: unified fields that the caller computes itself, by a JSONata expression each.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::answers::{Item, List};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, MappingId};
use crate::domain::mapping::{MappedResource, Mapping};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::provider::Provider;
use crate::expressions::Failure;
use crate::http::extract::{Access, Admin, Body, NoQuery, Params, Read, account_filter};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{AuditEntry, MappingFilter, StoreError};
use crate::unified::mapping;

/// When a request comes again for which no worker was free.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// The most mappings of one resource at one place.
const MOST: usize = 50;

/// Which mappings.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Those for this account, without the environment's. The header `X-Integrated-Account-Id` does the same.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Those for this provider.
    provider: Option<Provider>,
    /// Those of this resource.
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

/// Lists the mappings of the environment and of its accounts, the oldest first. An account token sees those of its own account.
#[utoipa::path(get, path = "/mappings", tag = "Mappings", params(FilterQuery),
    responses((status = 200, description = "All mappings", body = List<Mapping>), Problems))]
pub(in crate::http) async fn list_mappings(
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<List<Mapping>>, Problem> {
    let mut filter = FilterQuery::take(&uri, &headers)?;
    if let Some(own) = access.caller.account_id {
        if filter.account_id.is_some_and(|wanted| wanted != own) {
            return Err(Problem::new(
                ProblemKind::AccountNotFound,
                "An account token sees the mappings of its own account alone.",
            ));
        }
        filter.account_id = Some(own);
    }
    let items = access.db.mappings(&filter).await?;
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Reads one mapping.
#[utoipa::path(get, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")),
    responses((status = 200, description = "The mapping", body = Item<Mapping>), Problems))]
pub(in crate::http) async fn get_mapping(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<Mapping>>, Problem> {
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// A mapping to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"resource": "users", "field": "badge", "expression": "unified.employee_number & '-' & unified.department"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewMapping {
    /// The one account it is for; absent for all of the environment.
    integrated_account_id: Option<IntegratedAccountId>,
    /// The kind of directory it is for: the account's, when one is named; otherwise `slack_enterprise` when absent.
    provider: Option<Provider>,
    /// The resource.
    resource: MappedResource,
    /// The field: a new one, or a built-in one whose place it takes. Letters, digits and `_`.
    #[schema(example = "badge_number", pattern = "^[a-z][a-z0-9_]{0,63}$")]
    field: String,
    /// The JSONata expression. Its input has the unified fields as `unified` and the provider's objects as `remote`.
    /// A path over a list has no value for no element, a bare value for one and a list for more: write
    /// `[unified.emails.email]` for a list in every case.
    #[schema(example = "unified.employee_number & '-' & unified.department", max_length = 4096)]
    expression: String,
}

/// The kind of directory that a new mapping is for.
async fn provider_of(access: &Access<Admin>, wish: &NewMapping) -> Result<Provider, Problem> {
    let default = wish.provider.unwrap_or(Provider::SlackEnterprise);
    let Some(id) = wish.integrated_account_id else { return Ok(default) };
    // That there is no such account is found out by the insert.
    let Some(account) = access.db.known_account(id).await? else { return Ok(default) };
    if wish.provider.is_some_and(|provider| provider != account.provider) {
        let detail = "The mapping's provider is not that of its account.";
        return Err(Problem::new(ProblemKind::InvalidBody, detail)
            .at("/provider", format!("must be {}, or absent", account.provider))
            .at("/integrated_account_id", "is of another provider"));
    }
    Ok(account.provider)
}

/// Adds a custom field, or takes the place of a built-in one. An account's own take the place of the environment's.
#[utoipa::path(post, path = "/mappings", tag = "Mappings", request_body = NewMapping,
    responses((status = 201, description = "The mapping", body = Item<Mapping>), Problems))]
pub(in crate::http) async fn create_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    Body(wish): Body<NewMapping>,
) -> Result<(StatusCode, Json<Item<Mapping>>), Problem> {
    check_field(&wish.field)?;
    check_expression(&state, access.db.environment_id(), &wish.expression).await?;
    let provider = provider_of(&access, &wish).await?;
    let now = state.clock.now();
    let mapping = Mapping {
        id: MappingId::generate(&*state.clock, &*state.entropy),
        integrated_account_id: wish.integrated_account_id,
        provider,
        resource: wish.resource,
        field: wish.field,
        expression: wish.expression,
        created_at: now,
        updated_at: now,
    };
    let here = MappingFilter {
        account_id: mapping.integrated_account_id,
        provider: Some(mapping.provider),
        resource: Some(mapping.resource),
    };
    if access.db.mappings(&here).await?.len() >= MOST {
        let detail = format!("A resource has {MOST} mappings at most.");
        return Err(Problem::new(ProblemKind::InvalidBody, detail).at("/field", "is one too many"));
    }
    let subject = mapping.id.to_string();
    let entry = entry(&state, &access, "mapping.created", &mapping, &subject);
    access.db.insert_mapping(&mapping, &entry).await.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(Item::of(mapping))))
}

/// Another expression for a mapping.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expression": "$uppercase(unified.name)"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct MappingChange {
    /// The JSONata expression.
    #[schema(max_length = 4096)]
    expression: String,
}

/// Changes the expression of a mapping.
#[utoipa::path(patch, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")), request_body = MappingChange,
    responses((status = 200, description = "The mapping as it is now", body = Item<Mapping>), Problems))]
pub(in crate::http) async fn change_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(MappingChange { expression }): Body<MappingChange>,
) -> Result<Json<Item<Mapping>>, Problem> {
    check_expression(&state, access.db.environment_id(), &expression).await?;
    let mapping = find(&access, &id).await?;
    let entry = entry(&state, &access, "mapping.changed", &mapping, &id);
    access.db.change_mapping(mapping.id, &expression, state.clock.now(), &entry).await?;
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// Deletes a mapping: the built-in field comes back.
#[utoipa::path(delete, path = "/mappings/{id}", tag = "Mappings",
    params(("id" = MappingId, Path, description = "The mapping's id")),
    responses((status = 200, description = "The mapping that was", body = Item<Mapping>), Problems))]
pub(in crate::http) async fn delete_mapping(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<Mapping>>, Problem> {
    let mapping = find(&access, &id).await?;
    let entry = entry(&state, &access, "mapping.deleted", &mapping, &id);
    access.db.delete_mapping(mapping.id, &entry).await?;
    Ok(Json(Item::of(mapping)))
}

/// An expression to be tried on an object.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expression": "$uppercase(unified.name)", "unified": {"name": "Ada Lovelace"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Preview {
    /// The JSONata expression.
    #[schema(example = "$uppercase(unified.name)", max_length = 4096)]
    expression: String,
    /// The unified fields, as `GET` by id answers them.
    #[serde(default = "null")]
    #[schema(value_type = serde_json::Value, example = json!({"name": "Ada Lovelace"}))]
    unified: Box<RawValue>,
    /// The provider's objects, as `include_remote_data=true` shows them.
    #[serde(default = "null")]
    #[schema(value_type = serde_json::Value)]
    remote: Box<RawValue>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

/// What an expression makes of an object.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Previewed {
    /// The value of the field.
    #[schema(value_type = serde_json::Value)]
    value: Box<RawValue>,
    /// Why it is null, when the expression failed.
    warning: Option<String>,
}

/// Tries an expression on an object. Read one with `include_remote_data=true` and send it here.
///
/// An expression that needs more time, memory or room for its value than an expression may use is refused.
#[utoipa::path(post, path = "/mappings/preview", tag = "Mappings", request_body = Preview,
    responses((status = 200, description = "The value", body = Item<Previewed>), Problems))]
pub(in crate::http) async fn preview_mapping(
    State(state): State<AppState>,
    access: Access<Read>,
    _: NoQuery,
    Body(Preview { expression, unified, remote }): Body<Preview>,
) -> Result<Json<Item<Previewed>>, Problem> {
    let environment_id = access.db.environment_id();
    let object = (&*unified, &*remote);
    let previewed = mapping::preview(&state.expressions, environment_id, &expression, object).await;
    let shown = match previewed {
        Ok(value) => Previewed { value, warning: None },
        Err(Failure::Expression(message)) => {
            Previewed { value: null(), warning: Some(message.as_ref().to_owned()) }
        }
        Err(failure @ (Failure::Syntax(_) | Failure::Limit(_) | Failure::Busy)) => {
            return Err(unusable(&failure));
        }
    };
    Ok(Json(Item::of(shown)))
}

fn check_field(field: &str) -> Result<(), Problem> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let fits = (1..=64).contains(&field.len())
        && field.starts_with(|first: char| first.is_ascii_lowercase())
        && field.bytes().all(allowed);
    if fits && !matches!(field, "id" | "remote_data") {
        return Ok(());
    }
    let detail = "The field can't be mapped.";
    let message = "must have small letters, digits and `_`, and be neither `id` nor `remote_data`";
    Err(Problem::new(ProblemKind::InvalidBody, detail).at("/field", message))
}

async fn check_expression(
    state: &AppState,
    environment_id: EnvironmentId,
    expression: &str,
) -> Result<(), Problem> {
    let checked = state.expressions.check(environment_id, expression).await;
    checked.map_err(|failure| unusable(&failure))
}

fn unusable(failure: &Failure) -> Problem {
    let detail = match failure {
        Failure::Busy => {
            let detail = "Too many expressions of this environment wait to be evaluated. \
                Send the request again after `Retry-After` seconds.";
            return Problem::new(ProblemKind::Overloaded, detail).retry_after(RETRY_AFTER);
        }
        Failure::Limit(_) => "The expression exceeds a limit. Simplify it or shorten its value.",
        Failure::Syntax(_) | Failure::Expression(_) => "The expression is invalid.",
    };
    Problem::new(ProblemKind::InvalidBody, detail).at("/expression", failure.to_string())
}

async fn find<P>(access: &Access<P>, id: &str) -> Result<Mapping, Problem> {
    let visible =
        MappingFilter { account_id: access.caller.account_id, ..MappingFilter::default() };
    let mappings = access.db.mappings(&visible).await?;
    let found = mappings.into_iter().find(|mapping| mapping.id.to_string() == id);
    found.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "There is no such mapping in this environment.")
    })
}

fn refused(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict(constraint) if constraint == "mappings_place_key" => Problem::new(
            ProblemKind::AlreadyExists,
            "The field has a mapping there: PATCH that one.",
        ),
        StoreError::Conflict(_) => Problem::new(
            ProblemKind::AccountNotFound,
            "There is no such account in this environment.",
        ),
        other @ (StoreError::Inconsistent { .. }
        | StoreError::QuotaExceeded { .. }
        | StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::Refused(_)) => other.into(),
    }
}

fn entry<'e>(
    state: &AppState,
    access: &'e Access<Admin>,
    action: &'e str,
    mapping: &Mapping,
    subject: &'e str,
) -> AuditEntry<'e> {
    access.entry(state, action, (mapping.integrated_account_id, Some(subject)))
}
