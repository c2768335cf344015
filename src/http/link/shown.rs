//! How a hosted page is shown: in which window, for which web page, in whose colours.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::redirect;
use crate::domain::link_page::{LinkPage, own_origin};
use crate::domain::provider::Provider;
use crate::http::page::{self, Frame};
use crate::link::Offer;

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

/// A page of what a link token has on offer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offering<'a> {
    /// Its surroundings.
    pub(super) shown: &'a Shown<'a>,
    /// What can be connected.
    pub(super) offer: &'a Offer,
    /// The link token.
    pub(super) token: &'a str,
}

impl Offering<'_> {
    /// The address of the same link with a choice made, or with none.
    pub(super) fn href(&self, chosen: Option<Provider>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("display", self.shown.display.name());
        if let Some(opener) = self.shown.opener {
            query.append_pair("origin", opener);
        }
        if let Some(provider) = chosen {
            query.append_pair("provider", provider.name());
        }
        format!("/link/{}?{}", self.token, query.finish())
    }

    /// What every form of the page takes along.
    pub(super) fn fields(&self, provider: Provider) -> Markup {
        html! {
            input type="hidden" name="provider" value=(provider.name());
            input type="hidden" name="display" value=(self.shown.display.name());
            @if let Some(opener) = self.shown.opener { input type="hidden" name="origin" value=(opener); }
        }
    }

    /// The whole page. `leaves_for` is the origin that its form leads to.
    pub(super) fn respond(&self, title: &str, body: Markup, leaves_for: &str) -> Response {
        let status_path = Some(format!("/link/{}/status", self.token));
        self.shown.respond(Content { title, body, message: None, status_path, leaves_for })
    }
}

/// Why this is asked, in the words of the environment or in ours.
/// `directory` names where they are, when that is known.
pub(super) fn introduction(page: &LinkPage, directory: Option<&str>) -> Markup {
    let place = directory.map(|directory| format!(" in {directory}")).unwrap_or_default();
    html! {
        @match (&page.introduction, &page.name) {
            (Some(words), _) => (words),
            (None, Some(product)) => { strong { (product) } " would like to work with the people and groups of your organization" (place) "." }
            (None, None) => { "This connects the people and groups of your organization" (place) "." }
        }
    }
}

/// The way back to the choice, where there is one.
pub(super) fn other_choice(offering: &Offering<'_>) -> Markup {
    html! {
        @if offering.offer.choices.len() > 1 {
            p.out { a href=(offering.href(None)) { "Choose another directory" } }
        }
    }
}

/// The way back to the web page that the customer came from, without a connection.
pub(super) fn way_out(offer: &Offer) -> Markup {
    let back = offer.redirect_uri.as_deref().and_then(redirect::closed);
    html! {
        p.out {
            @match back {
                Some(back) => a href=(back) { "Not now" },
                None => a href="#" data-close="" hidden { "Not now" },
            }
        }
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
