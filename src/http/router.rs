//! All routes. Operations in the OpenAPI document are added with `routes!`; HTML pages are not.

use axum::extract::Request;
use axum::http::Method;
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
    access_review, account_tokens, api_keys, audit_log, batch, capabilities, drift, environments,
    events, groups, history, integrated_accounts, jobs, link_tokens, mappings, me, policies,
    policy_evaluation, portal_links, provider_apps, providers, reconciliation_control,
    reconciliation_create, reconciliations, role_assignments, roles, rule_set_preview, rule_sets,
    syncs, users, webhook_deliveries, webhooks, workspace_members, workspaces,
};
use super::{
    console, docs, examples, health, html_page, idempotency, index, link, metrics, middleware,
    openapi, portal, problem, proxy, slack_events, truto,
};

/// Returns the OpenAPI document of the API.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = routes().into_openapi();
    openapi::describe_scopes(&mut document);
    openapi::describe_idempotency(&mut document);
    openapi::describe_optional_bodies(&mut document);
    examples::describe_examples(&mut document);
    document
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
        .routes(routes!(providers::list_providers))
        .routes(routes!(providers::get_provider))
        .routes(routes!(integrated_accounts::list_integrated_accounts))
        .routes(routes!(
            integrated_accounts::get_integrated_account,
            integrated_accounts::update_integrated_account,
            integrated_accounts::disconnect_integrated_account
        ))
        .routes(routes!(integrated_accounts::refresh_integrated_account))
        .routes(routes!(integrated_accounts::list_scopes))
        .routes(routes!(capabilities::get_capabilities))
        .routes(routes!(integrated_accounts::get_sync_settings))
        .routes(routes!(account_tokens::list_account_tokens, account_tokens::create_account_token))
        .routes(routes!(account_tokens::revoke_account_token))
        .routes(routes!(link_tokens::list_link_tokens, link_tokens::create_link_token))
        .routes(routes!(link_tokens::revoke_link_token))
        .routes(routes!(portal_links::create_portal_link))
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
        .merge(governance_routes())
        .routes(routes!(webhooks::list_webhooks, webhooks::create_webhook))
        .routes(routes!(webhooks::get_webhook, webhooks::update_webhook, webhooks::delete_webhook))
        .routes(routes!(webhooks::rotate_webhook_secret))
        .routes(routes!(webhook_deliveries::test_webhook))
        .routes(routes!(webhook_deliveries::replay_webhook))
        .routes(routes!(webhook_deliveries::list_webhook_deliveries))
        .routes(routes!(webhook_deliveries::get_webhook_delivery))
        .routes(routes!(webhook_deliveries::resend_webhook_delivery))
        .routes(routes!(access_review::export_access_review))
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

/// Returns the routes of policies, reconciliations and rule sets.
fn governance_routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(policies::list_policies, policies::create_policy))
        .routes(routes!(policies::list_policy_kinds))
        .routes(routes!(policies::create_starter_policies))
        .routes(routes!(policy_evaluation::list_policy_evaluations))
        .routes(routes!(policy_evaluation::evaluate_unsaved_policy))
        .routes(routes!(policies::get_policy, policies::update_policy, policies::delete_policy))
        .routes(routes!(policy_evaluation::evaluate_policy))
        .routes(routes!(drift::list_violations))
        .routes(routes!(drift::get_violation))
        .routes(routes!(drift::acknowledge_violation))
        .routes(routes!(drift::fix_violation))
        .routes(routes!(reconciliations::get_reconciliation))
        .routes(routes!(reconciliations::list_reconciliation_steps))
        .routes(routes!(reconciliation_control::apply_reconciliation))
        .routes(routes!(reconciliation_control::pause_reconciliation))
        .routes(routes!(reconciliation_control::resume_reconciliation))
        .routes(routes!(reconciliation_control::cancel_reconciliation))
        .routes(routes!(reconciliation_control::invert_reconciliation))
        .routes(routes!(
            reconciliations::list_reconciliations,
            reconciliation_create::create_reconciliation
        ))
        .routes(routes!(rule_sets::list_rule_sets, rule_sets::create_rule_set))
        .routes(routes!(
            rule_sets::get_rule_set,
            rule_sets::update_rule_set,
            rule_sets::delete_rule_set
        ))
        .routes(routes!(rule_set_preview::preview_rule_set))
}

/// Returns the router with every route.
pub fn router(state: AppState) -> Router {
    let (api, _) = routes().split_for_parts();
    let reference = Router::new()
        .route("/", get(index::show_index))
        .merge(docs::routes())
        .route("/openapi.json", get(openapi::show_document))
        .layer(Extension(ServedDocument::new(document)));
    let once = from_fn_with_state(state.clone(), idempotency::handle);
    let metrics = if state.serves_metrics { metrics::routes() } else { Router::new() };
    let whole = api
        .route_layer(once)
        .route(proxy::ROUTE, any(proxy::forward_raw_call))
        .merge(link::routes())
        .merge(console::routes())
        .merge(portal::routes())
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
    if request.method() == Method::GET && html_page::is_requested(request.headers()) {
        return html_page::not_found();
    }
    let detail = format!("No route matches {} at this path.", request.method());
    Problem::new(ProblemKind::RouteNotFound, detail).into_response()
}

async fn method_not_allowed(request: Request) -> Response {
    let detail = format!("The route at this path does not support {}.", request.method());
    Problem::new(ProblemKind::MethodNotAllowed, detail).into_response()
}
