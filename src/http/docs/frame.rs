//! The frame of the pages: head, navigation with search, content.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::assets::Assets;
use super::document::{Operation, TagGroup, resolved, slug};
use super::operation::method;
use crate::http::html_page::ICON;

/// A page within the frame.
pub(super) struct Page<'a> {
    /// The tag of the page; `None` for the overview.
    pub(super) tag: Option<&'a str>,
    pub(super) content: Markup,
}

/// Renders the page.
pub(super) fn render(
    document: &Value,
    groups: &[TagGroup<'_>],
    assets: &Assets,
    page: &Page<'_>,
) -> String {
    let title =
        page.tag.map_or_else(|| "API reference".to_owned(), |tag| format!("{tag} · API reference"));
    let markup = html! {
        (DOCTYPE)
        html lang="en" data-language="curl" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Switchboard" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href=(assets.style_address());
                // Not deferred: it is small, and what it changes must not move the page after the first paint.
                script src=(assets.script_address()) {}
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    a.home href="/docs" { "Switchboard" span { " API reference" } }
                    span.version { (env!("CARGO_PKG_VERSION")) }
                    nav aria-label="More" {
                        a href="/openapi.json" { "OpenAPI 3.1" }
                        a href="/problems" { "Problems" }
                        a href="/console" { "Console" }
                    }
                }
                div.shell {
                    div.side { (search()) (navigation(document, groups, page.tag)) }
                    main #content tabindex="-1" { (page.content) }
                }
            }
        }
    };
    markup.into_string()
}

/// Renders the search, which the script makes work.
fn search() -> Markup {
    html! {
        form.search role="search" {
            label.hidden for="search" { "Search operations" }
            input #search type="search" placeholder="Search" autocomplete="off" spellcheck="false"
                aria-keyshortcuts="/" aria-describedby="found";
            kbd aria-hidden="true" { "/" }
            p.note #found role="status" {}
        }
    }
}

fn navigation(document: &Value, groups: &[TagGroup<'_>], current: Option<&str>) -> Markup {
    html! {
        details.menu open {
            summary { "Sections" }
            nav #navigation aria-label="API reference" {
                a.overview href="/docs" aria-current=[current.is_none().then_some("page")] { "Overview" }
                @for group in groups {
                    @let is_current = current == Some(group.tag);
                    details.group open[is_current] data-current[is_current] {
                        summary { (group.tag) }
                        ul {
                            li {
                                a href={ "/docs/" (slug(group.tag)) } aria-current=[is_current.then_some("page")] {
                                    "About " (group.tag.to_lowercase())
                                }
                            }
                            @for one in &group.operations { (entry(document, one)) }
                        }
                    }
                }
            }
        }
    }
}

fn entry(document: &Value, one: &Operation<'_>) -> Markup {
    html! {
        li data-words=(words(document, one)) {
            a href=(one.href()) { (method(one)) " " span { (one.summary()) } }
        }
    }
}

/// Returns what the search finds an operation by, besides its summary.
fn words(document: &Value, one: &Operation<'_>) -> String {
    let mut words = format!("{} {}", one.method, one.path);
    let parameters = one.parameters().map(|parameter| parameter.name);
    let body = one.json_body().and_then(|content| content.schema);
    let body = body.map(|schema| resolved(document, schema));
    let fields = body.and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let fields = fields.into_iter().flatten().map(|(name, _)| name.as_str());
    for word in parameters.chain(fields) {
        words.push(' ');
        words.push_str(word);
    }
    words.to_lowercase()
}
