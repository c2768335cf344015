//! API keys: list, creation with the secret shown once, revocation.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::json::Fields as _;
use super::super::parts::{Confirmation, Tone, badge, confirm, copyable, options, select};
use super::super::view::{Page, PageResult, View};
use crate::http::internal_api::segment;

/// The scopes of a key.
const SCOPES: [(&str, &str); 4] = [
    ("read", "Read through the unified API"),
    ("write", "Change through the unified API"),
    ("proxy", "Call the provider's native API"),
    ("admin", "Administer the environment"),
];

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let list = view.api.get("/api-keys", &[]).await?;
    let body = html! {
        div.card {
            table.cards {
                caption.hidden { "API keys" }
                thead { tr { th scope="col" { "Key" } th scope="col" { "Scopes" } th scope="col" { "Last used" } th scope="col" { "Expires" } th scope="col" { "Change" } } }
                tbody { @for key in list.list("result").iter().rev() { (row(view, key)) } }
            }
        }
        section.card.narrow aria-labelledby="create" { h2 #create { "Create a key" } (form(view)) }
    };
    let lead =
        html! { "Keys of this environment. A secret is shown once, when its key is created." };
    Ok(Page { title: "Keys".to_owned(), lead, body, ..Page::default() })
}

fn row(view: &View, key: &Value) -> Markup {
    let is_revoked = key.time("revoked_at").is_some();
    let is_expired = key.time("expires_at").is_some_and(|end| end <= view.time());
    html! {
        tr {
            td { strong { (key.text("name")) } div.quiet { code { (key.text("id")) } } @if let Some(maker) = key.some("made_by") { div.quiet { "created by " code { (maker) } } } }
            td data-label="Scopes" {
                @for scope in key.texts("scopes") { (badge(if scope == "admin" { Tone::Bad } else { Tone::Quiet }, scope)) " " }
                @if !key.field("allowed_addresses").is_null() { div.quiet { "from " (key.texts("allowed_addresses").join(", ")) } }
                @if !key.field("allowed_methods").is_null() { div.quiet { "methods " (key.texts("allowed_methods").join(", ")) } }
            }
            td data-label="Last used" { (view.now.short(key.time("last_used_at"), "never")) }
            td data-label="Expires" {
                @if is_revoked { (badge(Tone::Quiet, "revoked")) " " (view.now.short(key.time("revoked_at"), "")) }
                @else if is_expired { (badge(Tone::Quiet, "expired")) }
                @else { (view.now.short(key.time("expires_at"), "never")) }
            }
            td { @if !is_revoked && !is_expired { (revocation(view, key)) } }
        }
    }
}

fn revocation(view: &View, key: &Value) -> Markup {
    confirm(
        view,
        &Confirmation {
            label: "Revoke…",
            action: view.href(&format!("/keys/{}/revoke", segment(key.text("id"))), &[]),
            warning: html! { p { "The key " strong { (key.text("name")) } ", its account tokens, link tokens and sessions stop working now. This cannot be undone." } },
            fields: html! { label.check { input type="checkbox" name="end_made" value="true"; " Revoke the keys and environments that it created, too" } },
            button: "Revoke the key",
            is_dangerous: true,
        },
    )
}

fn form(view: &View) -> Markup {
    let ends = options(&[
        ("86400", "1 day"),
        ("2592000", "30 days"),
        ("7776000", "90 days"),
        ("31536000", "a year"),
    ]);
    html! {
        form.stack method="post" action=(view.href("/keys", &[])) {
            (view.csrf_field())
            label.field { span { "Name" } input type="text" name="name" required maxlength="255" placeholder="What it is for"; }
            fieldset {
                legend { "Scopes" }
                @for (scope, what) in SCOPES { label.check { input type="checkbox" name="scopes" value=(scope); " " strong { (scope) } " " span.quiet { (what) } } }
            }
            (select(("expires_in_s", "Expires after"), Some("Never, or with this session's key"), &ends, None))
            label.field { span { "Allowed addresses, separated by commas; empty for all" } input type="text" name="allowed_addresses" placeholder="203.0.113.0/24"; }
            button.primary type="submit" { "Create the key" }
        }
    }
}

/// Creates a key and shows its secret.
pub(in crate::http) async fn create(view: &View, fields: &FormFields) -> PageResult {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(fields.get("name").unwrap_or_default()));
    body.insert("scopes".to_owned(), json!(fields.all("scopes")));
    if let Some(seconds) = fields.get("expires_in_s").and_then(|text| text.parse::<u32>().ok()) {
        body.insert("expires_in_s".to_owned(), json!(seconds));
    }
    let addresses = fields.entries("allowed_addresses");
    if !addresses.is_empty() {
        body.insert("allowed_addresses".to_owned(), json!(addresses));
    }
    let created = view.api.send(Method::POST, "/api-keys", &[], Some(&Value::Object(body))).await?;
    let key = created.field("result");
    let body = html! {
        div.card.narrow {
            p.notice.warn { "Copy the secret now: it is not stored and not shown again." }
            (copyable("secret", "Secret", key.text("key")))
            p { a href=(view.href("/keys", &[])) { "Keys" } }
        }
    };
    Ok(Page { title: format!("Key {}", key.text("name")), body, ..Page::default() })
}
