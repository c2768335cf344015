//! `/integrated-accounts`: the connections of the environment's customers.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::answers::{Item, List};
use crate::admin::{RefreshPace, Revoking};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::provider::Provider;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, Body, NoQuery, PageQuery, Params, Read, Write, max_wait};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::AccountFilter;

/// Which accounts.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Those of this tenant.
    pub tenant_id: Option<String>,
    /// Those of this provider.
    pub provider: Option<Provider>,
    /// Those in this state.
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

/// Lists the accounts of the environment, the oldest first.
#[utoipa::path(get, path = "/integrated-accounts", tag = "Integrated accounts",
    params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page", body = List<IntegratedAccount>), Problems))]
pub(in crate::http) async fn list_integrated_accounts(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: axum::http::Uri,
) -> Result<Json<List<IntegratedAccount>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params)?;
    params.finish()?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "integrated-accounts", &filter);
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = match access.caller.account_id {
        // An account token sees its own account and no other.
        Some(own) => {
            let own = access.db.account(own).await?;
            own.into_iter().filter(|own| filter.admits(own)).collect()
        }
        None => access.db.accounts(&filter, after, i64::from(page.limit) + 1).await?,
    };
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(List::of(Page { items, next }, page.limit)))
}

/// Reads one account.
#[utoipa::path(get, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The account", body = Item<IntegratedAccount>), Problems))]
pub(in crate::http) async fn get_integrated_account(
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<IntegratedAccount>>, Problem> {
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// A permission at the provider.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Permission {
    /// The provider's name for it.
    #[schema(example = "admin.users:read")]
    scope: String,
    /// What it permits, where we know it.
    description: Option<&'static str>,
    /// Whether it was granted; else it was asked for in vain.
    is_granted: bool,
}

/// Lists what the account's grant permits at the provider, and what was asked for and not granted.
#[utoipa::path(get, path = "/integrated-accounts/{id}/scopes", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The permissions", body = List<Permission>), Problems))]
pub(in crate::http) async fn list_scopes(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<List<Permission>>, Problem> {
    let account = find(&access, &id).await?;
    let linking = state.registry.connector(account.provider).linking();
    let granted = account.granted_scopes.iter().map(|scope| (scope.clone(), true));
    let missing = account.missing_scopes.iter().map(|scope| (scope.clone(), false));
    let items = granted.chain(missing).map(|(scope, is_granted)| {
        let description = linking.describe_scope(&scope);
        Permission { scope, description, is_granted }
    });
    Ok(Json(List::of(Page { items: items.collect(), next: None }, MAX_LIMIT)))
}

/// Renews the account's tokens now, whatever their age. With an account token they have to be a minute old.
#[utoipa::path(post, path = "/integrated-accounts/{id}/refresh", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The account with its new token's end",
        body = Item<IntegratedAccount>), Problems))]
pub(in crate::http) async fn refresh_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Json<Item<IntegratedAccount>>, Problem> {
    let account = find(&access, &id).await?;
    let pace = match access.caller.account_id {
        Some(_) => RefreshPace::Limited,
        None => RefreshPace::Unlimited,
    };
    let (admin, max_wait) = (access.administrator(&state), max_wait(&headers, &state));
    admin.refresh_account(&account, &state.tokens, (pace, max_wait)).await?;
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// What of an account is the SaaS's own.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"context": {"plan": "gold"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct AccountChange {
    /// Another name for the customer.
    tenant_id: Option<String>,
    /// Other data about this connection, in the place of what is there.
    context: Option<Map<String, Value>>,
}

/// Changes the SaaS's own facts about an account.
#[utoipa::path(patch, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    request_body = AccountChange,
    responses((status = 200, description = "The account as it is now", body = Item<IntegratedAccount>), Problems))]
pub(in crate::http) async fn change_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(AccountChange { tenant_id, context }): Body<AccountChange>,
) -> Result<Json<Item<IntegratedAccount>>, Problem> {
    let account = find_managed(&access, &id).await?;
    if tenant_id.as_deref().is_some_and(|tenant| !(1..=255).contains(&tenant.chars().count())) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The tenant's name can't be used.")
            .at("/tenant_id", "must have 1 to 255 characters"));
    }
    let entry = access.entry(&state, "integrated_account.changed", (Some(account.id), None));
    let context = context.map(Value::Object);
    let (tenant, now) = (tenant_id.as_deref(), state.clock.now());
    access.db.change_account(account.id, tenant, context.as_ref(), now, &entry).await?;
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// Disconnects an account for good: its token is revoked at the provider and erased here; the row stays as history. When the provider can't be reached nothing is erased, unless `force` says so.
#[utoipa::path(delete, path = "/integrated-accounts/{id}", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id"), DisconnectQuery),
    responses((status = 200, description = "The account, disconnected", body = Item<IntegratedAccount>), Problems))]
pub(in crate::http) async fn disconnect_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    uri: axum::http::Uri,
) -> Result<Json<Item<IntegratedAccount>>, Problem> {
    let mut params = Params::of(&uri);
    let force = params.parse("force")?.unwrap_or(false);
    params.finish()?;
    let account = find_managed(&access, &id).await?;
    let revoking = if force { Revoking::Tried } else { Revoking::Needed };
    access.administrator(&state).disconnect_account(&account, &state.ways(), revoking).await?;
    Ok(Json(Item::of(find(&access, &id).await?)))
}

/// How an account is disconnected.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter")]
pub(in crate::http) struct DisconnectQuery {
    /// Erases the token even when it can't be revoked.
    #[param(value_type = Option<bool>, default = false)]
    force: bool,
}

/// The account of that id, as far as the caller may see it.
pub(super) async fn find<P>(access: &Access<P>, id: &str) -> Result<IntegratedAccount, Problem> {
    let not_found = || {
        Problem::new(ProblemKind::AccountNotFound, "There is no such account in this environment.")
    };
    let id: IntegratedAccountId = id.parse().map_err(|_| not_found())?;
    if access.caller.account_id.is_some_and(|own| own != id) {
        return Err(not_found());
    }
    access.db.account(id).await?.ok_or_else(not_found)
}

/// The same for a caller who manages accounts: an account's own token does not.
pub(super) async fn find_managed<P>(
    access: &Access<P>,
    id: &str,
) -> Result<IntegratedAccount, Problem> {
    let account = find(access, id).await?;
    if access.caller.account_id.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "An account token can't manage its account: use an API key.",
        ));
    }
    Ok(account)
}
