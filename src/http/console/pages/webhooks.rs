//! Webhooks: endpoints with their state, and the creation of one with its secret shown once.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::format::{count, words};
use super::super::json::Fields as _;
use super::super::parts::{Tone, badge, copyable, empty, pager};
use super::super::view::{Page, PageResult, View};
use crate::http::internal_api::segment;

/// Shows the list.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let mut query = vec![("limit", "50")];
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/webhooks", &query).await?;
    let webhooks = list.list("result");
    let body = html! {
        div.card {
            @if webhooks.is_empty() { (empty("No webhooks", &html! { "Events are stored in the feed, and sent nowhere." })) }
            @else {
                table.cards {
                    caption.hidden { "Webhooks" }
                    thead { tr { th scope="col" { "Endpoint" } th scope="col" { "State" } th scope="col" { "Events" } th scope="col" { "Changed" } } }
                    tbody { @for webhook in webhooks { (row(view, webhook)) } }
                }
            }
            (pager(view, "/webhooks", &[], &list))
        }
        section.card.narrow aria-labelledby="create" { h2 #create { "Create a webhook" } (form(view)) }
    };
    let total = i64::try_from(webhooks.len()).unwrap_or_default();
    let lead = html! { (count(total, "endpoint", "endpoints")) " · signed after Standard Webhooks, delivered at least once" };
    Ok(Page { title: "Webhooks".to_owned(), lead, body, ..Page::default() })
}

fn row(view: &View, webhook: &Value) -> Markup {
    let path = format!("/webhooks/{}", segment(webhook.text("id")));
    html! {
        tr {
            td { a.strong href=(view.href(&path, &[])) { (webhook.text("url")) } div.quiet { (webhook.text("description")) } }
            td data-label="State" { (state(view, webhook)) }
            td data-label="Events" { (webhook.texts("event_types").join(", ")) }
            td data-label="Changed" { (view.now.short(webhook.time("updated_at"), "")) }
        }
    }
}

/// Renders the state of a webhook.
pub(in crate::http) fn state(view: &View, webhook: &Value) -> Markup {
    html! {
        @if webhook.time("disabled_at").is_some() {
            (badge(Tone::Bad, "disabled")) " " (view.now.short(webhook.time("disabled_at"), ""))
            @if let Some(why) = webhook.some("disabled_reason") { div.quiet { (words(why)) } }
        } @else if !webhook.flag("is_active") { (badge(Tone::Quiet, "paused")) }
        @else if webhook.time("failing_since").is_some() { (badge(Tone::Warn, "failing")) " " (view.now.lasting(webhook.time("failing_since"))) }
        @else { (badge(Tone::Good, "active")) }
    }
}

fn form(view: &View) -> Markup {
    html! {
        form.stack method="post" action=(view.href("/webhooks", &[])) {
            (view.csrf_field())
            label.field { span { "URL" } input type="url" name="url" required placeholder="https://hooks.example.com/switchboard"; }
            label.field { span { "Event types, separated by commas" } input type="text" name="event_types" required value="*" placeholder="user.*, role_assignment.granted"; }
            label.field { span { "Description" } input type="text" name="description" maxlength="255"; }
            button.primary type="submit" { "Create the webhook" }
        }
    }
}

/// Creates a webhook and shows its secret.
pub(in crate::http) async fn create(view: &View, fields: &FormFields) -> PageResult {
    let mut body = Map::new();
    body.insert("url".to_owned(), json!(fields.get("url").unwrap_or_default()));
    body.insert("event_types".to_owned(), json!(fields.entries("event_types")));
    if let Some(description) = fields.get("description") {
        body.insert("description".to_owned(), json!(description));
    }
    let created = view.api.send(Method::POST, "/webhooks", &[], Some(&Value::Object(body))).await?;
    let webhook = created.field("result");
    Ok(secret_page(
        view,
        "The webhook is created",
        webhook,
        "Copy the signing secret now: it is not shown again.",
    ))
}

/// Rotates the secret of a webhook and shows the new one.
pub(in crate::http) async fn rotate(view: &View, id: &str) -> PageResult {
    let path = format!("/webhooks/{}/rotate-secret", segment(id));
    let rotated = view.api.send(Method::POST, &path, &[], None).await?;
    let note = "Copy the new signing secret now: it is not shown again. Both secrets sign until the old one expires.";
    Ok(secret_page(view, "The secret is rotated", rotated.field("result"), note))
}

fn secret_page(view: &View, title: &str, webhook: &Value, note: &str) -> Page {
    let body = html! {
        div.card.narrow {
            p.notice.warn { (note) }
            (copyable("secret", "Signing secret", webhook.text("secret")))
            p { a href=(view.href("/webhooks", &[])) { "Webhooks" } }
        }
    };
    Page { title: title.to_owned(), body, ..Page::default() }
}
