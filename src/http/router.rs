//! Every route. What is in the OpenAPI document is added with `routes!`; pages for people are not.

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router, middleware};
use bytes::Bytes;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::operations::Operations;
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use super::v1::{
    account_tokens, api_keys, audit_log, batch, environments, events, groups, integrated_accounts,
    link_tokens, mappings, me, provider_apps, role_assignments, roles, users, workspace_members,
    workspaces,
};
use super::{
    compat, edge, health, idempotency, incoming, link, metrics, openapi, problem, proxy, reference,
    start,
};

/// The API and its description.
pub(super) fn api() -> (Router<AppState>, OpenApi) {
    let (api, mut document) = routes().split_for_parts();
    openapi::describe_idempotency(&mut document);
    openapi::describe_unread_results(&mut document);
    (api, document)
}

/// The routes of the API, with their description.
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
        .routes(routes!(me::get_me))
        .routes(routes!(batch::run_batch))
        .routes(routes!(integrated_accounts::list_integrated_accounts))
        .routes(routes!(
            integrated_accounts::get_integrated_account,
            integrated_accounts::change_integrated_account,
            integrated_accounts::disconnect_integrated_account
        ))
        .routes(routes!(integrated_accounts::refresh_integrated_account))
        .routes(routes!(integrated_accounts::list_scopes))
        .routes(routes!(account_tokens::list_account_tokens, account_tokens::create_account_token))
        .routes(routes!(account_tokens::revoke_account_token))
        .routes(routes!(link_tokens::list_link_tokens, link_tokens::create_link_token))
        .routes(routes!(link_tokens::revoke_link_token))
        .routes(routes!(provider_apps::list_provider_apps, provider_apps::create_provider_app))
        .routes(routes!(
            provider_apps::get_provider_app,
            provider_apps::change_provider_app,
            provider_apps::delete_provider_app
        ))
        .routes(routes!(mappings::list_mappings, mappings::create_mapping))
        .routes(routes!(mappings::preview_mapping))
        .routes(routes!(mappings::get_mapping, mappings::change_mapping, mappings::delete_mapping))
        .routes(routes!(events::list_events))
        .routes(routes!(audit_log::list_audit_log))
        .routes(routes!(audit_log::export_audit_log))
        .routes(routes!(api_keys::list_api_keys, api_keys::create_api_key))
        .routes(routes!(api_keys::get_api_key, api_keys::revoke_api_key))
        .routes(routes!(api_keys::rotate_api_key))
        .routes(routes!(environments::list_environments, environments::create_environment))
        .routes(routes!(environments::get_environment, environments::change_environment))
        .routes(routes!(health::check_liveness))
        .routes(routes!(health::check_readiness))
}

/// The whole surface.
pub fn router(state: AppState) -> Router {
    let (api, document) = api();
    // Kept as it is sent; its parts are many.
    let document = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let once = middleware::from_fn_with_state(state.clone(), idempotency::guard);
    let metrics = if state.serves_metrics { metrics::routes() } else { Router::new() };
    let whole = api
        .route_layer(once)
        .route(proxy::ROUTE, any(proxy::pass_raw_call))
        .merge(link::routes())
        .merge(metrics)
        .route("/events/slack", post(incoming::hear_slack))
        .route("/", get(start::show_start))
        .route("/console", get(start::show_start))
        .route("/docs", get(reference::show_reference))
        .route("/problems", get(problem::list_problems))
        .route("/problems/{name}", get(problem::show_problem))
        .route(
            "/openapi.json",
            get(move || async move { ([(CONTENT_TYPE, "application/json")], document) }),
        )
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(CatchPanicLayer::custom(edge::after_panic))
        .layer(middleware::from_fn_with_state(state.clone(), edge::around))
        .with_state(state.clone());
    let operations = Operations(whole.clone());
    compat::beside(whole.layer(Extension(operations)), state)
}

async fn not_found(request: Request) -> Response {
    let detail = format!("There is nothing at this path for {}.", request.method());
    Problem::new(ProblemKind::RouteNotFound, detail).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("This path does not answer {}.", request.method());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into_response()
}
