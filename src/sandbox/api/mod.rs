//! The HTTP layer: routes, extraction and rendering. All decisions are made by the state.

mod admin;
mod apps;
mod audit;
mod churn;
mod events;
mod fault_injection;
mod oauth;
mod page;
mod scim;
#[cfg(test)]
mod tests;
mod upload;
mod web;

use axum::Router;
use axum::routing::{any, get, post};

pub(in crate::sandbox) use self::web::{UserObjectOptions, user_object, usergroup_object};
use super::Sandbox;

/// Returns the router of all routes of the sandbox.
pub fn router(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/", get(page::show_page).post(page::submit_fault_form))
        .route("/api/{method}", any(web::call_method))
        .route("/upload/v1/{ticket}", post(upload::upload_file))
        .route("/scim/{version}", any(scim::call_root))
        .route("/scim/{version}/{*path}", any(scim::call_path))
        .route("/audit/v1/{*path}", any(audit::call_path))
        .route("/oauth/v2/authorize", get(oauth::show_consent).post(oauth::decide_consent))
        .route("/_sandbox/state", get(admin::show_state))
        .route("/_sandbox/files", get(admin::list_files))
        .route("/_sandbox/methods", get(admin::show_methods))
        .route("/_sandbox/reset", post(admin::reset))
        .route("/_sandbox/advance-clock", post(admin::advance_clock))
        .route("/_sandbox/requests", get(admin::list_requests))
        .route(
            "/_sandbox/faults",
            get(admin::list_faults).post(admin::add_fault).delete(admin::clear_faults),
        )
        .route(
            "/_sandbox/event-subscriptions",
            get(events::list).post(events::subscribe).delete(events::unsubscribe),
        )
        .route("/_sandbox/apps", get(apps::list).post(apps::register))
        .route("/_sandbox/event-deliveries", get(events::deliveries))
        .route(
            "/_sandbox/event-faults",
            get(events::show_faults).post(events::set_faults).delete(events::clear_faults),
        )
        .route("/_sandbox/audit-log", get(admin::show_audit_log).post(admin::set_audit_log))
        .route("/_sandbox/organization", post(admin::rename_organization))
        .route("/_sandbox/churn", get(churn::show).post(churn::start).delete(churn::stop))
        .route("/_sandbox/limits", post(admin::set_limits))
        .with_state(sandbox)
}
