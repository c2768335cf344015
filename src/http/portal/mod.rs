//! The hosted directory view: pages of one account for the customer's own administrators, in the branding of the
//! environment and framed only by its origins. It shows pages of the console with other permissions.

mod frame;
mod open;
mod session;
mod visit;

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::json;

use self::session::PortalForm;
use self::visit::Visit;
use super::console::live::{LivePart, StreamSession};
use super::console::messages::key_of_fix;
use super::console::pages::{
    access_review, directory, drift, person, reconciliation, reconciliation_actions,
    reconciliations, sync, syncs,
};
use super::console::stream_slots::StreamSlots;
use super::internal_api::segment;
use super::state::AppState;
use crate::domain::portal::{PortalPermission, PortalView};

/// Returns the routes of the hosted directory view.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/portal/open/{token}", get(open::show).post(open::open))
        .route("/portal/directory", get(show_directory))
        .route("/portal/people/{id}", get(show_person))
        .route("/portal/drift", get(show_drift))
        .route("/portal/drift/live", get(live_drift))
        .route("/portal/drift/{id}/fix", post(fix))
        .route("/portal/drift/{id}/acknowledge", post(acknowledge))
        .route("/portal/access-review", get(show_access_review))
        .route("/portal/access-review.csv", get(access_review_csv))
        .route("/portal/syncs", get(show_syncs))
        .route("/portal/syncs/start", post(start_sync))
        .route("/portal/syncs/live", get(live_syncs))
        .route("/portal/syncs/{id}", get(show_sync))
        .route("/portal/syncs/{id}/live", get(live_sync))
        .route("/portal/syncs/{id}/{what}", post(decide_sync))
        .route("/portal/reconciliations", get(show_reconciliations))
        .route("/portal/reconciliations/{id}", get(show_reconciliation))
        .route("/portal/reconciliations/{id}/live", get(live_reconciliation))
        .route("/portal/reconciliations/{id}/{what}", post(decide_reconciliation))
        .route("/portal/end", post(open::end))
        .layer(Extension(StreamSlots::default()))
}

async fn show_directory(visit: Visit) -> Response {
    match visit.check_view(PortalView::Directory) {
        Ok(()) => visit.respond(directory::show(&visit.view).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn show_person(Path(id): Path<String>, visit: Visit) -> Response {
    match visit.check_view(PortalView::Directory) {
        Ok(()) => visit.respond(person::show(&visit.view, &id).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn show_drift(visit: Visit) -> Response {
    match visit.check_view(PortalView::Drift) {
        Ok(()) => visit.respond(drift::show(&visit.view).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn show_access_review(visit: Visit) -> Response {
    match visit.check_view(PortalView::AccessReview) {
        Ok(()) => visit.respond(access_review::show(&visit.view).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn access_review_csv(visit: Visit) -> Response {
    let csv = match visit.check_view(PortalView::AccessReview) {
        Ok(()) => access_review::csv(&visit.view).await,
        Err(error) => Err(error),
    };
    csv.unwrap_or_else(|error| visit.respond(Err(error)))
}

async fn show_syncs(visit: Visit) -> Response {
    match visit.check_view(PortalView::Sync) {
        Ok(()) => visit.respond(syncs::show(&visit.view).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn show_sync(Path(id): Path<String>, visit: Visit) -> Response {
    match visit.check_view(PortalView::Sync) {
        Ok(()) => visit.respond(sync::show(&visit.view, &id).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn live_drift(Extension(slots): Extension<StreamSlots>, visit: Visit) -> Response {
    stream(visit, PortalView::Drift, LivePart::Drift, &slots)
}

async fn live_syncs(Extension(slots): Extension<StreamSlots>, visit: Visit) -> Response {
    stream(visit, PortalView::Sync, LivePart::Syncs, &slots)
}

async fn live_sync(
    Extension(slots): Extension<StreamSlots>,
    Path(id): Path<String>,
    visit: Visit,
) -> Response {
    stream(visit, PortalView::Sync, LivePart::Sync(id), &slots)
}

async fn show_reconciliations(visit: Visit) -> Response {
    match visit.check_view(PortalView::Reconciliation) {
        Ok(()) => visit.respond(reconciliations::show(&visit.view).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn show_reconciliation(Path(id): Path<String>, visit: Visit) -> Response {
    match visit.check_view(PortalView::Reconciliation) {
        Ok(()) => visit.respond(reconciliation::show(&visit.view, &id).await),
        Err(error) => visit.respond(Err(error)),
    }
}

async fn live_reconciliation(
    Extension(slots): Extension<StreamSlots>,
    Path(id): Path<String>,
    visit: Visit,
) -> Response {
    stream(visit, PortalView::Reconciliation, LivePart::Reconciliation(id), &slots)
}

fn stream(visit: Visit, view: PortalView, part: LivePart, slots: &StreamSlots) -> Response {
    if let Err(error) = visit.check_view(view) {
        return visit.respond(Err(error));
    }
    let session = StreamSession::Portal(visit.session_digest);
    super::console::live::respond((visit.state, visit.view), part, session, slots)
}

async fn fix(Path(id): Path<String>, form: PortalForm) -> Response {
    let path = format!("/drift/{}/fix", segment(&id));
    let needs = (PortalView::Drift, PortalPermission::Apply);
    let sent = form.send(needs, (Method::POST, &path), None).await;
    form.show("/drift", sent.map(|fixed| key_of_fix(&fixed)))
}

async fn acknowledge(Path(id): Path<String>, form: PortalForm) -> Response {
    let body =
        json!({"reason": form.fields.get("reason"), "expires_at": form.fields.get("expires_at")});
    let path = format!("/drift/{}/acknowledge", segment(&id));
    let needs = (PortalView::Drift, PortalPermission::Acknowledge);
    form.change(needs, (Method::POST, &path), Some(&body), ("/drift", "acknowledged")).await
}

async fn start_sync(form: PortalForm) -> Response {
    let body = json!({"integrated_account_id": form.visit.view.account.as_ref().map(|one| one.id)});
    let needs = (PortalView::Sync, PortalPermission::Apply);
    form.change(needs, (Method::POST, "/syncs"), Some(&body), ("/syncs", "sync-requested")).await
}

async fn decide_sync(Path((id, what)): Path<(String, String)>, form: PortalForm) -> Response {
    let done = match what.as_str() {
        "accept" => "sync-accepted",
        "reject" => "sync-rejected",
        "cancel" => "sync-cancelled",
        "resume" => "sync-resumed",
        _ => return form.visit.unknown(),
    };
    let path = format!("/syncs/{}/{what}", segment(&id));
    let needs = (PortalView::Sync, PortalPermission::Apply);
    form.change(needs, (Method::POST, &path), None, ("/syncs", done)).await
}

/// Applies, pauses, resumes or cancels a plan, or plans its inverse.
async fn decide_reconciliation(
    Path((id, what)): Path<(String, String)>,
    form: PortalForm,
) -> Response {
    let page = format!("/reconciliations/{}", segment(&id));
    let done = match what.as_str() {
        "apply" => "plan-applied",
        "pause" => "plan-paused",
        "resume" => "plan-resumed",
        "cancel" => "plan-discarded",
        "inverse" => "plan-requested",
        _ => return form.visit.unknown(),
    };
    // The plan of an inverse is the first of the list.
    let shown = if what == "inverse" { "/reconciliations" } else { &page };
    let body = (what == "apply").then(|| reconciliation_actions::apply_request(&form.fields));
    let needs = (PortalView::Reconciliation, PortalPermission::Apply);
    let call = format!("{page}/{what}");
    form.change(needs, (Method::POST, &call), body.as_ref(), (shown, done)).await
}
