//! The access review: who may do what where, since when, granted by whom; as a page and as CSV.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;
use maud::{Markup, html};
use serde_json::Value;

use super::super::json::Fields as _;
use super::super::names::{HeldRoles, Names};
use super::super::parts::{Tone, badge, empty, options, select};
use super::super::view::{Page, PageError, PageResult, View};
use super::directory::{as_time, not_available};
use crate::http::internal_api::{ApiFailure, segment};

/// Rows on the page; the CSV has all.
const MAX_ROWS: usize = 200;
/// Bytes of the document that the page reads at most.
const MAX_BYTES: usize = 2 << 20;
/// The filters in the URL.
const FILTERS: [&str; 9] = [
    "is_privileged",
    "access_type",
    "role_id",
    "workspace_id",
    "department",
    "user_type",
    "status",
    "inactive_days",
    "as_of",
];

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let roles = HeldRoles::of(view).await?;
    let workspaces = Names::workspaces(view).await?;
    let rows = read(view).await;
    let csv = view.href("/access-review.csv", &view.query.only(&FILTERS));
    let synced = view.db.copies_synced_at(&[view.selected()?.id]).await?;
    let body = html! {
        div.card {
            (filters(view, &roles, &workspaces))
            div #results {
                @match &rows {
                    Ok((rows, is_whole)) => (results(view, rows, *is_whole)),
                    Err(failure) => (not_available(view, failure)),
                }
            }
        }
    };
    let lead = html! {
        @if let Some((_, at)) = synced.first() { span.dot aria-hidden="true" {} "Synced " (view.now.short(Some(*at), "")) }
        @if let Ok((rows, is_whole)) = &rows { " · " (rows.len()) @if !is_whole { " first" } " rows" }
    };
    let actions = html! { a.button href=(csv) download { "Export CSV" } };
    Ok(Page { title: "Access review".to_owned(), lead, actions, body })
}

/// Returns the whole review as CSV.
pub(in crate::http) async fn csv(view: &View) -> Result<Response, PageError> {
    let mut response = open(view, "csv").await?;
    let headers = response.headers_mut();
    headers.insert(
        axum::http::header::CONTENT_DISPOSITION,
        axum::http::HeaderValue::from_static("attachment; filename=\"access-review.csv\""),
    );
    Ok(response)
}

async fn open(view: &View, format: &str) -> Result<Response<Body>, PageError> {
    let account = view.account_id()?;
    let as_of = view.query.get("as_of").map(as_time).unwrap_or_default();
    let mut query = view.query.only(&FILTERS);
    query.retain(|(name, _)| *name != "as_of");
    if !as_of.is_empty() {
        query.push(("as_of", &as_of));
    }
    query.extend([("integrated_account_id", account.as_str()), ("format", format)]);
    Ok(view.api.open("/access-review", &query).await?)
}

/// Reads the first rows; returns whether they are all.
async fn read(view: &View) -> Result<(Vec<Value>, bool), ApiFailure> {
    let response = match open(view, "ndjson").await {
        Ok(response) => response,
        Err(PageError::Failure(failure)) => return Err(failure),
        Err(PageError::NoAccount | PageError::Refused(..)) => return Ok((Vec::new(), true)),
    };
    let (mut text, mut is_whole) = (Vec::new(), true);
    let mut parts = http_body_util::BodyStream::new(response.into_body());
    while let Some(Ok(part)) = parts.next().await {
        let Ok(data) = part.into_data() else { continue };
        text.extend_from_slice(&data);
        let lines = text.split(|byte| *byte == b'\n').count() - 1;
        if lines > MAX_ROWS || text.len() > MAX_BYTES {
            is_whole = false;
            break;
        }
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let rows: Vec<Value> =
        lines.filter_map(|line| serde_json::from_slice(line).ok()).take(MAX_ROWS).collect();
    Ok((rows, is_whole))
}

fn filters(view: &View, roles: &HeldRoles, workspaces: &Names) -> Markup {
    let get = |name| view.query.get(name);
    let privileged = options(&[("true", "Privileged only"), ("false", "Other only")]);
    let kinds = options(&[("role", "Roles"), ("workspace", "Workspaces"), ("group", "Groups")]);
    let statuses =
        options(&[("active", "Active"), ("inactive", "Deactivated"), ("invited", "Invited")]);
    let types = options(&[("member", "Members"), ("guest", "Guests"), ("bot", "Bots")]);
    let idle =
        options(&[("30", "30 days"), ("90", "90 days"), ("180", "180 days"), ("365", "a year")]);
    html! {
        form.filters method="get" action=(view.href("/access-review", &[])) role="search" {
            (view.account_field())
            (select(("is_privileged", "Privilege"), Some("All access"), &privileged, get("is_privileged")))
            (select(("access_type", "Access"), Some("Any kind"), &kinds, get("access_type")))
            (select(("role_id", "Role"), Some("Any role"), &roles.options(), get("role_id")))
            (select(("workspace_id", "Workspace"), Some("Any workspace"), &workspaces.options(), get("workspace_id")))
            (select(("user_type", "Type"), Some("Any type"), &types, get("user_type")))
            (select(("status", "Status"), Some("Any status"), &statuses, get("status")))
            (select(("inactive_days", "Inactive for"), Some("Any time"), &idle, get("inactive_days")))
            label.field { span { "Department" } input type="text" name="department" value=[get("department")]; }
            label.field { span { "As of (UTC)" } input type="datetime-local" name="as_of" value=[get("as_of")]; }
            button type="submit" { "Apply" }
            @if FILTERS.iter().any(|name| get(name).is_some()) { a href=(view.href("/access-review", &[])) { "Clear" } }
        }
    }
}

fn results(view: &View, rows: &[Value], is_whole: bool) -> Markup {
    html! {
        @if rows.is_empty() {
            (empty("No access matches", &html! { "No person of the copy has access with all of these properties." }))
        } @else {
            table.cards {
                caption.hidden { "Access" }
                thead { tr {
                    th scope="col" { "Person" } th scope="col" { "Access" } th scope="col" { "Where" }
                    th scope="col" { "Since, granted by" } th scope="col" { "Last active" }
                } }
                tbody { @for row in rows { (access(view, row)) } }
            }
            @if !is_whole { p.quiet { "The first " (rows.len()) " rows. Add a filter, or export all rows as CSV." } }
        }
    }
}

fn access(view: &View, row: &Value) -> Markup {
    let path = format!("/people/{}", segment(row.text("user_id")));
    let name = [row.some("name"), row.some("username"), row.some("user_id")];
    let grantor = row.some("granted_by_name").or(row.some("granted_by_id"));
    html! {
        tr {
            td {
                a.strong href=(view.href(&path, &[])) { (name.into_iter().flatten().next().unwrap_or_default()) }
                @if row.text("status") != "active" { " " (badge(Tone::Quiet, row.text("status"))) }
                @if row.text("user_type").starts_with("guest") { " " (badge(Tone::Warn, "guest")) }
                div.quiet { (row.text("email")) }
            }
            td data-label="Access" {
                @match row.some("access_type") {
                    None => span.quiet { "no access" },
                    Some(kind) => {
                        @if row.flag("is_privileged") { (badge(Tone::Bad, row.text("access_name"))) }
                        @else { (row.some("access_name").unwrap_or_else(|| row.text("access_id"))) }
                        div.quiet { (kind) @if row.flag("is_privileged") { ", privileged" } }
                    }
                }
            }
            td data-label="Where" {
                @match row.some("workspace_name").or(row.some("workspace_id")) {
                    Some(place) => (place),
                    None => span.quiet { (row.some("access_scope").unwrap_or("–")) },
                }
            }
            td data-label="Since" {
                @if row.flag("is_older_than_sync") && row.time("granted_at").is_none() { span.quiet { "before the first sync" } }
                @else { (view.now.short(row.time("granted_at"), "unknown")) }
                div.quiet { (grantor.unwrap_or("")) }
            }
            td data-label="Last active" { (view.now.short(row.time("last_activity_at"), "unknown")) }
        }
    }
}
