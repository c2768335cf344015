//! The changes of the console: each sends one change to the API in the name of the session, and returns to a page.

use axum::extract::Path;
use axum::http::Method;
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::messages::key_of_fix;
use super::pages::{accounts, environment, keys, policies, webhook, webhooks};
use super::session::ConsoleForm;
use super::view::PageError;
use crate::admin::Administrator;
use crate::domain::ids::ConsoleSessionId;
use crate::http::internal_api::segment;
use crate::http::problem::{Problem, ProblemKind};

/// Returns the path of an object of the API, with what is done to it.
fn path(list: &str, id: &str, what: &str) -> String {
    format!("/{list}/{}{what}", segment(id))
}

/// Fixes a violation.
pub(super) async fn fix(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let call = path("drift", &id, "/fix");
    let sent = form.console.view.api.send(Method::POST, &call, &[], None).await;
    form.show("/drift", sent.map(|fixed| key_of_fix(&fixed)).map_err(PageError::from))
}

/// Acknowledges a violation.
pub(super) async fn acknowledge(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let body =
        json!({"reason": form.fields.get("reason"), "expires_at": form.fields.get("expires_at")});
    let call = path("drift", &id, "/acknowledge");
    form.change((Method::POST, &call), Some(&body), ("/drift", "acknowledged")).await
}

/// Requests a run of the sync.
pub(super) async fn start_sync(form: ConsoleForm) -> Response {
    let id = match form.console.view.account_id() {
        Ok(id) => id,
        Err(error) => return form.console.respond(Err(error)),
    };
    let body = json!({"integrated_account_id": id});
    form.change((Method::POST, "/syncs"), Some(&body), ("/syncs", "sync-requested")).await
}

/// Decides on a run of the sync, cancels it, or lets it continue.
pub(super) async fn decide_sync(
    Path((id, what)): Path<(String, String)>,
    form: ConsoleForm,
) -> Response {
    let done = match what.as_str() {
        "accept" => "sync-accepted",
        "reject" => "sync-rejected",
        "cancel" => "sync-cancelled",
        "resume" => "sync-resumed",
        _ => return unknown(&form),
    };
    form.change((Method::POST, &path("syncs", &id, &format!("/{what}"))), None, ("/syncs", done))
        .await
}

fn unknown(form: &ConsoleForm) -> Response {
    let problem = Problem::new(ProblemKind::RouteNotFound, "No such change exists.");
    form.console.respond(Err(problem.into()))
}

/// Deactivates a person.
pub(super) async fn deactivate(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let view = &form.console.view;
    let account = match view.account_id() {
        Ok(account) => account,
        Err(error) => return form.console.respond(Err(error)),
    };
    let mut query = vec![("integrated_account_id", account.as_str())];
    if form.fields.get("sign_out").is_some() {
        query.push(("sign_out", "true"));
    }
    match view.api.send(Method::DELETE, &path("users", &id, ""), &query, None).await {
        Ok(_) => form.console.done(&path("people", &id, ""), "deactivated"),
        Err(failure) => form.console.respond(Err(failure.into())),
    }
}

/// Creates a link for a customer.
pub(super) async fn connect(form: ConsoleForm) -> Response {
    form.console.respond(accounts::connect(&form.console.view, &form.fields).await)
}

/// Changes an account: a link to connect it again, a refresh, other settings of the sync, or its end.
pub(super) async fn change_account(
    Path((id, what)): Path<(String, String)>,
    form: ConsoleForm,
) -> Response {
    let page = path("accounts", &id, "");
    let call = path("integrated-accounts", &id, "");
    let is_selected = form.console.view.account.as_ref().is_some_and(|one| one.id.text() == id);
    match what.as_str() {
        "reconnect" if is_selected => {
            form.console.respond(accounts::reconnect(&form.console.view).await)
        }
        "refresh" => {
            form.change((Method::POST, &format!("{call}/refresh")), None, (&page, "refreshed"))
                .await
        }
        "sync" => {
            let body = json!({"sync": sync_settings(&form)});
            form.change((Method::PATCH, &call), Some(&body), (&page, "sync-settings")).await
        }
        "disconnect" => {
            form.change((Method::DELETE, &call), None, ("/accounts", "disconnected")).await
        }
        _ => unknown(&form),
    }
}

fn sync_settings(form: &ConsoleForm) -> Value {
    let number = |name: &str| form.fields.get(name).and_then(|text| text.parse::<i64>().ok());
    let mut settings = Map::new();
    settings.insert("enabled".to_owned(), json!(form.fields.get("enabled").is_some()));
    for name in ["full_every_s", "poll_every_s", "history_days"] {
        if let Some(value) = number(name) {
            settings.insert(name.to_owned(), json!(value));
        }
    }
    let removed = number("max_removed_count").zip(number("max_removed_percent"));
    if let Some((count, percent)) = removed {
        settings.insert("max_removed".to_owned(), json!({"count": count, "percent": percent}));
    }
    Value::Object(settings)
}

/// Creates a policy.
pub(super) async fn create_policy(form: ConsoleForm) -> Response {
    let saved = policies::save(&form.console.view, None, &form.fields).await;
    after(&form, saved, ("/policies", "policy-created"))
}

/// Creates the starter policies.
pub(super) async fn create_starter(form: ConsoleForm) -> Response {
    form.change((Method::POST, "/policies/starter"), None, ("/policies", "starter")).await
}

/// Changes a policy.
pub(super) async fn change_policy(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let saved = policies::save(&form.console.view, Some(&id), &form.fields).await;
    after(&form, saved, (&path("policies", &id, ""), "policy-changed"))
}

/// Deletes a policy.
pub(super) async fn delete_policy(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let call = path("policies", &id, "");
    form.change((Method::DELETE, &call), None, ("/policies", "policy-deleted")).await
}

/// Creates a webhook.
pub(super) async fn create_webhook(form: ConsoleForm) -> Response {
    form.console.respond(webhooks::create(&form.console.view, &form.fields).await)
}

/// Tests, pauses, activates, rotates, replays or deletes a webhook.
pub(super) async fn change_webhook(
    Path((id, what)): Path<(String, String)>,
    form: ConsoleForm,
) -> Response {
    let page = path("webhooks", &id, "");
    let is_active = json!({"is_active": what == "activate"});
    match what.as_str() {
        "test" => {
            form.change((Method::POST, &format!("{page}/test")), None, (&page, "webhook-tested"))
                .await
        }
        "pause" | "activate" => {
            form.change((Method::PATCH, &page), Some(&is_active), (&page, "webhook-changed")).await
        }
        "delete" => {
            form.change((Method::DELETE, &page), None, ("/webhooks", "webhook-deleted")).await
        }
        "rotate" => form.console.respond(webhooks::rotate(&form.console.view, &id).await),
        "replay" => {
            let done = webhook::replay(&form.console.view, &id, &form.fields).await;
            after(&form, done, (&page, "replayed"))
        }
        _ => unknown(&form),
    }
}

/// Sends a delivery again.
pub(super) async fn resend(
    Path((webhook_id, delivery_id)): Path<(String, String)>,
    form: ConsoleForm,
) -> Response {
    let page = path("webhooks", &webhook_id, "");
    let call = format!("{page}/deliveries/{}/resend", segment(&delivery_id));
    form.change((Method::POST, &call), None, (&page, "resent")).await
}

/// Creates a key.
pub(super) async fn create_key(form: ConsoleForm) -> Response {
    form.console.respond(keys::create(&form.console.view, &form.fields).await)
}

/// Revokes a key.
pub(super) async fn revoke_key(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let view = &form.console.view;
    let query: &[(&str, &str)] =
        if form.fields.get("end_made").is_some() { &[("end_made", "true")] } else { &[] };
    match view.api.send(Method::DELETE, &path("api-keys", &id, ""), query, None).await {
        Ok(_) => form.console.done("/keys", "key-revoked"),
        Err(failure) => form.console.respond(Err(failure.into())),
    }
}

/// Ends a session.
pub(super) async fn end_session(Path(id): Path<String>, form: ConsoleForm) -> Response {
    let console = &form.console;
    if !console.view.may.administer {
        let detail = "Sessions are ended with a key that has the scope `admin`.";
        let problem = Problem::new(ProblemKind::InsufficientScope, detail);
        return console.respond(Err(problem.into()));
    }
    let ended = match id.parse::<ConsoleSessionId>() {
        Ok(id) => {
            let actor = console.view.api.caller().key_id.to_string();
            let administrator = Administrator {
                db: &console.view.db,
                actor: &actor,
                request_id: None,
                clock: &*console.state.clock,
                entropy: &*console.state.entropy,
            };
            administrator.end_console_session(id).await.map_err(Problem::from)
        }
        Err(_) => Err(Problem::new(ProblemKind::NotFound, "No such session exists.")),
    };
    after(&form, ended.map_err(Into::into), ("/sessions", "session-ended"))
}

/// Renames the environment.
pub(super) async fn rename_environment(form: ConsoleForm) -> Response {
    let done = environment::rename(&form.console.view, &form.fields).await;
    after(&form, done, ("/environment", "environment-changed"))
}

/// Changes the branding.
pub(super) async fn change_branding(form: ConsoleForm) -> Response {
    let done = environment::change_branding(&form.console.view, &form.fields).await;
    after(&form, done, ("/environment", "environment-changed"))
}

/// Creates an environment.
pub(super) async fn create_environment(form: ConsoleForm) -> Response {
    form.console.respond(environment::create(&form.console.view, &form.fields).await)
}

/// Returns to a page after a change, or shows its problem.
fn after(form: &ConsoleForm, done: Result<(), PageError>, (path, key): (&str, &str)) -> Response {
    match done {
        Ok(()) => form.console.done(path, key),
        Err(error) => form.console.respond(Err(error)),
    }
}
