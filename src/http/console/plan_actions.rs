//! The changes of the pages about reconciliations and rule sets.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use serde_json::json;

use super::context::Console;
use super::pages::{reconciliation_actions, reconciliation_form, rule_set, rule_sets};
use super::session::{ConsoleForm, select_owner};
use super::upload::UploadForm;
use super::view::PageError;
use crate::http::internal_api::segment;
use crate::http::problem::{Problem, ProblemKind};

/// Returns the page of an object of a list, both in the console and in the API.
fn page(list: &str, id: &str) -> String {
    format!("/{list}/{}", segment(id))
}

/// Shows the object that a change created, or why there is none.
fn created(
    console: &Console,
    created: Result<String, PageError>,
    (list, done): (&str, &str),
) -> Response {
    match created {
        Ok(id) => console.done(&page(list, &id), done),
        Err(error) => console.respond(Err(error)),
    }
}

fn unknown(form: &ConsoleForm) -> Response {
    let problem = Problem::new(ProblemKind::RouteNotFound, "No such change exists.");
    form.console.respond(Err(problem.into()))
}

/// Uploads a desired state and requests its plan.
pub(super) async fn create_reconciliation(form: UploadForm) -> Response {
    let UploadForm { console, fields, file } = form;
    let id = reconciliation_form::create(&console.view, &fields, file).await;
    created(&console, id, ("reconciliations", "plan-requested"))
}

/// Applies, pauses, resumes or cancels a plan, or plans its inverse.
pub(super) async fn change_reconciliation(
    Path((id, what)): Path<(String, String)>,
    mut form: ConsoleForm,
) -> Response {
    let path = page("reconciliations", &id);
    if let Err(error) = select_owner(&mut form.console, &path).await {
        return form.console.respond(Err(error));
    }
    let done = match what.as_str() {
        "apply" => "plan-applied",
        "pause" => "plan-paused",
        "resume" => "plan-resumed",
        "cancel" => "plan-discarded",
        "inverse" => {
            let id = reconciliation_form::invert(&form.console.view, &id).await;
            return created(&form.console, id, ("reconciliations", "plan-requested"));
        }
        _ => return unknown(&form),
    };
    let body = (what == "apply").then(|| reconciliation_actions::apply_request(&form.fields));
    let call = format!("{path}/{what}");
    form.change((Method::POST, &call), body.as_ref(), (&path, done)).await
}

/// Creates a rule set.
pub(super) async fn create_rule_set(form: ConsoleForm) -> Response {
    let id = rule_sets::create(&form.console.view, &form.fields).await;
    created(&form.console, id, ("rule-sets", "rule-set-created"))
}

/// Changes the form of a rule set.
pub(super) async fn save_rule_set(Path(id): Path<String>, mut form: ConsoleForm) -> Response {
    let path = page("rule-sets", &id);
    let saved = match select_owner(&mut form.console, &path).await {
        Ok(()) => rule_set::save(&form.console.view, &id, &form.fields).await,
        Err(error) => Err(error),
    };
    created(&form.console, saved.map(|()| id), ("rule-sets", "rule-set-changed"))
}

/// Plans a rule set for all users, switches its automatic changes, or deletes it.
pub(super) async fn change_rule_set(
    Path((id, what)): Path<(String, String)>,
    mut form: ConsoleForm,
) -> Response {
    let path = page("rule-sets", &id);
    if let Err(error) = select_owner(&mut form.console, &path).await {
        return form.console.respond(Err(error));
    }
    match what.as_str() {
        "plan" => {
            let id = rule_set::plan(&form.console.view, &id).await;
            created(&form.console, id, ("reconciliations", "plan-requested"))
        }
        "auto" | "manual" => {
            let body = json!({"auto": what == "auto"});
            form.change((Method::PATCH, &path), Some(&body), (&path, "rule-set-changed")).await
        }
        "delete" => {
            form.change((Method::DELETE, &path), None, ("/rule-sets", "rule-set-deleted")).await
        }
        _ => unknown(&form),
    }
}
