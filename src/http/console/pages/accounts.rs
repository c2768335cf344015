//! Accounts: status, missing scopes, age of token and copy, and links to connect a customer or to connect it again.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::super::fields::FormFields;
use super::super::format::{number, words};
use super::super::json::Fields as _;
use super::super::parts::{Tone, badge, copyable, empty, options, pager, select, status};
use super::super::view::{Page, PageResult, View};
use crate::domain::ids::IntegratedAccountId;
use crate::http::internal_api::segment;

/// Accounts on a page.
const LIMIT: &str = "50";
/// The filters in the URL.
const FILTERS: [&str; 2] = ["status", "tenant_id"];
/// How long a link can be used, in seconds.
const LINK_TTL_S: u32 = 7 * 86_400;

/// Shows the list.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let mut query = view.query.only(&FILTERS);
    query.push(("limit", LIMIT));
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/integrated-accounts", &query).await?;
    let accounts = list.list("result");
    let ids: Vec<IntegratedAccountId> =
        accounts.iter().filter_map(|one| one.text("id").parse().ok()).collect();
    let synced = view.db.copies_synced_at(&ids).await?;
    let body = html! {
        div.card {
            (filters(view))
            @if accounts.is_empty() { (empty("No accounts", &html! { "No customer is connected, or none matches the filters." })) }
            @else {
                table.cards {
                    caption.hidden { "Accounts" }
                    thead { tr { th scope="col" { "Customer" } th scope="col" { "Directory" } th scope="col" { "Status" } th scope="col" { "Token" } th scope="col" { "Last complete sync" } } }
                    tbody { @for account in accounts { (row(view, account, &synced)) } }
                }
            }
            (pager(view, "/accounts", &FILTERS, &list))
        }
    };
    let lead =
        html! { (number(i64::try_from(accounts.len()).unwrap_or_default())) " on this page" };
    let actions = html! { @if view.may.administer { a.button.primary href="/console/accounts/connect" { "Connect a customer" } } };
    Ok(Page { title: "Accounts".to_owned(), lead, actions, body })
}

fn filters(view: &View) -> Markup {
    let statuses = options(&[
        ("active", "Active"),
        ("needs_reauth", "To connect again"),
        ("disconnected", "Disconnected"),
    ]);
    html! {
        form.filters method="get" action=(view.href("/accounts", &[])) {
            (view.account_field())
            label.field.grow { span { "Customer's id" } input type="search" name="tenant_id" value=[view.query.get("tenant_id")]; }
            (select(("status", "Status"), Some("Any status"), &statuses, view.query.get("status")))
            button type="submit" { "Apply" }
        }
    }
}

fn row(view: &View, account: &Value, synced: &[(IntegratedAccountId, OffsetDateTime)]) -> Markup {
    let id = account.text("id");
    let synced_at = synced.iter().find(|(one, _)| one.text() == id).map(|(_, at)| *at);
    let missing = account.list("missing_scopes").len();
    html! {
        tr {
            td { a.strong href=(format!("/console/accounts/{}?account={}", segment(id), segment(id))) { (account.text("tenant_id")) } }
            td data-label="Directory" { (account.text("/organization/name")) div.quiet { (words(account.text("provider"))) } }
            td data-label="Status" {
                (status(account.text("status")))
                @if missing > 0 { " " (badge(Tone::Warn, &format!("{missing} scopes missing"))) }
                @if let Some(why) = account.some("status_reason") { div.quiet { (words(why)) } }
            }
            td data-label="Token" { @match account.time("token_expires_at") { Some(end) => { "expires " (view.now.short(Some(end), "")) }, None => span.quiet { "does not expire" } } }
            td data-label="Last complete sync" { (view.now.short(synced_at, "never: no complete copy")) }
        }
    }
}

/// Shows the form that creates a link for a customer.
pub(in crate::http) async fn show_connect(view: &View) -> PageResult {
    let providers = view.api.get("/providers", &[]).await?;
    let body = html! {
        div.card.narrow {
            form.stack method="post" action=(view.href("/accounts/connect", &[])) {
                (view.csrf_field())
                label.field { span { "Customer's id in your product (" code { "tenant_id" } ")" } input type="text" name="tenant_id" required maxlength="255"; }
                fieldset {
                    legend { "Directories that the customer chooses from" }
                    @for provider in providers.list("result") {
                        label.check { input type="checkbox" name="providers" value=(provider.text("name")) checked; " " (provider.text("title")) }
                    }
                }
                button.primary type="submit" { "Create the link" }
            }
        }
    };
    let lead = html! { "Creates a link to the hosted page, for an administrator at the customer. It can be used once, within 7 days." };
    Ok(Page { title: "Connect a customer".to_owned(), lead, body, ..Page::default() })
}

/// Creates a link to connect a customer, and shows it.
pub(in crate::http) async fn connect(view: &View, fields: &FormFields) -> PageResult {
    let body = json!({
        "tenant_id": fields.get("tenant_id").unwrap_or_default(),
        "providers": fields.all("providers"),
        "expires_in_s": LINK_TTL_S,
    });
    created(view, &body, "Send it to an administrator at the customer.").await
}

/// Creates a link to connect the selected account again, and shows it.
pub(in crate::http) async fn reconnect(view: &View) -> PageResult {
    let account = view.selected()?;
    let body = json!({
        "tenant_id": account.value.text("tenant_id"),
        "integrated_account_id": account.id,
        "expires_in_s": LINK_TTL_S,
    });
    created(view, &body, "It connects the same organization again; settings and history stay.")
        .await
}

async fn created(view: &View, body: &Value, what: &str) -> PageResult {
    let link = view.api.send(Method::POST, "/link-tokens", &[], Some(body)).await?;
    let link = link.field("result");
    let body = html! {
        div.card.narrow {
            p { (what) }
            (copyable("link", "Link", link.text("link_url")))
            p.quiet { "It can be used once and expires " (view.now.when_or(link.time("expires_at"), "")) ". It is not shown again." }
            p { a href=(view.href("/accounts", &[])) { "Accounts" } }
        }
    };
    Ok(Page { title: "The link is ready".to_owned(), body, ..Page::default() })
}
