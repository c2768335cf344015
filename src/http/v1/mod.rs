//! The native API, one file for each resource. The resources of the unified API share their list and get handlers.

pub(super) mod access_review;
mod access_review_query;
pub(super) mod account_tokens;
pub(super) mod api_keys;
pub(super) mod audit_log;
pub(super) mod batch;
pub(super) mod capabilities;
mod copied;
mod desired_input;
pub(super) mod drift;
pub(super) mod environments;
pub(super) mod events;
mod expression_input;
pub(super) mod groups;
pub(super) mod history;
pub(super) mod integrated_accounts;
pub(super) mod jobs;
pub(super) mod link_tokens;
pub(super) mod mappings;
pub(super) mod me;
pub(super) mod policies;
pub(super) mod policy_evaluation;
mod policy_input;
pub(super) mod portal_links;
pub(super) mod provider_apps;
pub(super) mod providers;
pub(super) mod reconciliation_control;
pub(super) mod reconciliation_create;
mod reconciliation_view;
pub(super) mod reconciliations;
pub(super) mod response;
pub(super) mod role_assignments;
pub(super) mod roles;
mod rule_set_input;
pub(super) mod rule_set_preview;
pub(super) mod rule_sets;
pub(super) mod syncs;
pub(super) mod users;
pub(super) mod webhook_deliveries;
mod webhook_input;
pub(super) mod webhooks;
pub(super) mod workspace_members;
pub(super) mod workspaces;

use axum::Json;
use axum::response::{IntoResponse as _, Response};

use self::response::{ItemResponse, ListResponse};
use super::extract::{Account, ListQuery, Read, ResourceQuery, TakeFilter};
use super::problem::Problem;
use super::state::Services;
use crate::unified::RenderedPage;

/// Handles the list operation of a resource.
async fn list<T: TakeFilter>(
    services: &Services,
    account: &Account<Read>,
    query: ListQuery<T>,
) -> Result<Response, Problem> {
    if let Some(response) = copied::list(services, account, &query).await? {
        return Ok(response);
    }
    let directory = account.directory(services, query.shape.needs_remote_data());
    let RenderedPage { page, warnings } = directory.list(&query.request, &query.shape).await?;
    let list = ListResponse { warnings, ..ListResponse::of(page, query.request.limit) };
    Ok(list.into_json_response())
}

/// Handles the get operation of a resource.
async fn get<T: TakeFilter>(
    services: &Services,
    account: &Account<Read>,
    id: &str,
    query: impl Into<ResourceQuery>,
) -> Result<Response, Problem> {
    let query = query.into();
    if let Some(response) = copied::get::<T>(services, account, id, &query).await? {
        return Ok(response);
    }
    let directory = account.directory(services, query.shape.needs_remote_data());
    let shown = directory.get::<T>(id, &query.shape).await?;
    Ok(Json(ItemResponse::rendered(shown)).into_response())
}
