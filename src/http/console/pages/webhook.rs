//! One webhook: its deliveries with each attempt, and what can be done: test, resend, replay, pause, delete.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};
use time::Duration;

use super::super::fields::FormFields;
use super::super::format::rfc3339;
use super::super::json::Fields as _;
use super::super::parts::{
    Confirmation, button, confirm, empty, facts, options, pager, select, status,
};
use super::super::view::{Page, PageError, PageResult, View};
use super::directory::as_time;
use super::webhooks::state;
use crate::http::internal_api::segment;

/// Deliveries on a page.
const LIMIT: &str = "50";

/// Shows the page.
pub(in crate::http) async fn show(view: &View, id: &str) -> PageResult {
    let path = format!("/webhooks/{}", segment(id));
    let response = view.api.get(&path, &[]).await?;
    let webhook = response.field("result");
    let mut query = view.query.only(&["status"]);
    query.push(("limit", LIMIT));
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get(&format!("{path}/deliveries"), &query).await?;
    let deliveries = list.list("result");
    let body = html! {
        section.card aria-labelledby="state" {
            h2 #state { "Endpoint" }
            (facts(&[
                ("State", state(view, webhook)),
                ("Events", html! { (webhook.texts("event_types").join(", ")) }),
                ("Account", html! { (webhook.some("integrated_account_id").unwrap_or("all accounts")) }),
                ("Created", view.now.when_or(webhook.time("created_at"), "")),
                ("Earlier secret", view.now.when_or(webhook.time("previous_secret_until"), "not valid any more")),
            ]))
            (replay_form(view, &path))
        }
        section.card aria-labelledby="deliveries" {
            h2 #deliveries { "Deliveries" }
            (filters(view, &path))
            @if deliveries.is_empty() { (empty("No deliveries", &html! { "Nothing was sent to this endpoint yet, or nothing matches the filter." })) }
            ul.feed { @for delivery in deliveries { (row(view, &path, delivery)) } }
            (pager(view, &path, &["status"], &list))
        }
    };
    let lead = html! { (webhook.text("description")) };
    Ok(Page {
        title: webhook.text("url").to_owned(),
        lead,
        actions: actions(view, &path, webhook),
        body,
    })
}

fn actions(view: &View, path: &str, webhook: &Value) -> Markup {
    let is_on = webhook.flag("is_active") && webhook.time("disabled_at").is_none();
    html! {
        (button(view, &view.href(&format!("{path}/test"), &[]), "Send a test"))
        (button(view, &view.href(&format!("{path}/{}", if is_on { "pause" } else { "activate" }), &[]), if is_on { "Pause" } else { "Activate" }))
        (confirm(view, &Confirmation {
            label: "Rotate the secret…",
            action: view.href(&format!("{path}/rotate"), &[]),
            warning: html! { p { "A new secret signs from now on; the current one signs as well for a while. It then stops, and cannot be restored." } },
            fields: html! {},
            button: "Rotate the secret",
            is_dangerous: false,
        }))
        (confirm(view, &Confirmation {
            label: "Delete…",
            action: view.href(&format!("{path}/delete"), &[]),
            warning: html! { p { "The endpoint gets no more events, and its deliveries are deleted. This cannot be undone." } },
            fields: html! {},
            button: "Delete the webhook",
            is_dangerous: true,
        }))
    }
}

fn replay_form(view: &View, path: &str) -> Markup {
    let default = rfc3339(view.time() - Duration::hours(1));
    let default = default.get(..16).unwrap_or_default();
    html! {
        details.data {
            summary { "Replay events" }
            form.row method="post" action=(view.href(&format!("{path}/replay"), &[])) {
                (view.csrf_field())
                label.field { span { "From (UTC)" } input type="datetime-local" name="from" required value=(default); }
                label.field { span { "To (UTC), empty for now" } input type="datetime-local" name="to"; }
                label.field { span { "Event types, empty for all" } input type="text" name="event_types" placeholder="user.*"; }
                button type="submit" { "Replay" }
            }
        }
    }
}

fn filters(view: &View, path: &str) -> Markup {
    let statuses =
        options(&[("pending", "Pending"), ("succeeded", "Succeeded"), ("failed", "Failed")]);
    html! {
        form.filters.bare method="get" action=(view.href(path, &[])) data-auto {
            (view.account_field())
            (select(("status", "Status"), Some("Any status"), &statuses, view.query.get("status")))
            button type="submit" { "Apply" }
        }
    }
}

fn row(view: &View, path: &str, delivery: &Value) -> Markup {
    let id = segment(delivery.text("id"));
    html! {
        li {
            (status(delivery.text("status"))) " " strong { (delivery.text("event_type")) }
            " " span.quiet { (view.now.when_or(delivery.time("created_at"), "")) " · attempt " (delivery.int("attempt_count")) }
            @if let Some(at) = delivery.time("next_attempt_at") { span.quiet { " · next " (view.now.short(Some(at), "")) } }
            details.data {
                summary { "Attempts" }
                ul.plain {
                    @for attempt in delivery.list("attempts") {
                        li {
                            (view.now.when_or(attempt.time("at"), "")) " · "
                            @match attempt.field("response_status").as_i64() { Some(code) => { "HTTP " (code) }, None => (attempt.text("error")) }
                            " · " (attempt.int("duration_ms")) " ms"
                            @if let Some(text) = attempt.some("response_body") { pre { (text) } }
                        }
                    }
                }
                p.quiet { "Event " code { (delivery.text("event_id")) } }
                (button(view, &view.href(&format!("{path}/deliveries/{id}/resend"), &[]), "Send again"))
            }
        }
    }
}

/// Requests a replay.
pub(in crate::http) async fn replay(
    view: &View,
    id: &str,
    fields: &FormFields,
) -> Result<(), PageError> {
    let mut body = json!({"from": as_time(fields.get("from").unwrap_or_default())});
    if let Some(fields_of_body) = body.as_object_mut() {
        if let Some(to) = fields.get("to") {
            fields_of_body.insert("to".to_owned(), json!(as_time(to)));
        }
        let types = fields.entries("event_types");
        if !types.is_empty() {
            fields_of_body.insert("event_types".to_owned(), json!(types));
        }
    }
    let path = format!("/webhooks/{}/replay", segment(id));
    view.api.send(Method::POST, &path, &[], Some(&body)).await?;
    Ok(())
}
