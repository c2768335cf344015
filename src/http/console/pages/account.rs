//! One account: state, scopes, capabilities, settings of the sync, and what ends it.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{count, words};
use super::super::json::Fields as _;
use super::super::parts::{Confirmation, Tone, badge, button, confirm, facts, status, table};
use super::super::view::{Page, PageResult, View};
use crate::domain::sync::CopyKind;

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.selected()?;
    let (id, value) = (account.id.text(), &account.value);
    let path = format!("/integrated-accounts/{id}");
    let is_connected = value.text("status") != "disconnected";
    let scopes = view.api.get(&format!("{path}/scopes"), &[]).await.unwrap_or_default();
    let capabilities = view.api.get(&format!("{path}/capabilities"), &[]).await.unwrap_or_default();
    let settings = view.api.get(&format!("{path}/sync-settings"), &[]).await?;
    let synced = view.db.copies_synced_at(&[account.id]).await?;
    let sizes = view.db.copy_sizes(account.id).await?;
    let people = sizes.iter().find(|(kind, _)| *kind == CopyKind::User);
    let people = people.map_or(0, |(_, size)| i64::try_from(*size).unwrap_or(i64::MAX));
    let body = html! {
        div.columns {
            section.card aria-labelledby="state" {
                h2 #state { "State" }
                (facts(&[
                    ("Status", html! { (status(value.text("status"))) @if let Some(why) = value.some("status_reason") { " " (words(why)) } }),
                    ("Directory", html! { (value.text("/organization/name")) " " code { (value.text("/organization/id")) } }),
                    ("Provider", html! { (words(value.text("provider"))) }),
                    ("Token expires", view.now.when_or(value.time("token_expires_at"), "does not expire")),
                    ("Last complete sync", view.now.when_or(synced.first().map(|(_, at)| *at), "never: no complete copy")),
                    ("Connected", view.now.when_or(value.time("created_at"), "")),
                    ("Installed by", html! { code { (value.some("installer_id").unwrap_or("–")) } }),
                    ("Id", html! { code { (id) } }),
                ]))
                (scope_list(scopes.list("result")))
            }
            section.card aria-labelledby="sync" { h2 #sync { "Sync" } (sync_settings(view, settings.field("result"), &id)) }
        }
        section.card aria-labelledby="can" { h2 #can { "Capabilities" } (capability_table(view, capabilities.field("result"))) }
    };
    let lead = html! { (value.text("/organization/name")) };
    let actions =
        html! { @if view.may.administer && is_connected { (actions(view, &id, people)) } };
    Ok(Page { title: value.text("tenant_id").to_owned(), lead, actions, body })
}

fn actions(view: &View, id: &str, people: i64) -> Markup {
    html! {
        (button(view, &view.href(&format!("/accounts/{id}/reconnect"), &[]), "Reconnect link"))
        (button(view, &view.href(&format!("/accounts/{id}/refresh"), &[]), "Refresh the token"))
        (confirm(view, &Confirmation {
            label: "Disconnect…",
            action: view.href(&format!("/accounts/{id}/disconnect"), &[]),
            warning: html! {
                p { "The token is revoked at the provider, and the copy of " strong { (count(people, "person", "people")) } " with its history is erased." }
                p { "Neither can be undone: the customer has to connect again." }
            },
            fields: html! {},
            button: "Disconnect and erase",
            is_dangerous: true,
        }))
    }
}

fn scope_list(scopes: &[Value]) -> Markup {
    let missing = scopes.iter().filter(|scope| !scope.flag("is_granted")).count();
    html! {
        details.data open[missing > 0] {
            summary { "Scopes: " (scopes.len() - missing) " granted, " (missing) " missing" }
            ul.plain {
                @for scope in scopes {
                    li {
                        @if scope.flag("is_granted") { (badge(Tone::Good, "granted")) } @else { (badge(Tone::Bad, "missing")) }
                        " " code { (scope.text("scope")) } " " span.quiet { (scope.text("description")) }
                    }
                }
            }
        }
    }
}

fn sync_settings(view: &View, settings: &Value, id: &str) -> Markup {
    let number = |name: &str, label: &str, value: i64| {
        html! { label.field { span { (label) } input type="number" min="0" name=(name) value=(value); } }
    };
    html! {
        @if view.may.administer {
            form.stack method="post" action=(view.href(&format!("/accounts/{id}/sync"), &[])) {
                (view.csrf_field())
                label.check { input type="checkbox" name="enabled" value="true" checked[settings.flag("enabled")]; " Copy this directory" }
                (number("full_every_s", "Seconds between full runs", settings.int("full_every_s")))
                (number("poll_every_s", "Seconds between reads of the provider's audit log", settings.int("poll_every_s")))
                (number("history_days", "Days of history", settings.int("history_days")))
                (number("max_removed_count", "Hold a run that removes more than this number", settings.int("/max_removed/count")))
                (number("max_removed_percent", "… or this percentage", settings.int("/max_removed/percent")))
                button type="submit" { "Change the settings" }
            }
        } @else {
            (facts(&[("Enabled", html! { (settings.flag("enabled")) }), ("Days of history", html! { (settings.int("history_days")) })]))
        }
    }
}

fn capability_table(view: &View, capabilities: &Value) -> Markup {
    let rows = html! {
        @for resource in capabilities.list("resources") {
            tr {
                th scope="row" { (words(resource.text("resource"))) }
                td {
                    @for method in resource.list("methods") {
                        @if method.flag("is_supported") { (badge(Tone::Good, method.text("method"))) " " }
                        @else { span title=(method.text("reason")) { (badge(Tone::Quiet, &format!("no {}", method.text("method")))) } " " }
                    }
                }
            }
        }
    };
    html! {
        (table("Table of capabilities", &["Resource", "Operations"], &rows))
        @if !capabilities.list("change_sources").is_empty() {
            h3 { "How changes are found" }
            ul.plain {
                @for source in capabilities.list("change_sources") {
                    li {
                        @if source.flag("is_available") { (badge(Tone::Good, "available")) } @else { (badge(Tone::Quiet, "not available")) }
                        " " (words(source.text("source")))
                        @if let Some(at) = source.time("last_at") { span.quiet { " · last " (view.now.short(Some(at), "")) } }
                        @if let Some(why) = source.some("reason") { span.quiet { " · " (why) } }
                    }
                }
            }
        }
    }
}
