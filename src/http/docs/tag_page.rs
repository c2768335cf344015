//! The page of a tag: its operations, and the problems that they may return.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{TagGroup, resolved, text};
use super::samples::pretty;
use super::{code, operation, schema};
use crate::http::html_page::prose;

/// Renders the content of the page.
pub(super) fn content(document: &Value, group: &TagGroup<'_>) -> Markup {
    html! {
        div.head { h1 { (group.tag) } p.lead { (prose(group.description)) } }
        @for one in &group.operations { (operation::section(document, one)) }
        (problems(document))
        (confirmation())
    }
}

/// Renders the problems of each status.
fn problems(document: &Value) -> Markup {
    let responses = document.pointer("/components/responses").and_then(Value::as_object);
    let responses = responses.into_iter().flatten();
    let by_status: Vec<_> = responses
        .filter_map(|(name, response)| Some((name.strip_prefix("Problem")?, content_of(response)?)))
        .collect();
    let body = by_status.first().and_then(|(_, content)| content.get("schema"));
    html! {
        section.problems #problems aria-labelledby="problems-title" {
            h2 #problems-title { "Problems" }
            p { "Errors are RFC 9457 problem details. Their " code { "type" } " is the address of a page about the problem; " a href="/problems" { "all problems" } "." }
            @if let Some(fields) = body.and_then(|schema| schema::fields(document, schema)) {
                details { summary { "Fields of a problem" } (fields) }
            }
            @for (status, content) in &by_status {
                @let examples = content.get("examples").and_then(Value::as_object);
                div.problem id={ "problem-" (status) } {
                    h3 { span.status { (status) } }
                    ul {
                        @for (name, example) in examples.into_iter().flatten() {
                            li { a href={ "/problems/" (name) } { code { (name) } } " " (text(resolved(document, example), "summary")) }
                        }
                    }
                    @if let Some(example) = examples.and_then(|all| all.values().next()).and_then(|one| one.get("value")) {
                        details { summary { "Example" } (code::block(&pretty(example))) }
                    }
                }
            }
        }
    }
}

fn content_of(response: &Value) -> Option<&Value> {
    response.pointer("/content/application~1problem+json")
}

/// Renders the dialog that asks before a request that changes something.
fn confirmation() -> Markup {
    html! {
        dialog #confirmation aria-labelledby="confirmation-title" {
            h2 #confirmation-title { "Send this request?" }
            p { code #confirmation-request {} }
            p { "It changes data of this server, and may change the customer's directory at the provider." }
            div.actions {
                button type="button" data-choice="cancel" autofocus { "Cancel" }
                button.primary type="button" data-choice="send" { "Send the request" }
            }
        }
    }
}
