//! `/integrated-accounts`: connections of the environment's customers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::admin::{RefreshFrequency, RevocationPolicy};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::patch::{PatchField, ValidationError};
use crate::domain::provider::Provider;
use crate::domain::sync::{SyncOverrides, SyncSettings};
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, JsonBody, NoQuery, PageQuery, Params, Read, Write, max_wait};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::AccountFilter;

type IntegratedAccountList = EnvelopeSchema<ListResponse<IntegratedAccount>>;
type IntegratedAccountResponse = EnvelopeSchema<ItemResponse<IntegratedAccount>>;
type ProviderScopeList = EnvelopeSchema<ListResponse<ProviderScope>>;
type SyncSettingsResponse = EnvelopeSchema<ItemResponse<SyncSettings>>;

/// Filter of the accounts.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Tenant id.
    pub tenant_id: Option<String>,
    /// Provider.
    pub provider: Option<Provider>,
    /// Status.
    pub status: Option<AccountStatus>,
}

impl FilterQuery {
    fn take(params: &mut Params) -> Result<AccountFilter, Problem> {
        let Self { tenant_id, provider, status } = Self {
            tenant_id: params.take("tenant_id")?,
            provider: params.parse("provider")?,
            status: params.parse("status")?,
        };
        Ok(AccountFilter { tenant_id, provider, status })
    }
}

/// List integrated accounts
///
/// Returns the accounts of the environment, oldest first.
#[utoipa::path(get, path = "/integrated-accounts", tag = "Integrated accounts",
    params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of accounts", body = IntegratedAccountList), Problems))]
pub(in crate::http) async fn list_integrated_accounts(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: axum::http::Uri,
) -> Result<Json<ListResponse<IntegratedAccount>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params)?;
    params.finish()?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "integrated-accounts", &filter);
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = match access.caller.account_id {
        // An account token has access to its own account only.
        Some(own) => {
            let own = access.db.account(own).await?;
            own.into_iter().filter(|own| filter.matches(own)).collect()
        }
        None => access.db.accounts(&filter, after, i64::from(page.limit) + 1).await?,
    };
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get an integrated account
#[utoipa::path(get, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The account", body = IntegratedAccountResponse), Problems))]
pub(in crate::http) async fn get_integrated_account(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<IntegratedAccount>>, Problem> {
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// A scope at the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ProviderScope {
    /// Provider's name of the scope.
    #[schema(example = "admin.users:read")]
    scope: String,
    /// Description, if known.
    description: Option<&'static str>,
    /// Whether it was granted; otherwise it was requested and not granted.
    is_granted: bool,
}

/// List provider scopes
///
/// Returns the scopes that the customer granted, and those that were requested and not granted.
#[utoipa::path(get, path = "/integrated-accounts/{id}/scopes", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The scopes", body = ProviderScopeList), Problems))]
pub(in crate::http) async fn list_scopes(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ListResponse<ProviderScope>>, Problem> {
    let account = find(&access, &id).await?;
    let linking = state.registry.connector(account.provider).linking();
    let granted = account.granted_scopes.iter().map(|scope| (scope.clone(), true));
    let missing = account.missing_scopes.iter().map(|scope| (scope.clone(), false));
    let items = granted.chain(missing).map(|(scope, is_granted)| {
        let description = linking.describe_scope(&scope);
        ProviderScope { scope, description, is_granted }
    });
    Ok(Json(ListResponse::of(Page { items: items.collect(), next: None }, MAX_LIMIT)))
}

/// Refresh the account's tokens
///
/// Refreshes the tokens regardless of their age. With an account token, they must be at least one minute old.
#[utoipa::path(post, path = "/integrated-accounts/{id}/refresh", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The account with the expiry of its new token",
        body = IntegratedAccountResponse), Problems))]
pub(in crate::http) async fn refresh_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Json<ItemResponse<IntegratedAccount>>, Problem> {
    let account = find(&access, &id).await?;
    let pace = match access.caller.account_id {
        Some(_) => RefreshFrequency::OncePerMinute,
        None => RefreshFrequency::Unlimited,
    };
    let (admin, max_wait) = (access.administrator(&state), max_wait(&headers, &state));
    admin.refresh_account(&account, &state.tokens, (pace, max_wait)).await?;
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Request body for updating an integrated account. Absent fields are unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"context": {"plan": "gold"}, "sync": {"enabled": true, "full_every_s": 43_200}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct UpdateIntegratedAccountRequest {
    /// The caller's own id of the customer.
    #[schema(min_length = 1, max_length = 255)]
    tenant_id: Option<String>,
    /// The caller's own data about the connection. Replaces the previous value as a whole.
    context: Option<Map<String, Value>>,
    /// Settings of the directory sync that differ from those of the environment.
    sync: Option<SyncOverrides>,
    /// Settings for the provider. Replaces the previous value as a whole; `null` restores the defaults.
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    provider_settings: PatchField<Map<String, Value>>,
}

/// Update an integrated account
///
/// Changes the tenant id or the context, which are the caller's own data, the settings of the directory sync, or those
/// for the provider.
#[utoipa::path(patch, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    request_body = UpdateIntegratedAccountRequest,
    responses((status = 200, description = "The updated account", body = IntegratedAccountResponse), Problems))]
pub(in crate::http) async fn update_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(request): JsonBody<UpdateIntegratedAccountRequest>,
) -> Result<Json<ItemResponse<IntegratedAccount>>, Problem> {
    let UpdateIntegratedAccountRequest { tenant_id, context, sync, provider_settings } = request;
    let account = find_managed(&access, &id).await?;
    if tenant_id.as_deref().is_some_and(|tenant| !(1..=255).contains(&tenant.chars().count())) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The tenant id has an invalid length.")
            .with_error("/tenant_id", "must have 1 to 255 characters"));
    }
    let mut errors = sync.as_ref().map(|sync| sync.validate("/sync")).unwrap_or_default();
    let provider_settings = match provider_settings {
        PatchField::Absent => None,
        PatchField::Clear => Some(None),
        PatchField::Set(settings) => Some(Some(Value::Object(settings))),
    };
    if let Some(Some(settings)) = &provider_settings {
        errors.extend(invalid_settings(&state, account.provider, settings));
    }
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let (subject, now) = ((Some(account.id), None), state.clock.now());
    let changes_nothing_else = sync.is_none() && provider_settings.is_none();
    if tenant_id.is_some() || context.is_some() || changes_nothing_else {
        let entry = access.audit_entry(&state, "integrated_account.changed", subject);
        let (tenant, context) = (tenant_id.as_deref(), context.map(Value::Object));
        access.db.update_account(account.id, tenant, context.as_ref(), now, &entry).await?;
    }
    if let Some(sync) = sync {
        let entry = access.audit_entry(&state, "integrated_account.sync_changed", subject);
        access.db.update_account_sync(account.id, &sync, now, &entry).await?;
    }
    if let Some(settings) = provider_settings {
        let action = "integrated_account.provider_settings_changed";
        let entry = access.audit_entry(&state, action, subject);
        access.db.update_provider_settings(account.id, settings.as_ref(), now, &entry).await?;
    }
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Returns the errors of settings for a provider.
fn invalid_settings(
    state: &AppState,
    provider: Provider,
    settings: &Value,
) -> Vec<ValidationError> {
    let Some(discovery) = state.registry.connector(provider).discovery() else {
        let message = format!("must be absent: {} has no settings", provider.title());
        return vec![ValidationError::at("/provider_settings", message)];
    };
    let errors = discovery.validate_settings(settings).err().unwrap_or_default();
    let below = |ValidationError { pointer, message }| {
        ValidationError::at(format!("/provider_settings{pointer}"), message)
    };
    errors.into_iter().map(below).collect()
}

/// Get the sync settings of an account
///
/// Returns the effective settings: those of the account, else those of the environment, else the defaults.
#[utoipa::path(get, path = "/integrated-accounts/{id}/sync-settings", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The effective settings", body = SyncSettingsResponse), Problems))]
pub(in crate::http) async fn get_sync_settings(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncSettings>>, Problem> {
    let account = find(&access, &id).await?;
    Ok(Json(ItemResponse::of(sync_settings(&access, account.id).await?)))
}

/// Disconnect an integrated account
///
/// Revokes the token at the provider and deletes it here; the account's row is retained. If the provider is
/// unavailable nothing is deleted, unless `force` is set.
#[utoipa::path(delete, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id"), DisconnectQuery),
    responses((status = 200, description = "The disconnected account", body = IntegratedAccountResponse), Problems))]
pub(in crate::http) async fn disconnect_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    uri: axum::http::Uri,
) -> Result<Json<ItemResponse<IntegratedAccount>>, Problem> {
    let mut params = Params::of(&uri);
    let force = params.parse("force")?.unwrap_or(false);
    params.finish()?;
    let account = find_managed(&access, &id).await?;
    let revoking = if force { RevocationPolicy::BestEffort } else { RevocationPolicy::Required };
    access
        .administrator(&state)
        .disconnect_account(&account, &state.provider_services(), revoking)
        .await?;
    Ok(Json(ItemResponse::of(find(&access, &id).await?)))
}

/// Query of the disconnection.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter")]
pub(in crate::http) struct DisconnectQuery {
    /// Deletes the token even if it can't be revoked at the provider.
    #[param(value_type = Option<bool>, default = false)]
    force: bool,
}

/// Returns the account; fails if it does not exist or the caller has no access to it.
pub(super) async fn find<P>(access: &Access<P>, id: &str) -> Result<IntegratedAccount, Problem> {
    let id: IntegratedAccountId = id.parse().map_err(|_| not_found())?;
    if access.caller.account_id.is_some_and(|own| own != id) {
        return Err(not_found());
    }
    access.db.account(id).await?.ok_or_else(not_found)
}

fn not_found() -> Problem {
    Problem::new(ProblemKind::AccountNotFound, "No such account exists in this environment.")
}

/// Returns the account, for callers that manage it; fails for account tokens.
pub(super) async fn find_managed<P>(
    access: &Access<P>,
    id: &str,
) -> Result<IntegratedAccount, Problem> {
    let account = find(access, id).await?;
    if access.caller.account_id.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "An account token can't manage its account; use an API key.",
        ));
    }
    Ok(account)
}

/// Returns the effective settings of an account's directory sync.
pub(super) async fn sync_settings<P>(
    access: &Access<P>,
    id: IntegratedAccountId,
) -> Result<SyncSettings, Problem> {
    access.db.sync_settings(id).await?.ok_or_else(not_found)
}

/// Returns the account filter of a list; for an account token that of its own account. `rows` names the list's rows.
pub(super) fn visible_account<P>(
    access: &Access<P>,
    requested: Option<IntegratedAccountId>,
    rows: &str,
) -> Result<Option<IntegratedAccountId>, Problem> {
    let own = access.caller.account_id;
    if own.zip(requested).is_some_and(|(own, requested)| own != requested) {
        let detail = format!("An account token can read the {rows} of its own account only.");
        return Err(Problem::new(ProblemKind::AccountNotFound, detail));
    }
    Ok(own.or(requested))
}
