//! One rule set: its rules, a preview for one person, plans for all users, and its form.

use axum::http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::fields::FormFields;
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Confirmation, Tone, badge, button, confirm};
use super::super::view::{Page, PageError, PageResult, View};
use super::plan_steps;
use super::rule_set_form::{self, sentences, targets};
use crate::http::html_page::prose;
use crate::http::internal_api::{ApiFailure, segment};

/// Shows the page.
pub(in crate::http) async fn show(view: &View, id: &str) -> PageResult {
    let set = find(view, id).await?;
    page(view, &set, &set, None).await
}

async fn find(view: &View, id: &str) -> Result<Value, PageError> {
    let found = view.api.get(&format!("/rule-sets/{}", segment(id)), &[]).await?;
    Ok(found.field("result").clone())
}

/// Returns the page of a stored rule set, with a form that has other values if it was refused.
async fn page(view: &View, set: &Value, form: &Value, refused: Option<&ApiFailure>) -> PageResult {
    let path = format!("/rule-sets/{}", segment(set.text("id")));
    let workspaces = Names::workspaces(view).await?;
    let preview = preview(view, set, &workspaces).await?;
    let action = view.href(&path, &[]);
    let body = html! {
        div.columns {
            section.card aria-labelledby="rules" { h2 #rules { "Rules" } (sentences(set, &workspaces)) }
            section.card #preview aria-labelledby="preview-title" { h2 #preview-title { "Preview for one person" } (preview) }
        }
        @if view.may.administer {
            section.card.narrow aria-labelledby="change" {
                h2 #change { "Change the rule set" }
                (rule_set_form::form(view, form, (&action, "Change the rule set"), refused))
            }
        }
    };
    let lead = html! {
        @if set.text("mode") == "authoritative" { (badge(Tone::Warn, "authoritative")) } @else { (badge(Tone::Quiet, "additive")) } " "
        @if set.flag("auto") { (badge(Tone::Info, "applied automatically")) " to a person when an event changes the person" }
        @else { "applied by plans that you approve" }
        " · changed " (view.now.short(set.time("updated_at"), ""))
    };
    let actions = html! { @if view.may.administer { (actions(view, set, &path)) } };
    Ok(Page { title: set.text("name").to_owned(), lead, actions, body })
}

fn actions(view: &View, set: &Value, path: &str) -> Markup {
    let url = |what: &str| view.href(&format!("{path}/{what}"), &[]);
    let takes = set.text("mode") == "authoritative";
    html! {
        (button(view, &url("plan"), "Plan for all users"))
        @if set.flag("auto") { (button(view, &url("manual"), "Stop automatic changes")) }
        @else {
            (confirm(view, &Confirmation {
                label: "Apply automatically…",
                action: url("auto"),
                warning: html! {
                    p { "From now on the rule set is applied to a person, " strong { "without an approval" } ", whenever an event creates or changes that person." }
                    @if takes { p { "It is authoritative: access that no rule grants is removed too." } }
                    p { "People of earlier events are not changed: plan for all users to include them." }
                },
                fields: html! {},
                button: "Apply automatically",
                is_dangerous: takes,
            }))
        }
        (confirm(view, &Confirmation {
            label: "Delete…",
            action: url("delete"),
            warning: html! { p { "The rules are deleted and cannot be restored. Access that they granted is retained, and plans that were made of the rule set can still be applied." } },
            fields: html! {},
            button: "Delete the rule set",
            is_dangerous: true,
        }))
    }
}

/// Renders the form of the preview, and its result for the person in the URL.
async fn preview(view: &View, set: &Value, workspaces: &Names) -> Result<Markup, PageError> {
    let path = format!("/rule-sets/{}", segment(set.text("id")));
    let person = view.query.get("person");
    let result = match person {
        None => {
            html! { p.quiet { "Shows which rules match the person and why, and what a plan would change. Nothing is changed." } }
        }
        Some(person) => previewed(view, &path, person, workspaces).await?,
    };
    Ok(html! {
        form.filters method="get" action=(view.href(&path, &[])) {
            (view.account_field())
            label.field.grow { span { "E-mail address or id" } input type="search" name="person" required value=[person]; }
            button type="submit" { "Preview" }
        }
        (result)
    })
}

async fn previewed(
    view: &View,
    path: &str,
    person: &str,
    workspaces: &Names,
) -> Result<Markup, PageError> {
    let body = json!({"user": person});
    let sent = view.api.send(Method::POST, &format!("{path}/preview"), &[], Some(&body)).await;
    let found = match sent {
        Ok(found) => found.field("result").clone(),
        Err(failure)
            if failure.status.is_client_error() && failure.status != StatusCode::FORBIDDEN =>
        {
            let errors = failure.problem.list("errors");
            return Ok(html! {
                p.notice.warn role="status" { (failure.problem.text("detail")) @for one in errors { " " (one.text("pointer")) " " (one.text("message")) "." } }
            });
        }
        Err(failure) => return Err(failure.into()),
    };
    let user = found.field("user");
    let steps: Vec<Value> = found.list("steps").iter().map(|step| of_person(step, user)).collect();
    let has_steps = !steps.is_empty();
    Ok(html! {
        p role="status" {
            a.strong href=(view.href(&format!("/people/{}", segment(user.text("id"))), &[])) { (user.text("name")) }
            @if let Some(email) = user.some("email") { span.quiet { " · " (email) } }
        }
        @if let Some(problem) = found.some("problem") { p.notice.bad { (prose(problem)) } }
        h3 { "Rules" }
        ul.plain.verdicts {
            @for rule in found.list("rules") {
                li {
                    @match rule.field("matches").as_bool() {
                        Some(true) => (badge(Tone::Good, "matches")),
                        Some(false) => (badge(Tone::Quiet, "does not match")),
                        None => (badge(Tone::Bad, "failed")),
                    }
                    " " strong { (rule.text("rule")) } div.quiet { (prose(rule.text("reason"))) }
                }
            }
        }
        @if !found.field("desired").is_null() { h3 { "Together they give" } p { (targets(found.field("desired"), workspaces)) } }
        h3 { "A plan would" }
        @if has_steps { (plan_steps::render(view, &steps, workspaces)) }
        @else { p.quiet { "change nothing for this person." } }
    })
}

/// Returns a step of a preview with its person, as steps of plans have it.
fn of_person(step: &Value, user: &Value) -> Value {
    let mut whole = step.clone();
    if let Some(fields) = whole.as_object_mut() {
        let subject =
            json!({"id": user.field("id"), "key": user.field("email"), "name": user.field("name")});
        fields.insert("subject".to_owned(), subject);
    }
    whole
}

/// Changes a rule set.
///
/// # Errors
///
/// The page with the reasons, when the API refuses the form.
pub(in crate::http) async fn save(
    view: &View,
    id: &str,
    fields: &FormFields,
) -> Result<(), PageError> {
    let (body, invalid) = rule_set_form::body(fields);
    let body = Value::Object(body);
    let path = format!("/rule-sets/{}", segment(id));
    let sent = match invalid {
        None => view.api.send(Method::PATCH, &path, &[], Some(&body)).await,
        Some(failure) => Err(failure),
    };
    match sent {
        Ok(_) => Ok(()),
        Err(failure) if failure.status.is_client_error() && view.may.administer => {
            let stored = find(view, id).await?;
            let page = page(view, &stored, &body, Some(&failure)).await?;
            Err(PageError::Refused(failure.status, Box::new(page)))
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Requests the plan of a rule set for all users; returns the id of the reconciliation.
///
/// # Errors
///
/// The problem that the API returned.
pub(in crate::http) async fn plan(view: &View, id: &str) -> Result<String, PageError> {
    let set = find(view, id).await?;
    let body = json!({
        "integrated_account_id": set.field("integrated_account_id"),
        "rule_set_id": set.field("id"),
    });
    let created = view.api.send(Method::POST, "/reconciliations", &[], Some(&body)).await?;
    Ok(created.text("/result/id").to_owned())
}
