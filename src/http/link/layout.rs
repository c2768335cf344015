//! The layout of hosted pages: display mode, opener and branding.

use axum::http::{HeaderMap, header};
use axum::response::Response;
use maud::{Markup, html};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::redirect;
use crate::domain::link_page::{LinkPage, redirect_origin};
use crate::domain::provider::Provider;
use crate::http::html_page::{self, HostedPage};
use crate::link::LinkOptions;

/// Where a hosted page is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum DisplayMode {
    /// A window of its own; another page may have opened it.
    #[default]
    Page,
    /// A popup of the web page that opened it.
    Popup,
    /// A frame of that web page. The consent opens in a window, because providers refuse to be framed.
    Frame,
}

impl DisplayMode {
    /// Returns the name in URLs, forms and the database.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Page => "redirect",
            Self::Popup => "popup",
            Self::Frame => "iframe",
        }
    }

    /// Returns the display mode of that name; `Page` if it is unknown.
    pub(super) fn from_name(name: &str) -> Self {
        [Self::Popup, Self::Frame].into_iter().find(|one| one.name() == name).unwrap_or_default()
    }

    /// Returns the display mode of a request: `Frame` if a frame loads it, else by name.
    pub(super) fn of(name: Option<&str>, headers: &HeaderMap) -> Self {
        let destination = headers.get("sec-fetch-dest").and_then(|value| value.to_str().ok());
        match (name, destination) {
            (_, Some("iframe")) => Self::Frame,
            (Some(name), _) => Self::from_name(name),
            (None, _) => Self::Page,
        }
    }
}

/// The context of a hosted page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageContext<'a> {
    /// Branding, and the allowed origins.
    pub(super) page: &'a LinkPage,
    /// The display mode.
    pub(super) display: DisplayMode,
    /// The origin of the web page that opened it, if it is allowed.
    pub(super) opener: Option<&'a str>,
}

impl PageContext<'_> {
    /// Returns the origins that receive the result.
    fn message_targets(&self) -> Vec<&str> {
        match self.opener {
            Some(opener) => vec![opener],
            None => self.page.origins.iter().map(String::as_str).collect(),
        }
    }

    /// Renders a whole page. `message` is sent to the web page that opened it; `status_path` is polled by a frame;
    /// `leaves_for` is the origin that its form leads to.
    pub(super) fn respond(&self, content: PageContent<'_>) -> Response {
        let PageContent { title, body, message, status_path, leaves_for } = content;
        let body = html! {
            (brand(self.page))
            (body)
            @if let Some(support) = &self.page.support_url {
                p.note.support { "Questions? " a href=(support) rel="noopener" target="_blank" { "Get help" } }
            }
            div #switchboard hidden
                data-display=(self.display.name())
                data-targets=(json!(self.message_targets()).to_string())
                data-message=[message.map(|message| message.to_string())]
                data-status=[status_path] {}
            script src="/sdk/hosted.js" {}
        };
        html_page::hosted(&HostedPage {
            title,
            body: &body,
            product: self.page.name.as_deref(),
            accent: self.page.accent_color.as_deref(),
            redirect_origin: leaves_for,
            frame_ancestors: &frame_ancestors(self.page),
        })
    }
}

/// A page of an open link token.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkPageView<'a> {
    /// The context of the page.
    pub(super) context: &'a PageContext<'a>,
    /// The providers and the branding.
    pub(super) offer: &'a LinkOptions,
    /// The link token.
    pub(super) token: &'a str,
}

impl LinkPageView<'_> {
    /// Returns the URL of the link with a provider selected, or without.
    pub(super) fn href(&self, chosen: Option<Provider>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("display", self.context.display.name());
        if let Some(opener) = self.context.opener {
            query.append_pair("origin", opener);
        }
        if let Some(provider) = chosen {
            query.append_pair("provider", provider.name());
        }
        format!("/link/{}?{}", self.token, query.finish())
    }

    /// Renders the hidden fields of every form.
    pub(super) fn fields(&self, provider: Provider) -> Markup {
        html! {
            input type="hidden" name="provider" value=(provider.name());
            input type="hidden" name="display" value=(self.context.display.name());
            @if let Some(opener) = self.context.opener { input type="hidden" name="origin" value=(opener); }
        }
    }

    /// Renders the whole page. `leaves_for` is the origin that its form leads to.
    pub(super) fn respond(&self, title: &str, body: Markup, leaves_for: &str) -> Response {
        let status_path = Some(format!("/link/{}/status", self.token));
        self.context.respond(PageContent { title, body, message: None, status_path, leaves_for })
    }
}

/// Renders the introduction of the environment, or the default one. `directory` names the provider, if selected.
pub(super) fn introduction(page: &LinkPage, directory: Option<&str>) -> Markup {
    let place = directory.map(|directory| format!(" in {directory}")).unwrap_or_default();
    html! {
        @match (&page.introduction, &page.name) {
            (Some(words), _) => (words),
            (None, Some(product)) => { strong { (product) } " would like to access the users and groups of your organization" (place) "." }
            (None, None) => { "This connects the users and groups of your organization" (place) "." }
        }
    }
}

/// Renders the link back to the provider selection, if there are several.
pub(super) fn other_provider_link(offering: &LinkPageView<'_>) -> Markup {
    html! {
        @if offering.offer.choices.len() > 1 {
            p.out { a href=(offering.href(None)) { "Choose another directory" } }
        }
    }
}

/// Renders the link that cancels and returns to the application.
pub(super) fn cancel_link(offer: &LinkOptions) -> Markup {
    let back = offer.redirect_uri.as_deref().and_then(redirect::cancel_url);
    html! {
        p.out {
            @match back {
                Some(back) => a href=(back) { "Not now" },
                None => a href="#" data-close="" hidden { "Not now" },
            }
        }
    }
}

/// The content of a hosted page.
#[derive(Debug)]
pub(super) struct PageContent<'a> {
    /// The page title.
    pub(super) title: &'a str,
    /// The body.
    pub(super) body: Markup,
    /// The message to the web page that opened it.
    pub(super) message: Option<Value>,
    /// The path that a frame polls for the result.
    pub(super) status_path: Option<String>,
    /// The origin that the form leads to.
    pub(super) leaves_for: &'a str,
}

/// Returns the allowed origin that opened the page: the one named in the query, or that of the referrer.
pub(super) fn opener(page: &LinkPage, named: Option<&str>, headers: &HeaderMap) -> Option<String> {
    let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let origins = [named, referer].into_iter().flatten().filter_map(redirect_origin);
    origins.into_iter().find(|origin| page.allows_origin(origin))
}

/// Returns the `frame-ancestors` of the page's content security policy.
pub(in crate::http) fn frame_ancestors(page: &LinkPage) -> String {
    match &*page.origins {
        [] => "http://localhost:* http://127.0.0.1:*".to_owned(),
        some => some.join(" "),
    }
}

pub(super) fn brand(page: &LinkPage) -> Markup {
    html! {
        @if page.logo_url.is_some() || page.name.is_some() {
            header.brand {
                @if let Some(logo) = &page.logo_url { img src=(logo) alt="" height="32"; }
                @if let Some(name) = &page.name { span { (name) } }
            }
        }
    }
}
