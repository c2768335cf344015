//! The environment: its name, the branding of its hosted pages with a preview, and the creation of others.

use axum::http::Method;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::json::Fields as _;
use super::super::parts::{copyable, facts};
use super::super::view::{Page, PageError, PageResult, View};
use crate::domain::link_page::LinkPage;
use crate::http::internal_api::segment;
use crate::http::link;

/// The texts of the branding: name of the field, label, hint.
const TEXTS: [(&str, &str, &str); 6] = [
    ("name", "Name of your product", "Acme HR"),
    ("accent_color", "Accent color", "#0b5fff"),
    ("logo_url", "Logo: an https URL", "https://acme.example/logo.svg"),
    ("headline", "Headline", "Connect your directory"),
    ("introduction", "Introduction", "What your product does with the directory"),
    ("support_url", "Support: https or mailto", "mailto:help@acme.example"),
];

/// Returns the environment.
async fn own(view: &View) -> Result<Value, PageError> {
    let list = view.api.get("/environments", &[]).await?;
    Ok(list.list("result").first().cloned().unwrap_or_default())
}

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let environment = own(view).await?;
    let page = environment.field("link_page");
    let body = html! {
        section.card aria-labelledby="this" {
            h2 #this { "This environment" }
            (facts(&[
                ("Name", html! { (environment.text("name")) }),
                ("Id", html! { code { (environment.text("id")) } }),
                ("Created", view.now.when_or(environment.time("created_at"), "")),
            ]))
            @if view.may.administer { (name_form(view, environment.text("name"))) }
        }
        section.card aria-labelledby="branding" {
            h2 #branding { "Branding of the hosted pages" }
            div.columns {
                @if view.may.administer { (branding_form(view, page)) } @else { (facts(&TEXTS.map(|(name, label, _)| (label, html! { (page.some(name).unwrap_or("–")) })))) }
                div {
                    h3 { "Preview of the link page" }
                    iframe.preview name="preview" title="Preview of the link page" src=(view.href("/environment/preview", &preview_query(page))) {}
                }
            }
        }
        @if view.may.administer { (create_form(view)) }
    };
    let lead = html! { "A key belongs to one environment, and so does a session of the console: for another one, sign in with a key of it." };
    Ok(Page { title: "Environment".to_owned(), lead, body, ..Page::default() })
}

/// Returns the stored branding as the query of the preview.
fn preview_query(page: &Value) -> Vec<(&'static str, &str)> {
    TEXTS.iter().map(|(name, ..)| (*name, page.text(name))).collect()
}

fn name_form(view: &View, name: &str) -> Markup {
    html! {
        form.row method="post" action=(view.href("/environment/name", &[])) {
            (view.csrf_field())
            label.field { span { "Name" } input type="text" name="name" required maxlength="100" value=(name); }
            button type="submit" { "Rename" }
        }
    }
}

fn branding_form(view: &View, page: &Value) -> Markup {
    html! {
        form.stack #brand-form method="post" action=(view.href("/environment/branding", &[])) data-preview="preview" {
            (view.csrf_field())
            @for (name, label, hint) in TEXTS {
                label.field { span { (label) } input type="text" name=(name) value=(page.text(name)) placeholder=(hint) maxlength="32768"; }
            }
            label.field {
                span { "Origins that may open and frame the pages, one a line" }
                textarea name="origins" rows="3" placeholder="https://app.acme.example" { (page.texts("origins").join("\n")) }
            }
            div.actions {
                button.primary type="submit" { "Change the branding" }
                button type="submit" formmethod="get" formtarget="preview" formaction=(view.href("/environment/preview", &[])) { "Preview" }
            }
        }
    }
}

fn create_form(view: &View) -> Markup {
    html! {
        section.card.narrow aria-labelledby="other" {
            h2 #other { "Another environment" }
            form.stack method="post" action=(view.href("/environment/create", &[])) {
                (view.csrf_field())
                label.field { span { "Name" } input type="text" name="name" required maxlength="100" placeholder="staging"; }
                p.quiet { "It gets its own keys, accounts and webhooks. The keys of this environment have no access to it." }
                button type="submit" { "Create an environment" }
            }
        }
    }
}

/// Returns the branding of a form, or of the query of the preview.
fn branding(get: impl Fn(&str) -> Option<String>, origins: &[&str]) -> Value {
    let texts = TEXTS.iter().filter_map(|(name, ..)| Some(((*name).to_owned(), json!(get(name)?))));
    let mut page: Map<String, Value> = texts.collect();
    if !origins.is_empty() {
        page.insert("origins".to_owned(), json!(origins));
    }
    Value::Object(page)
}

/// Changes the branding.
pub(in crate::http) async fn change_branding(
    view: &View,
    fields: &FormFields,
) -> Result<(), PageError> {
    let page = branding(|name| fields.get(name).map(str::to_owned), &fields.entries("origins"));
    change(view, &json!({"link_page": page})).await
}

/// Changes the name.
pub(in crate::http) async fn rename(view: &View, fields: &FormFields) -> Result<(), PageError> {
    change(view, &json!({"name": fields.get("name").unwrap_or_default()})).await
}

async fn change(view: &View, body: &Value) -> Result<(), PageError> {
    let path = format!("/environments/{}", segment(own(view).await?.text("id")));
    view.api.send(Method::PATCH, &path, &[], Some(body)).await?;
    Ok(())
}

/// Creates an environment and shows the secret of its first key.
pub(in crate::http) async fn create(view: &View, fields: &FormFields) -> PageResult {
    let body = json!({"name": fields.get("name").unwrap_or_default()});
    let created = view.api.send(Method::POST, "/environments", &[], Some(&body)).await?;
    let environment = created.field("result");
    let body = html! {
        div.card.narrow {
            p.notice.warn { "Copy the secret of its first key now: it is not stored and not shown again." }
            (copyable("secret", "Secret", environment.text("key")))
            p.quiet { "The key has the scope " code { "admin" } ". Sign in with it to work in the new environment." }
            p { a href=(view.href("/environment", &[])) { "Environment" } }
        }
    };
    Ok(Page { title: format!("Environment {}", environment.text("name")), body, ..Page::default() })
}

/// Shows the link page with the branding in the query. Invalid values are left out.
pub(in crate::http) fn preview(view: &View) -> Response {
    let page = branding(|name| view.query.get(name).map(str::to_owned), &[]);
    let page: LinkPage = serde_json::from_value(page).unwrap_or_default();
    let errors = page.validate();
    let is_valid = |name: &str| {
        let pointer = format!("/link_page/{name}");
        errors.iter().all(|error| error.pointer != pointer)
    };
    let page = LinkPage {
        name: page.name.filter(|_| is_valid("name")),
        logo_url: page.logo_url.filter(|_| is_valid("logo_url")),
        accent_color: page.accent_color.filter(|_| is_valid("accent_color")),
        headline: page.headline.filter(|_| is_valid("headline")),
        introduction: page.introduction.filter(|_| is_valid("introduction")),
        support_url: page.support_url.filter(|_| is_valid("support_url")),
        origins: Vec::new(),
    };
    link::preview(&page)
}
