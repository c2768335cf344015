//! The form that uploads a desired state, and the request for its plan.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::fields::FormFields;
use super::super::json::Fields as _;
use super::super::parts::{options, select};
use super::super::upload::{FILE, UploadedFile};
use super::super::view::{Page, PageError, PageResult, View};
use super::reconciliation::row_errors;
use crate::http::html_page::prose;
use crate::http::internal_api::{ApiFailure, segment};
use crate::http::problem::{Problem, ProblemKind};

/// Maximum length of the name of a file that is stored, in characters.
const MAX_NAME_CHARS: usize = 200;
/// The default limit of removals: number and percent.
const MAX_REMOVALS: (&str, &str) = ("20", "10");
/// What a file can look like.
const EXAMPLE: &str = "email,name,department,workspaces,roles\n\
    ada@example.com,Ada Lovelace,Sales,T0SALES;T0LABS,ws:admin@T0SALES\n\
    bob@example.com,,Legal,T0LEGAL,\n";

/// Shows the form.
pub(in crate::http) fn show(view: &View) -> PageResult {
    if !view.may.apply {
        let detail = "Plans are requested with a key that has the scope `admin`.";
        return Err(Problem::new(ProblemKind::InsufficientScope, detail).into());
    }
    page(view, &FormFields::default(), None)
}

fn page(view: &View, fields: &FormFields, refused: Option<&ApiFailure>) -> PageResult {
    let account = view.selected()?;
    let body = html! {
        @if let Some(failure) = refused { (reasons(&failure.problem)) }
        div.card { (form(view, fields)) }
    };
    let lead = html! {
        (account.value.text("tenant_id")) " · " (account.value.text("/organization/name"))
        " · the desired state is compared with the copy; nothing changes before you approve the plan"
    };
    Ok(Page { title: "New reconciliation".to_owned(), lead, body, ..Page::default() })
}

/// Renders why there is no plan: rows by line and column, everything else as it is.
fn reasons(problem: &Value) -> Markup {
    let (rows, others): (Vec<Value>, Vec<Value>) =
        problem.list("errors").iter().cloned().partition(|one| one.field("row").is_i64());
    html! {
        section.card.violation.bad role="alert" aria-labelledby="reasons" {
            h2 #reasons { (problem.some("title").unwrap_or("No plan was made")) }
            p { (prose(problem.text("detail"))) }
            @if !others.is_empty() {
                ul { @for one in &others { li { code { (one.text("pointer")) } " " (prose(one.text("message"))) } } }
            }
            @if !rows.is_empty() { (row_errors(&rows)) }
            p.quiet { "Select the corrected file again; browsers clear file fields." }
        }
    }
}

fn form(view: &View, fields: &FormFields) -> Markup {
    let keys = options(&[
        ("email", "E-mail address"),
        ("external_id", "Id of the identity provider (external_id)"),
        ("employee_number", "Employee number"),
        ("username", "Username"),
    ]);
    let modes = options(&[
        ("additive", "Additive: add people, remove no one"),
        ("authoritative", "Authoritative: also remove people who are not desired there"),
    ]);
    html! {
        form.stack method="post" enctype="multipart/form-data" action=(view.href("/reconciliations", &[])) {
            (view.csrf_field())
            div.columns {
                div.stack {
                    (select(("match_by", "Match people by"), None, &keys, fields.get("match_by")))
                    (select(("mode", "Workspaces, roles and groups that the file names"), None, &modes, fields.get("mode")))
                    label.check { input type="checkbox" name="prune" value="true" checked[fields.get("prune").is_some()]; " Deactivate people who are not in the file (prune)" }
                    label.check { input type="checkbox" name="skip_bad_rows" value="true" checked[fields.get("skip_bad_rows").is_some()]; " Leave out rows that can't be used (additive only)" }
                }
                (limits(fields))
            }
            // The file is the last part: what is before it is read first.
            label.field {
                span { "File: CSV with a header row" }
                input type="file" name=(FILE) required accept=".csv,.ndjson,.jsonl,text/csv";
                span.quiet { "Columns are names of fields. Lists are separated by " code { ";" } ", a role is " code { "ID@WORKSPACE" } ", an empty cell leaves the field as it is." }
            }
            details.data { summary { "Example of a file" } pre { (EXAMPLE) } }
            button.primary type="submit" { "Make the plan" }
        }
    }
}

fn limits(fields: &FormFields) -> Markup {
    let (number, percent) = MAX_REMOVALS;
    html! {
        div.stack {
            fieldset {
                legend { "Removals that the plan may have without an override" }
                div.row {
                    label.field { span { "Number" } input type="number" name="max_removals" min="0" required value=(fields.get("max_removals").unwrap_or(number)); }
                    label.field { span { "or percent of the people" } input type="number" name="max_removals_percent" min="0" max="100" required value=(fields.get("max_removals_percent").unwrap_or(percent)); }
                }
            }
            label.field {
                span { "People who are never changed, one id or e-mail address a line" }
                textarea name="protected" rows="2" { (fields.get("protected").unwrap_or_default()) }
            }
            label.field {
                span { "Other modes of single places, as JSON" }
                textarea.code name="scope" rows="2" spellcheck="false" placeholder="{\"workspaces\": [{\"id\": \"T0SALES\", \"mode\": \"authoritative\"}]}" { (fields.get("scope").unwrap_or_default()) }
            }
        }
    }
}

/// Uploads the file and requests its plan; returns the id of the reconciliation.
///
/// # Errors
///
/// The form with the reasons, when the API refuses the request or the file.
pub(in crate::http::console) async fn create(
    view: &View,
    fields: &FormFields,
    file: UploadedFile,
) -> Result<String, PageError> {
    let account = view.account_id()?;
    let name: String = file.name.chars().take(MAX_NAME_CHARS).collect();
    let guards = guards(fields).to_string();
    let mut query = vec![("integrated_account_id", account.as_str()), ("guards", guards.as_str())];
    query.extend(Some(("name", name.as_str())).filter(|(_, name)| !name.is_empty()));
    for option in ["match_by", "mode", "prune", "skip_bad_rows", "scope"] {
        query.extend(fields.get(option).map(|value| (option, value)));
    }
    let is_lines = [".ndjson", ".jsonl"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
    let media_type = if is_lines { "application/x-ndjson" } else { "text/csv" };
    let sent = view.api.upload("/reconciliations", &query, (media_type, file.content)).await;
    match sent {
        Ok(created) => Ok(created.text("/result/id").to_owned()),
        Err(failure) if failure.status.is_client_error() && view.may.apply => {
            let page = page(view, fields, Some(&failure))?;
            Err(PageError::Refused(failure.status, Box::new(page)))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn guards(fields: &FormFields) -> Value {
    let number = |name: &str, default: &str| {
        let text = fields.get(name).unwrap_or(default);
        text.parse::<u64>().map_or_else(|_| json!(text), Value::from)
    };
    let (count, percent) = MAX_REMOVALS;
    json!({
        "max_removals": {
            "count": number("max_removals", count),
            "percent": number("max_removals_percent", percent),
        },
        "protected": fields.entries("protected"),
    })
}

/// Requests the plan that undoes a reconciliation; returns its id.
///
/// # Errors
///
/// The problem that the API returned.
pub(in crate::http) async fn invert(view: &View, id: &str) -> Result<String, PageError> {
    let path = format!("/reconciliations/{}/inverse", segment(id));
    let created = view.api.send(Method::POST, &path, &[], None).await?;
    Ok(created.text("/result/id").to_owned())
}
