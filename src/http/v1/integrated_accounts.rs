//! `/integrated-accounts`: the connections of the environment's customers.

use axum::Json;
use axum::extract::{Path, State};

use super::answers::{Item, List};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::Page;
use crate::domain::provider::Provider;
use crate::http::extract::{Access, NoQuery, PageQuery, Params, Read, Write};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{AccountFilter, Outcome};

/// Which accounts.
#[derive(Debug, utoipa::IntoParams)]
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
    access: Access<Read>,
    uri: axum::http::Uri,
) -> Result<Json<List<IntegratedAccount>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params)?;
    params.finish()?;
    let after = page.next_cursor.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| {
        Problem::new(ProblemKind::InvalidCursor, "The cursor is not one of this list.")
            .at("next_cursor", "is not a cursor of this list")
    })?;
    let mut items = match access.caller.account_id {
        // An account token sees its own account and no other.
        Some(own) => access.db.account(own).await?.into_iter().collect(),
        None => access.db.accounts(&filter, after, i64::from(page.limit) + 1).await?,
    };
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.id.to_string());
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
    Ok(Json(Item { result: find(&access, &id).await? }))
}

/// Renews the account's tokens now, whatever their age.
#[utoipa::path(post, path = "/integrated-accounts/{id}/refresh", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The account with its new token's end",
        body = Item<IntegratedAccount>), Problems))]
pub(in crate::http) async fn refresh_integrated_account(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<IntegratedAccount>>, Problem> {
    let account = find(&access, &id).await?;
    let renewed = state.tokens.renew(&account).await;
    access
        .audit(
            &state,
            "integrated_account.refreshed",
            (Some(account.id), None),
            if renewed.is_ok() { Outcome::Done } else { Outcome::Failed },
        )
        .await?;
    renewed?;
    Ok(Json(Item { result: find(&access, &id).await? }))
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
