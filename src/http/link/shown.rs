//! How a hosted page is shown: in which window, for which web page, in whose colours.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::domain::link_page::{LinkPage, own_origin};
use crate::http::page::{self, Frame};

/// The window of a hosted page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Display {
    /// A window of its own, as far as we know; it may have been opened by another page.
    #[default]
    Page,
    /// A popup of the web page that opened it.
    Popup,
    /// A frame of that web page. Providers refuse to be framed: the consent opens beside it.
    Frame,
}

impl Display {
    /// The name in addresses, in forms and in the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Page => "redirect",
            Self::Popup => "popup",
            Self::Frame => "iframe",
        }
    }

    /// The display of that name; an unknown name is a window of its own.
    pub(super) fn named(name: &str) -> Self {
        [Self::Popup, Self::Frame].into_iter().find(|one| one.name() == name).unwrap_or_default()
    }

    /// The display that a request asks for: by name, or because a frame asks.
    pub(super) fn of(name: Option<&str>, headers: &HeaderMap) -> Self {
        let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
        match (name, destination) {
            (_, Some("iframe")) => Self::Frame,
            (Some(name), _) => Self::named(name),
            (None, _) => Self::Page,
        }
    }
}

/// The surroundings of a hosted page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// How it looks, and who may open it.
    pub(super) page: &'a LinkPage,
    /// In which window.
    pub(super) display: Display,
    /// The origin of the web page that opened it, when it may.
    pub(super) opener: Option<&'a str>,
}

impl Shown<'_> {
    /// The origins that are told how it ended.
    fn told(&self) -> Vec<&str> {
        match self.opener {
            Some(opener) => vec![opener],
            None => self.page.origins.iter().map(String::as_str).collect(),
        }
    }

    /// A whole page. `message` goes to the web page that opened it; `status_path` is where a frame
    /// looks for the end; `leaves_for` is the origin that its form leads to.
    pub(super) fn respond(&self, content: Content<'_>) -> Response {
        let Content { title, body, message, status_path, leaves_for } = content;
        let body = html! {
            (brand(self.page))
            (body)
            @if let Some(support) = &self.page.support_url {
                p.note.support { "Questions? " a href=(support) rel="noopener" target="_blank" { "Get help" } }
            }
            div #switchboard hidden
                data-display=(self.display.name())
                data-told=(json!(self.told()).to_string())
                data-message=[message.map(|message| message.to_string())]
                data-status=[status_path] {}
            script src="/sdk/hosted.js" {}
        };
        page::hosted(&Frame {
            title,
            body: &body,
            product: self.page.name.as_deref(),
            accent: self.page.accent_color.as_deref(),
            leaves_for,
            framed_by: &framers(self.page),
        })
    }
}

/// What stands on a hosted page.
#[derive(Debug)]
pub(super) struct Content<'a> {
    /// The window's title.
    pub(super) title: &'a str,
    /// What is read.
    pub(super) body: Markup,
    /// What the web page that opened it is told.
    pub(super) message: Option<Value>,
    /// Where a frame looks for the end.
    pub(super) status_path: Option<String>,
    /// The origin that the form leads to.
    pub(super) leaves_for: &'a str,
}

/// Who asks for the page: the origin named in the query, or that of the page that leads here, when
/// the environment admits it.
pub(super) fn opener(page: &LinkPage, named: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let origins = [named, referer].into_iter().flatten().filter_map(own_origin);
    origins.into_iter().find(|origin| page.admits(origin))
}

/// The sources that may frame the page, as a content security policy has them.
fn framers(page: &LinkPage) -> String {
    match &*page.origins {
        [] => "http://localhost:* http://127.0.0.1:*".to_owned(),
        some => some.join(" "),
    }
}

fn brand(page: &LinkPage) -> Markup {
    html! {
        @if page.logo_url.is_some() || page.name.is_some() {
            header.brand {
                @if let Some(logo) = &page.logo_url { img src=(logo) alt="" height="32"; }
                @if let Some(name) = &page.name { span { (name) } }
            }
        }
    }
}
