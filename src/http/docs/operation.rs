//! The section of an operation: description, parameters, body, responses, problems, code samples, and the form to try it.

use maud::{Markup, html};
use serde_json::Value;

use super::code;
use super::document::{Content, Operation, Parameter, Success};
use super::samples::{Sample, pretty, samples};
use super::{schema, try_it};
use crate::http::html_page::prose;

/// Renders the section.
pub(super) fn section(document: &Value, operation: &Operation<'_>) -> Markup {
    let anchor = operation.anchor();
    let title = format!("{anchor}-title");
    html! {
        section.operation id=(anchor) aria-labelledby=(title) {
            div.columns {
                div.about {
                    h2 id=(title) {
                        (operation.summary())
                        a.anchor href={ "#" (anchor) } aria-label={ "Link to " (operation.summary()) } { "#" }
                    }
                    p.endpoint { (method(operation)) " " code { (operation.path) } }
                    (description(operation.description()))
                    (access(operation))
                    (parameters(document, operation))
                    (request_body(document, operation))
                    (responses(document, operation))
                    (problems(operation))
                }
                div.example {
                    (code_samples(&anchor, &samples(document, operation)))
                    (examples(operation))
                }
            }
            (try_it::form(document, operation))
        }
    }
}

/// Renders the method of an operation.
pub(super) fn method(operation: &Operation<'_>) -> Markup {
    html! { span class={ "method " (operation.method) } { (operation.method.to_uppercase()) } }
}

/// Renders a description, with its paragraphs.
fn description(text: &str) -> Markup {
    let paragraphs = text.split("\n\n").filter(|paragraph| !paragraph.is_empty());
    html! { @for paragraph in paragraphs { p { (prose(paragraph)) } } }
}

/// Renders what the key of a request needs.
fn access(operation: &Operation<'_>) -> Markup {
    let scopes: Vec<_> = operation.scopes().collect();
    html! {
        p.access {
            @if operation.is_public() { "No key required." }
            @for scope in &scopes { "Requires a key with the scope " code { (scope) } "." }
            @if operation.has_account() { " Specify the account with " code { "X-Integrated-Account-Id" } "." }
        }
    }
}

fn parameters(document: &Value, operation: &Operation<'_>) -> Markup {
    let mut all: Vec<Parameter<'_>> = operation.parameters().collect();
    all.sort_by_key(|one| !one.is_required);
    html! {
        @for (place, title) in [("path", "Path parameters"), ("query", "Query parameters"), ("header", "Headers")] {
            @if all.iter().any(|one| one.place == place) {
                h3 { (title) }
                (schema::parameters(document, all.iter().filter(|one| one.place == place)))
            }
        }
    }
}

fn request_body(document: &Value, operation: &Operation<'_>) -> Markup {
    let body = operation.body();
    let Some(first) = operation.json_body().or_else(|| operation.body().into_iter().next()) else {
        return Markup::default();
    };
    html! {
        h3 { "Request body" @if operation.is_body_required() { " " span.required { "required" } } }
        @if body.len() > 1 { (media_types(&body)) }
        @if let Some(fields) = first.schema.and_then(|one| schema::fields(document, one)) { (fields) }
    }
}

fn media_types(contents: &[Content<'_>]) -> Markup {
    html! { p.note { "As " @for (number, one) in contents.iter().enumerate() { @if number > 0 { ", " } code { (one.media_type) } } "." } }
}

fn responses(document: &Value, operation: &Operation<'_>) -> Markup {
    let successes = operation.successes();
    html! {
        h3 { "Responses" }
        ul.responses {
            @for (number, success) in successes.iter().enumerate() {
                @let same = successes.iter().take(number).find(|other| root(other) == root(success));
                li {
                    span.status { (success.status) } " " (prose(success.description))
                    @if success.contents.len() > 1 { (media_types(&success.contents)) }
                    @if let Some(same) = same { p.note { "The fields are those of " (same.status) "." } }
                    @else if let Some(fields) = root(success).and_then(|one| schema::fields(document, one)) {
                        details { summary { "Fields of the response" } (fields) }
                    }
                }
            }
        }
    }
}

/// Returns the schema of the first content of a response that has one.
fn root<'d>(success: &Success<'d>) -> Option<&'d Value> {
    success.contents.iter().find_map(|content| content.schema)
}

/// Renders the statuses of problems. What they can be is listed once on the page.
fn problems(operation: &Operation<'_>) -> Markup {
    html! {
        h3 { "Problems" }
        p.statuses { @for status in operation.problem_statuses() { a href={ "#problem-" (status) } { (status) } " " } }
    }
}

fn code_samples(anchor: &str, samples: &[Sample]) -> Markup {
    html! {
        div.samples {
            div.bar {
                div.tabs role="tablist" aria-label="Language of the sample" {
                    @for (number, sample) in samples.iter().enumerate() {
                        @let id = format!("{anchor}-{}", sample.language);
                        button type="button" role="tab" id={ (id) "-tab" } aria-controls=(id)
                            aria-selected=(if number == 0 { "true" } else { "false" }) tabindex=(if number == 0 { "0" } else { "-1" })
                            data-language=(sample.language) { (sample.label) }
                    }
                }
                button.copy type="button" { "Copy" }
            }
            @for sample in samples {
                div.sample role="tabpanel" id={ (anchor) "-" (sample.language) }
                    aria-label=(sample.label) data-language=(sample.language) {
                    p.language { (sample.label) }
                    (code::block(&sample.code))
                }
            }
        }
    }
}

/// Renders an example of each successful response.
fn examples(operation: &Operation<'_>) -> Markup {
    let successes = operation.successes();
    html! {
        @for (number, success) in successes.iter().enumerate() {
            @for content in success.contents.iter().filter(|content| content.example.is_some()).take(1) {
                details.response open[number == 0] {
                    summary { "Response " span.status { (success.status) } " " span.kind { (content.media_type) } }
                    @if let Some(example) = content.example {
                        div.scroll tabindex="0" role="group" aria-label={ "Example of " (success.status) } {
                            (code::block(&shown(example)))
                        }
                    }
                }
            }
        }
    }
}

/// Returns an example as it is in a body: texts as they are, other values as JSON.
fn shown(example: &Value) -> String {
    example.as_str().map_or_else(|| pretty(example), str::to_owned)
}
