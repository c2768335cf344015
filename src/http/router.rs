//! All routes. Operations in the OpenAPI document are added with `routes!`; HTML pages are not.

use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::internal_router::InternalRouter;
use super::openapi::ServedDocument;
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use super::v1::{
    account_tokens, api_keys, audit_log, batch, environments, events, groups, history,
    integrated_accounts, jobs, link_tokens, mappings, me, provider_apps, role_assignments, roles,
    syncs, users, workspace_members, workspaces,
};
use super::{
    docs, examples, health, idempotency, index, link, metrics, middleware, openapi, problem, proxy,
    slack_events, truto,
};

/// Returns the OpenAPI document of the API.
#[must_use]
pub fn document() -> OpenApi {
    api().1
}

/// Returns the routes of the API and the OpenAPI document.
fn api() -> (Router<AppState>, OpenApi) {
    let (api, mut document) = routes().split_for_parts();
    openapi::describe_idempotency(&mut document);
    examples::describe_examples(&mut document);
    (api, document)
}

/// Returns the routes of the API with their descriptions.
fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::get_user, users::update_user, users::deactivate_user))
        .routes(routes!(users::assign_role))
        .routes(routes!(users::remove_role))
        .routes(routes!(roles::list_roles))
        .routes(routes!(roles::get_role))
        .routes(routes!(
            role_assignments::list_role_assignments,
            role_assignments::create_role_assignment
        ))
        .routes(routes!(
            role_assignments::get_role_assignment,
            role_assignments::delete_role_assignment
        ))
        .routes(routes!(workspaces::list_workspaces, workspaces::create_workspace))
        .routes(routes!(workspaces::get_workspace, workspaces::update_workspace))
        .routes(routes!(
            workspace_members::list_workspace_members,
            workspace_members::add_workspace_member
        ))
        .routes(routes!(workspace_members::remove_workspace_member))
        .routes(routes!(groups::list_groups, groups::create_group))
        .routes(routes!(groups::get_group, groups::update_group, groups::delete_group))
        .routes(routes!(groups::list_group_members, groups::add_group_member))
        .routes(routes!(groups::remove_group_member))
        .routes(routes!(history::list_user_history))
        .routes(routes!(history::list_workspace_history))
        .routes(routes!(history::list_group_history))
        .routes(routes!(history::list_role_assignment_history))
        .routes(routes!(me::get_me))
        .routes(routes!(batch::run_batch))
        .routes(routes!(integrated_accounts::list_integrated_accounts))
        .routes(routes!(
            integrated_accounts::get_integrated_account,
            integrated_accounts::update_integrated_account,
            integrated_accounts::disconnect_integrated_account
        ))
        .routes(routes!(integrated_accounts::refresh_integrated_account))
        .routes(routes!(integrated_accounts::list_scopes))
        .routes(routes!(integrated_accounts::get_sync_settings))
        .routes(routes!(account_tokens::list_account_tokens, account_tokens::create_account_token))
        .routes(routes!(account_tokens::revoke_account_token))
        .routes(routes!(link_tokens::list_link_tokens, link_tokens::create_link_token))
        .routes(routes!(link_tokens::revoke_link_token))
        .routes(routes!(provider_apps::list_provider_apps, provider_apps::create_provider_app))
        .routes(routes!(
            provider_apps::get_provider_app,
            provider_apps::update_provider_app,
            provider_apps::delete_provider_app
        ))
        .routes(routes!(mappings::list_mappings, mappings::create_mapping))
        .routes(routes!(mappings::preview_mapping))
        .routes(routes!(mappings::get_mapping, mappings::update_mapping, mappings::delete_mapping))
        .routes(routes!(syncs::list_syncs, syncs::start_sync))
        .routes(routes!(syncs::get_sync))
        .routes(routes!(syncs::cancel_sync))
        .routes(routes!(syncs::resume_sync))
        .routes(routes!(syncs::accept_sync))
        .routes(routes!(syncs::reject_sync))
        .routes(routes!(jobs::list_jobs))
        .routes(routes!(events::list_events))
        .routes(routes!(audit_log::list_audit_log))
        .routes(routes!(audit_log::export_audit_log))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(api_keys::get_api_key, api_keys::revoke_api_key))
        .routes(routes!(api_keys::rotate_api_key))
        .routes(routes!(environments::list_environments, environments::create_environment))
        .routes(routes!(environments::get_environment, environments::update_environment))
        .routes(routes!(health::check_liveness))
        .routes(routes!(health::check_readiness))
}

/// Returns the router with every route. Builds the OpenAPI document once.
pub fn router(state: AppState) -> Router {
    let (api, document) = api();
    let reference = Router::new()
        .route("/", get(index::show_index))
        .route("/console", get(index::show_index))
        .route("/docs", get(docs::show_docs))
        .route("/openapi.json", get(openapi::show_document))
        .layer(Extension(ServedDocument::new(&document)));
    let once = from_fn_with_state(state.clone(), idempotency::handle);
    let metrics = if state.serves_metrics { metrics::routes() } else { Router::new() };
    let whole = api
        .route_layer(once)
        .route(proxy::ROUTE, any(proxy::forward_raw_call))
        .merge(link::routes())
        .merge(metrics)
        .route("/events/slack", post(slack_events::receive_slack_event))
        .merge(reference)
        .route("/problems", get(problem::list_problems))
        .route("/problems/{name}", get(problem::show_problem))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(middleware::panic_response))
        .layer(from_fn_with_state(state.clone(), middleware::log_request))
        .with_state(state.clone());
    let operations = InternalRouter(whole.clone());
    truto::with_truto_routes(whole.layer(Extension(operations)), state)
}

async fn not_found(request: Request) -> Response {
    let detail = format!("No route matches {} at this path.", request.method());
    Problem::new(ProblemKind::RouteNotFound, detail).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("The route at this path does not support {}.", request.method());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into_response()
}
