//! The console: pages of an environment for people, rendered on the server. A session acts for an API key; pages read and
//! change through the API in its name.

mod actions;
mod assets;
mod context;
pub(super) mod cookie;
pub(super) mod csrf;
pub(super) mod fields;
pub(super) mod format;
pub(super) mod json;
pub(super) mod layout;
pub(super) mod live;
pub(super) mod messages;
mod names;
pub(super) mod pages;
mod parts;
mod plan_actions;
mod session;
mod sign_in;
pub(super) mod stream_slots;
mod svg;
mod upload;
pub(super) mod view;

use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};

use self::context::Console;
use self::live::{LivePart, StreamSession};
use self::stream_slots::StreamSlots;
use super::internal_api::segment;
use super::state::AppState;

/// A handler of a page that is made from the view alone.
macro_rules! page {
    ($page:ident) => {
        get(|console: Console| async move {
            let page = pages::$page::show(&console.view).await;
            console.respond(page)
        })
    };
    ($page:ident, id) => {
        get(|Path(id): Path<String>, console: Console| async move {
            let page = pages::$page::show(&console.view, &id).await;
            console.respond(page)
        })
    };
}

/// Returns the routes of the console.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/console/console.css", get(assets::style))
        .route("/console/console.js", get(assets::script))
        .route("/console/sign-in", get(sign_in::show_sign_in).post(sign_in::sign_in))
        .route("/console/sign-in/{token}", get(sign_in::show_link).post(sign_in::use_link))
        .route("/console/sign-out", post(sign_in::sign_out))
        .merge(customer_routes())
        .merge(plan_routes())
        .merge(delivery_routes())
        .merge(operation_routes())
        .layer(Extension(StreamSlots::default()))
}

/// Returns the pages about the selected account.
fn customer_routes() -> Router<AppState> {
    Router::new()
        .route("/console", page!(overview))
        .route("/console/directory", page!(directory))
        .route("/console/people/{id}", page!(person, id))
        .route("/console/people/{id}/deactivate", post(actions::deactivate))
        .route("/console/roles", page!(roles))
        .route("/console/roles/changes", page!(role_changes))
        .route("/console/access-review", page!(access_review))
        .route("/console/access-review.csv", get(access_review_csv))
        .route("/console/drift", page!(drift))
        .route("/console/drift/live", get(live_drift))
        .route("/console/drift/{id}/fix", post(actions::fix))
        .route("/console/drift/{id}/acknowledge", post(actions::acknowledge))
        .route("/console/syncs", page!(syncs))
        .route("/console/syncs/start", post(actions::start_sync))
        .route("/console/syncs/live", get(live_syncs))
        .route("/console/syncs/{id}", page!(sync, id))
        .route("/console/syncs/{id}/live", get(live_sync))
        .route("/console/syncs/{id}/{what}", post(actions::decide_sync))
}

/// Returns the pages about plans, and about the rules that they follow from.
fn plan_routes() -> Router<AppState> {
    let reconciliations = page!(reconciliations).post(plan_actions::create_reconciliation);
    Router::new()
        .route("/console/reconciliations", reconciliations)
        .route("/console/reconciliations/new", get(show_new_reconciliation))
        .route("/console/reconciliations/{id}", get(show_reconciliation))
        .route("/console/reconciliations/{id}/live", get(live_reconciliation))
        .route("/console/reconciliations/{id}/{what}", post(plan_actions::change_reconciliation))
        .route("/console/rule-sets", page!(rule_sets).post(plan_actions::create_rule_set))
        .route("/console/rule-sets/new", get(show_new_rule_set))
        .route("/console/rule-sets/{id}", get(show_rule_set).post(plan_actions::save_rule_set))
        .route("/console/rule-sets/{id}/{what}", post(plan_actions::change_rule_set))
}

/// Returns the pages about events and their delivery.
fn delivery_routes() -> Router<AppState> {
    Router::new()
        .route("/console/events", page!(events))
        .route("/console/webhooks", page!(webhooks).post(actions::create_webhook))
        .route("/console/webhooks/{id}", page!(webhook, id))
        .route("/console/webhooks/{id}/{what}", post(actions::change_webhook))
        .route("/console/webhooks/{id}/deliveries/{delivery_id}/resend", post(actions::resend))
}

/// Returns the pages about the environment.
fn operation_routes() -> Router<AppState> {
    Router::new()
        .route("/console/accounts", page!(accounts))
        .route("/console/accounts/connect", get(show_connect).post(actions::connect))
        .route("/console/accounts/{id}", get(show_account))
        .route("/console/accounts/{id}/{what}", post(actions::change_account))
        .route("/console/policies", page!(policies).post(actions::create_policy))
        .route("/console/policies/new", get(show_new_policy))
        .route("/console/policies/starter", post(actions::create_starter))
        .route("/console/policies/{id}", get(show_policy).post(actions::change_policy))
        .route("/console/policies/{id}/delete", post(actions::delete_policy))
        .route("/console/budgets", get(show_budgets))
        .route("/console/audit-log", page!(audit_log))
        .route("/console/keys", page!(keys).post(actions::create_key))
        .route("/console/keys/{id}/revoke", post(actions::revoke_key))
        .route("/console/sessions", get(show_sessions))
        .route("/console/sessions/{id}/end", post(actions::end_session))
        .route("/console/environment", page!(environment))
        .route("/console/environment/name", post(actions::rename_environment))
        .route("/console/environment/branding", post(actions::change_branding))
        .route("/console/environment/create", post(actions::create_environment))
        .route("/console/environment/preview", get(show_preview))
}

async fn access_review_csv(console: Console) -> Response {
    match pages::access_review::csv(&console.view).await {
        Ok(response) => response,
        Err(error) => console.respond(Err(error)),
    }
}

async fn live_drift(Extension(slots): Extension<StreamSlots>, console: Console) -> Response {
    stream(console, LivePart::Drift, &slots)
}

async fn live_syncs(Extension(slots): Extension<StreamSlots>, console: Console) -> Response {
    stream(console, LivePart::Syncs, &slots)
}

async fn live_sync(
    Extension(slots): Extension<StreamSlots>,
    Path(id): Path<String>,
    console: Console,
) -> Response {
    stream(console, LivePart::Sync(id), &slots)
}

fn stream(console: Console, part: LivePart, slots: &StreamSlots) -> Response {
    let session = StreamSession::Console(console.session_digest);
    live::respond((console.state, console.view), part, session, slots)
}

async fn show_connect(console: Console) -> Response {
    let page = pages::accounts::show_connect(&console.view).await;
    console.respond(page)
}

/// Shows an account; it is the selected one, too.
async fn show_account(Path(id): Path<String>, mut console: Console) -> Response {
    let page = match session::select_account(&mut console, &id).await {
        Ok(()) => pages::account::show(&console.view).await,
        Err(error) => Err(error),
    };
    console.respond(page)
}

async fn show_new_reconciliation(console: Console) -> Response {
    let page = pages::reconciliation_form::show(&console.view);
    console.respond(page)
}

async fn show_reconciliation(Path(id): Path<String>, mut console: Console) -> Response {
    let path = format!("/reconciliations/{}", segment(&id));
    let page = match session::select_owner(&mut console, &path).await {
        Ok(()) => pages::reconciliation::show(&console.view, &id).await,
        Err(error) => Err(error),
    };
    console.respond(page)
}

async fn live_reconciliation(
    Extension(slots): Extension<StreamSlots>,
    Path(id): Path<String>,
    mut console: Console,
) -> Response {
    let path = format!("/reconciliations/{}", segment(&id));
    match session::select_owner(&mut console, &path).await {
        Ok(()) => stream(console, LivePart::Reconciliation(id), &slots),
        Err(error) => console.respond(Err(error)),
    }
}

async fn show_new_rule_set(console: Console) -> Response {
    let page = pages::rule_sets::show_new(&console.view).await;
    console.respond(page)
}

async fn show_rule_set(Path(id): Path<String>, mut console: Console) -> Response {
    let path = format!("/rule-sets/{}", segment(&id));
    let page = match session::select_owner(&mut console, &path).await {
        Ok(()) => pages::rule_set::show(&console.view, &id).await,
        Err(error) => Err(error),
    };
    console.respond(page)
}

async fn show_new_policy(console: Console) -> Response {
    let page = pages::policies::show_new(&console.view).await;
    console.respond(page)
}

async fn show_policy(Path(id): Path<String>, console: Console) -> Response {
    let page = pages::policies::show_one(&console.view, &id).await;
    console.respond(page)
}

async fn show_budgets(console: Console) -> Response {
    let page = pages::budgets::show(&console.view, &console.state);
    console.respond(page)
}

async fn show_sessions(console: Console) -> Response {
    let page = pages::sessions::show(&console.view, console.session_id).await;
    console.respond(page)
}

async fn show_preview(console: Console) -> Response {
    pages::environment::preview(&console.view)
}
